"""Checks that data fit in memory, before reading them."""

import os
from pathlib import Path

from condensation.core.errors import NotEnoughMemory

MEMINFO = Path("/proc/meminfo")


def free_memory() -> int | None:
    """Return the bytes available without swapping; None if the system does not report them."""
    try:
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def require(needed: int, what: str, advice: str, free: int | None = None) -> None:
    """Check that ``needed`` bytes fit in ``free`` bytes, by default those of this machine. Raise NotEnoughMemory if not."""
    free = free_memory() if free is None else free
    if free is not None and needed > free:
        raise NotEnoughMemory(f"{what} needs about {readable(needed)} of memory, and {readable(free)} are free.", hint=advice)


def readable(size: int) -> str:
    """Return ``size`` bytes in a suitable unit: ``153.6 MB``."""
    amount = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
