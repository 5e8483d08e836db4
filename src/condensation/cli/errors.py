"""Errors of the library in the words of the command line: parameters become options."""

from __future__ import annotations

import re

from condensation.core.errors import CondensationError

# Parameter or setting of the library: option of the command.
OPTIONS = {
    "out": "--out",
    "resume": "--resume",
    "ipc": "--ipc",
    "small_classes": "--small-classes",
    "seed": "--seed",
    "size": "--size",
    "fit": "--fit",
    "skip_bad": "--skip-bad",
    "folder": "--folder",
    "source": "--data",
    "device": "--device",
    "kernel": "--kernel",
    "data.source": "--data",
    "data.folder": "--folder",
    "data.size": "--size",
    "data.fit": "--fit",
    "data.skip_bad": "--skip-bad",
    "compute.device": "--device",
}
_ASSIGNED = re.compile(r"(?<![\w.])(" + "|".join(re.escape(name) for name in OPTIONS) + r""")=(\.\.\.|True|"[^"]*"|'[^']*'|[\w.x/-]*\w)""")


def for_command_line(error: CondensationError) -> str:
    """Return the message and the hint of ``error`` with parameters such as ``resume=True`` written as options: ``--resume``."""
    return _ASSIGNED.sub(_option, str(error))


def _option(match: re.Match[str]) -> str:
    option, value = OPTIONS[match[1]], match[2].strip("\"'")
    return option if value in ("True", "...") else f"{option} {value}"
