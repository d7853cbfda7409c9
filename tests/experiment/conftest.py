"""The study of the stages' tests."""

from tests.stages.conftest import study

__all__ = ["study"]
