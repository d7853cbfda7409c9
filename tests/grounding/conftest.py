"""The study of the stages' tests."""

from tests.stages.conftest import quick_compilation, study, tokenizers

__all__ = ["quick_compilation", "study", "tokenizers"]
