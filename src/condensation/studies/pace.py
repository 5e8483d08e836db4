"""Time that a study has left, from the times of its finished tasks."""

from collections import defaultdict
from collections.abc import Iterable

START = 8.0  # seconds until a worker process has imported PyTorch and read the data; see benchmarks/scale_studies.py
LEAST = 2  # tasks that are worth a second process


class Pace:
    """Times of tasks by their group: runs, cells, networks."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, group: str, seconds: float) -> None:
        """Keep what a task took."""
        self._seconds[group].append(seconds)

    @property
    def spent(self) -> float:
        """Seconds of all tasks so far."""
        return sum(map(sum, self._seconds.values()))

    def left(self, groups: Iterable[str], workers: int = 1) -> float | None:
        """Return the seconds that tasks of ``groups`` take; None before the first is done. Groups that are new are taken as the others."""
        times = [seconds for each in self._seconds.values() for seconds in each]
        if not times:
            return None
        means = {group: sum(each) / len(each) for group, each in self._seconds.items()}
        waiting = list(groups)
        return sum(means.get(group, sum(times) / len(times)) for group in waiting) / max(1, min(workers, len(waiting)))

    def pays(self, groups: Iterable[str], workers: int) -> bool:
        """Return whether starting ``workers`` processes now saves time.

        A group that is new may hold long tasks: after as long as starting takes, the processes are started for it anyway.
        """
        waiting = list(groups)
        here, there = self.left(waiting), self.left(waiting, workers)
        if here is None or there is None or len(waiting) < LEAST or workers < 2:
            return False
        unknown = not set(waiting) <= self._seconds.keys()
        return here > there + START or (unknown and self.spent > START)
