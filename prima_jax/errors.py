"""The one exception that a user is meant to see, and what device and disk say told as one."""

import errno
import os
import traceback

__all__ = ["UserError", "name_too_long", "device_error", "shown"]

SHOW = "PRIMA_SHOW_VALUES"


class UserError(Exception):
    """Bad input, told in one sentence: which file, row or field; what was expected; what was found; what to do.

    The command lines print the sentence without a traceback and exit with code 2.
    """


def shown(value: str) -> str:
    """A patient's value as a message may hold it: in quotes where the environment has PRIMA_SHOW_VALUES=1, else not at all."""
    return repr(value) if os.environ.get(SHOW) == "1" else f"{SHOW}=1 shows it"


def name_too_long(error: OSError) -> UserError:
    """A file's name that no disk takes, as a sentence; any other error is raised again."""
    if error.errno != errno.ENAMETOOLONG:
        raise error
    name = os.fspath(error.filename or "")
    return UserError(f"A file's name is too long ({str(name)[:60]!r}..., {len(name)} characters): give a shorter one.")


def device_error(error: Exception, advice: str) -> UserError:
    """Returns what JAX says of a device without memory, or of no device, as a sentence; any other error is raised again.

    advice: what to do where the memory ran out.
    """
    frames = traceback.extract_tb(error.__traceback__)
    asserted = isinstance(error, AssertionError) and frames[-1].filename.endswith("xla_bridge.py")  # for cuda, JAX says no more
    if asserted or "Unable to initialize backend" in str(error) or "Unknown backend" in str(error):
        asked = os.environ.get("JAX_PLATFORMS", "")
        return UserError(f"JAX finds no device of JAX_PLATFORMS={asked!r} here: set it to cpu, or unset it.")
    if "RESOURCE_EXHAUSTED" not in str(error):
        raise error
    said = str(error).splitlines()[0][:120].rstrip(".")
    return UserError(f"the memory ran out ({said}): {advice}.")
