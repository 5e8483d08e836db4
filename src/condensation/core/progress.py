"""Progress of long work, reported to a callback."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""Callback that receives (done, total) after each unit of work."""
