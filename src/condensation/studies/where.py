"""Text forms of executors, such as ``processes:4`` and ``dask:tcp://host:8786``; nothing here imports PyTorch."""

import importlib.util
from dataclasses import dataclass, field

from condensation.core.errors import CondensationError, MissingExtra, unknown

PROCESSES, AUTO, DASK, RAY, SLURM = "processes", "auto", "dask", "ray", "slurm"
FORMS = {PROCESSES: "processes:4", AUTO: "auto", DASK: "dask:tcp://host:8786", RAY: "ray:auto", SLURM: "slurm:partition=gpu,gpus=1"}
PACKAGES = {DASK: "distributed", RAY: "ray", SLURM: "submitit"}  # module of each engine; extras are called as the engines
NUMBERS = ("gpus", "cpus", "mem", "time", "jobs")  # options of Slurm that are whole numbers
MOST = 10_000  # workers


@dataclass(frozen=True)
class Where:
    """An executor in words."""

    kind: str
    """One of `FORMS`."""
    workers: int | None = None
    """Processes; None: one per thread."""
    address: str = ""
    """Address of a cluster of Dask or Ray."""
    options: dict[str, str] = field(default_factory=dict)
    """Options of jobs of Slurm."""


def parse_executor(text: str) -> Where:
    """Return the executor that ``text`` names. Raise CondensationError for an unknown form, or if its package is not installed."""
    kind, _, rest = text.strip().partition(":")
    if kind not in FORMS:
        raise unknown("executor", kind, FORMS, setting="executor")
    if kind == PROCESSES:
        if rest and not (rest.isdecimal() and 0 < int(rest) <= MOST):
            raise _wrong(kind, f"Expected a number of processes, got {rest!r}.")
        return Where(kind, int(rest) if rest else None)
    if kind == AUTO:
        if rest:
            raise _wrong(kind, f"auto takes no value, got {rest!r}.")
        return Where(kind)
    where = Where(kind, address=rest) if kind in (DASK, RAY) else Where(kind, options=_options(rest))
    if kind in (DASK, RAY) and not rest:
        raise _wrong(kind, f"No address of the {kind} cluster given.")
    if importlib.util.find_spec(PACKAGES[kind]) is None:
        raise MissingExtra(f"An executor of {kind}", kind)
    return where


def _options(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    options = {name.strip(): value.strip() for name, _, value in pairs}
    wrong = next((name for name, value in options.items() if not name.isidentifier() or not value), None)
    if wrong is not None:
        raise _wrong(SLURM, f"Expected NAME=VALUE, got {wrong!r}.")
    for name in NUMBERS:
        if name in options and not (options[name].isdecimal() and int(options[name])):
            raise _wrong(SLURM, f"Expected a whole number from 1 for {name}, got {options[name]!r}.")
    return options


def _wrong(kind: str, problem: str) -> CondensationError:
    return CondensationError(problem, hint=f"Write it as in executor={FORMS[kind]!r}.", setting="executor")
