"""The study of the stages' tests."""

from tests.stages.conftest import compiled_quickly, study, tokenizers

__all__ = ["compiled_quickly", "study", "tokenizers"]
