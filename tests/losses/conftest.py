"""The kernels say themselves what becomes of two types."""

from tests.strict import strict_promotion

__all__ = ["strict_promotion"]
