"""Number of processors that this process may use."""

import os
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

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


RUNNING = Path("/proc/loadavg")
SHARED = "Other processes use this machine; with OMP_NUM_THREADS=1, this may be faster."


def is_shared(threads: int) -> bool:
    """Return whether other processes leave fewer processors of this machine than ``threads``, which then wait for each other.

    Both the load of the last minute and the processes that run now must say so: the former may be that of an earlier command.
    """
    free = (os.cpu_count() or 1) - threads
    if threads < 2 or not hasattr(os, "getloadavg") or os.getloadavg()[0] <= free + 1:
        return False
    others = others_running()
    return others is None or others > free


def others_running(samples: int = 5) -> float | None:
    """Return the number of threads of other processes that run now, the median of some ``samples``; None if the system does not tell."""
    counts = []
    for _ in range(samples):
        try:
            counts.append(int(RUNNING.read_text().split()[3].partition("/")[0]) - 1)  # without this thread
        except (OSError, ValueError, IndexError):
            return None
        time.sleep(0.01)
    return median(counts)
