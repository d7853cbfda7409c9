"""The one exception that a user is meant to see."""

__all__ = ["UserError"]


class UserError(Exception):
    """Bad input, told in one sentence: which file, row or field; what was expected; what was found; what to do.

    The command lines print the sentence without a traceback and exit with code 2.
    """
