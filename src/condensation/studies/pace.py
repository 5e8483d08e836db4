"""Time that a study has left, from the times of its finished tasks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

START = 5.0  # seconds until a worker process has imported PyTorch and read the data; see benchmarks/scale_studies.py
LEAST = 2  # tasks that are worth a second process


class Pace:
    """Times of tasks by their group: runs, cells, networks."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, list[float]] = defaultdict(list)
        self._work: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, group: str, seconds: float, work: float) -> None:
        """Keep what a task took: seconds of the clock, and those of the processor, which other programs do not lengthen."""
        self._seconds[group].append(seconds)
        self._work[group].append(work)

    @property
    def spent(self) -> float:
        """Seconds of all tasks so far."""
        return sum(map(sum, self._seconds.values()))

    def left(self, groups: Iterable[str], workers: int = 1) -> float | None:
        """Return the seconds that tasks of ``groups`` take; None before the first is done. Groups that are new are taken as the others."""
        return _expected(self._seconds, list(groups), workers)

    def pays(self, groups: Iterable[str], workers: int) -> bool:
        """Return whether starting ``workers`` processes now saves time.

        A group that is new may hold long tasks: after as long as starting takes, the processes are started for it anyway.
        """
        waiting = list(groups)
        here, there = _expected(self._work, waiting, 1), _expected(self._work, waiting, workers)
        if here is None or there is None or len(waiting) < LEAST or workers < 2:
            return False
        unknown = not set(waiting) <= self._work.keys()
        return here > there + START or (unknown and sum(map(sum, self._work.values())) > START)


def _expected(times: Mapping[str, Sequence[float]], waiting: Sequence[str], workers: int) -> float | None:
    """Return the time of tasks of the groups ``waiting`` by the means of earlier ``times``."""
    known = [time for each in times.values() for time in each]
    if not known:
        return None
    means = {group: sum(each) / len(each) for group, each in times.items()}
    return sum(means.get(group, sum(known) / len(known)) for group in waiting) / max(1, min(workers, len(waiting)))
