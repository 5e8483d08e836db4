"""One file per method. To add one: its file, and a line in `METHODS`."""

from __future__ import annotations

from condensation.methods.base import Method
from condensation.methods.dc import DC, SiameseDC
from condensation.methods.dm import DM
from condensation.methods.random import Random

# In the order of the results table.
METHODS: dict[str, type[Method]] = {"random": Random, "dc": DC, "dsa": SiameseDC, "dm": DM}

__all__ = ["DC", "DM", "METHODS", "Method", "Random", "SiameseDC"]
