"""Number of processors that this process may use."""

import os
from contextlib import suppress

from condensation.core.memory import group_folders


def usable_processors() -> int:
    """Return the processors of this process within its affinity and the quotas of its control groups, at least 1.

    A quota is rounded down: a thread more than it allows would let all others wait.
    """
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        count = os.cpu_count() or 1
    quota = processor_quota()
    return count if quota is None else max(1, min(count, int(quota)))


def processor_quota() -> float | None:
    """Return the processors that the control groups allow on average, such as 1.5; None if they set no limit."""
    quotas = []
    for version, folder in group_folders("cpu"):
        with suppress(OSError, ValueError, ZeroDivisionError):  # "max" is no number
            if version == 2:
                most, period = map(int, (folder / "cpu.max").read_text().split())
            else:
                most, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
            if most > 0:  # -1 is no limit
                quotas.append(most / period)
    return min(quotas, default=None)
