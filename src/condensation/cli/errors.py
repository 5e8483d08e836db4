"""Errors and warnings of the library, worded for the command line: parameters become options."""

import re

from condensation.core.errors import CondensationError
from condensation.core.text import in_line

_OPTIONS_OF_DATA = ("folder", "size", "fit", "skip_bad")
_SAME_NAME = (
    *("out", "resume", "release", "ipc", "small_classes", "seed", "preset", "mirror", "data", "device", "network", "networks"),
    *(
        "kernel",
        "random",
        "whole",
        "which",
        "to",
        "shape",
        "track",
        "checkpoint_every",
        "trust",
        "labels",
        "pixels",
        "decoded",
        *_OPTIONS_OF_DATA,
    ),
)
# Parameter or setting of the library: option of the command.
OPTIONS = {
    **{name: "--" + name.replace("_", "-") for name in _SAME_NAME},
    **{f"data.{name}": "--" + name.replace("_", "-") for name in _OPTIONS_OF_DATA},
    **{"source": "--data", "data.source": "--data", "compute.device": "--device", "executor": "--on"},
}
GROUPS = ("data", "method", "evaluation", "compute")  # groups of settings in which a dotted name is complete
_ASSIGNED = re.compile(r"(?<![\w.])(" + "|".join(re.escape(name) for name in OPTIONS) + r""")=(\.\.\.|True|"[^"]*"|'[^']*'|[\w.x/-]*\w)""")
_SOURCE = re.compile(r"""data=\{"source": ("[^"]*")\}""")


def for_command_line(error: CondensationError) -> str:
    """Return the message and the hint of ``error`` with parameters as options, and with the setting if the message lacks it."""
    text, setting = in_option_names("\n".join(filter(None, (in_line(error.message), error.hint)))), error.setting
    if setting.partition(".")[0] not in GROUPS or "." not in setting or setting in OPTIONS or setting in text:
        return text
    message, *hint = text.split("\n", 1)
    return "\n".join([f"{message} Setting: {setting}.", *hint])


def in_option_names(text: str) -> str:
    """Return ``text`` with parameters such as ``resume=True`` and ``size=64`` written as options: ``--resume``, ``--size 64``."""
    return _ASSIGNED.sub(_option, _SOURCE.sub(r"source=\1", text))


def _option(match: re.Match[str]) -> str:
    option, value = OPTIONS[match[1]], match[2].strip("\"'")
    return option if value in ("True", "...") else f"{option} {value}"
