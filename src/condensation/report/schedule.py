"""Times of the parts of a run: what was expected, what was measured, and what is left of the whole."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

SURE = 0.5  # seconds after which a measured speed is used


@dataclass
class MeasuredPart:
    """Progress of a part since it began in this process."""

    began: float
    """Time at which the part before ended."""
    begin: int
    """Steps that were done before, or at the first report."""
    first: tuple[int, float]
    """Steps done, and time, at the first step, which may compile and does not count towards the speed."""
    last: tuple[int, float]
    total: int

    @property
    def each(self) -> float | None:
        """Seconds of a step; None until it is known."""
        steps, seconds = self.last[0] - self.first[0], self.last[1] - self.first[1]
        return seconds / steps if steps > 0 and seconds > 0 else None


class Schedule:
    """Time left of a run whose parts follow each other."""

    def __init__(self) -> None:
        self.parts: dict[str, MeasuredPart] = {}
        self._expected: dict[str, float | None] = {}
        self._current = ""
        self._began = self._reached = time.monotonic()
        self._most = 0.0

    def expect(self, seconds: Mapping[str, float | None]) -> None:
        """Set the expected time of each part in order; None if it is unknown."""
        self._expected = dict(seconds)
        self._began = self._reached = time.monotonic()

    def update(self, part: str, done: int, total: int) -> None:
        """Record that ``done`` of ``total`` steps of ``part`` are done."""
        now = time.monotonic()
        if part != self._current or done < self.parts[part].last[0]:
            self._current = part
            self.parts[part] = MeasuredPart(self._reached, done, (done, now), (done, now), total)
        measured = self.parts[part]
        if done <= measured.begin + 1:
            measured.first = (done, now)
        measured.last, measured.total = (done, now), total
        self._reached = now

    @property
    def left(self) -> float | None:
        """Seconds that are left of all parts; None if nothing is known."""
        if not self._expected and not self._current:
            return None
        now, seconds = time.monotonic(), 0.0
        names = list(dict.fromkeys([*self._expected, *self.parts]))
        for name in names[names.index(self._current) if self._current else 0 :]:
            measured, expected = self.parts.get(name), self._expected.get(name)
            if measured and measured.each and measured.last[1] - measured.first[1] > SURE:
                rest = (measured.total - measured.last[0]) * measured.each
                seconds += max(0.0, rest - (now - measured.last[1]) if measured.last[0] < measured.total else 0.0)
            elif expected is not None:
                seconds += max(0.0, expected - (now - measured.began if measured else 0.0))
            elif name == self._current:
                return None
        return seconds

    @property
    def fraction(self) -> float:
        """Share of the time that has passed, from 0 to 1; it never falls."""
        left, passed = self.left, time.monotonic() - self._began
        if left is not None and passed + left > 0:
            self._most = max(self._most, passed / (passed + left))
        return self._most
