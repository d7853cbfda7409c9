"""The study of the stages' tests."""

from tests.stages.conftest import quick_compilation, study

__all__ = ["quick_compilation", "study"]
