"""Checks that data fit in memory, before reading them, and recognition of errors for want of memory."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from condensation.core.errors import NotEnoughMemory

PROC, CGROUP = Path("/proc"), Path("/sys/fs/cgroup")
FREE_MEMORY = "Close other programs, or use a machine with more memory."
# Files of a control group: limit, usage, and the lines of `memory.stat` that count pages which the system can take back.
CGROUP_2 = ("memory.max", "memory.current", ("inactive_file", "active_file"))
CGROUP_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file"))
# Parts of the messages of torch, oneDNN, the C++ library and the loader of shared libraries.
SIGNS = ("out of memory", "allocate memory", "not enough memory", "bad_alloc", "could not create a primitive", "failed to map segment")


def free_memory() -> int | None:
    """Return the bytes available without swapping, within the limits of control groups and of this process; None if nothing is known."""
    known = [amount for amount in (_free_in_system(), *_free_in_groups(), *_free_in_process()) if amount is not None]
    return max(0, min(known)) if known else None


def require(needed: int, what: str, advice: str = FREE_MEMORY, free: int | None = None) -> None:
    """Check that ``needed`` bytes fit in ``free`` bytes, by default those of this machine. Raise NotEnoughMemory if not."""
    free = free_memory() if free is None else free
    if free is not None and needed > free:
        raise NotEnoughMemory(f"{what} needs about {readable(needed)} of memory, and {readable(free)} are free.", hint=advice)


def process_memory() -> int:
    """Return the most bytes that this process had in memory at once; 0 on Windows, which has no such count."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def peak_memory() -> dict[str, int]:
    """Return the most bytes that this process had in memory at once, ``process``, and torch on the GPU, ``gpu``, where it is used."""
    process = process_memory()
    peak = {"process": process} if process else {}
    cuda = sys.modules["torch"].cuda if "torch" in sys.modules else None
    if cuda and cuda.is_initialized():
        peak["gpu"] = int(cuda.max_memory_allocated())
    return peak


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether ``error`` was raised for want of memory, by Python, the system or torch."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error).lower()
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError | ImportError) and any(sign in text for sign in SIGNS))


def readable(size: int) -> str:
    """Return ``size`` bytes in a suitable unit: ``153.6 MB``."""
    amount = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def group_folders(controller: str) -> Iterator[tuple[int, Path]]:
    """Yield version and folder of the groups that may limit ``controller`` (``memory`` or ``cpu``), and of those above them."""
    try:
        lines = [line.split(":", 2) for line in (PROC / "self" / "cgroup").read_text().splitlines()]
    except OSError:
        return
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if controllers and controller not in controllers.split(","):
            continue
        version, mounts = (1, [CGROUP / controller, CGROUP / controllers]) if controllers else (2, [CGROUP, CGROUP / "unified"])
        inside = PurePosixPath(path.lstrip("/"))  # unless the container sees its group as the top
        for folder in dict.fromkeys(mount / group for mount in mounts for group in (inside, *inside.parents)):
            yield version, folder


def _free_in_system() -> int | None:
    with suppress(OSError, ValueError, KeyError, IndexError):
        return int(_fields(PROC / "meminfo")["MemAvailable"]) * 1024
    with suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _free_in_groups() -> Iterator[int]:
    """Yield the bytes left in the control groups of this process, of version 1 or 2, and in those above."""
    for version, folder in group_folders("memory"):
        limit_name, used_name, cached = CGROUP_1 if version == 1 else CGROUP_2
        with suppress(OSError, ValueError):
            limit, used = (int((folder / name).read_text()) for name in (limit_name, used_name))  # "max" is no number
            pages = _fields(folder / "memory.stat")
            yield limit - used + sum(int(pages.get(name, 0)) for name in cached)


def _free_in_process() -> Iterator[int]:
    """Yield the bytes left below the limits of address space (``ulimit -v``) and of data (``ulimit -d``)."""
    with suppress(ImportError, OSError, KeyError, ValueError):  # Windows has no such limits
        import resource

        for limit, field in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
            most, _ = resource.getrlimit(limit)
            if most != resource.RLIM_INFINITY:
                yield most - int(_fields(PROC / "self" / "status")[field]) * 1024


def _fields(path: Path) -> dict[str, str]:
    """Return the first value of each line of a file of the kernel by its name."""
    lines = (line.replace(":", " ").split() for line in path.read_text().splitlines())
    return {name: values[0] for name, *values in filter(None, lines) if values}
