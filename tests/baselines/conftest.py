"""The study of the stages' tests."""

from tests.stages.conftest import all_quickly_compiled, quick_compilation, study

__all__ = ["all_quickly_compiled", "quick_compilation", "study"]
