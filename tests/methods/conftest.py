"""The study of the stages' tests."""

from tests.stages.conftest import compiled_quickly, study

__all__ = ["compiled_quickly", "study"]
