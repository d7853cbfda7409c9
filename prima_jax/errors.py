"""The one exception that a user is meant to see, and a device without memory told as one."""

import os

__all__ = ["UserError", "out_of_memory", "shown"]

SHOW = "PRIMA_SHOW_VALUES"


class UserError(Exception):
    """Bad input, told in one sentence: which file, row or field; what was expected; what was found; what to do.

    The command lines print the sentence without a traceback and exit with code 2.
    """


def shown(value: str) -> str:
    """A patient's value as a message may hold it: in quotes where the environment has PRIMA_SHOW_VALUES=1, else not at all."""
    return repr(value) if os.environ.get(SHOW) == "1" else f"{SHOW}=1 shows it"


def out_of_memory(error: Exception, advice: str) -> UserError:
    """What XLA says of memory that ran out, with what to do about it; any other error is raised again."""
    if "RESOURCE_EXHAUSTED" not in str(error):
        raise error
    said = str(error).splitlines()[0][:120].rstrip(".")
    return UserError(f"the memory ran out ({said}): {advice}.")
