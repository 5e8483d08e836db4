"""Printed form of what a run will do, and how long it will take."""

from collections.abc import Sequence
from typing import Protocol

from condensation.core.memory import process_memory
from condensation.core.plain import to_dict
from condensation.report.schedule import Schedule
from condensation.report.tables import plain_console, print_json
from condensation.runs.estimate import Plan
from condensation.runs.timings import Timing, remember


class Need(Protocol):
    """Bytes of memory and disk space."""

    @property
    def memory(self) -> int: ...

    @property
    def disk(self) -> int: ...


LEAST = 1e-4  # seconds of a step that is worth remembering
GIGABYTE, MEGABYTE = 1e9, 1e6


def plan_lines(plan: Plan) -> list[str]:
    """Return what a run will do and how long each part takes."""
    if not plan.parts:
        return []
    compiling = sum(part.compiling for part in plan.parts)
    texts = [f"compiling once: {duration(compiling)}"] if compiling else []
    texts += [f"{part.text}: {duration(None if part.seconds is None else part.seconds - part.compiling)}" for part in plan.parts]
    known = [part for part in plan.parts if part.seconds is not None]
    source = "as in earlier runs here" if all(part.measured for part in known) else "by a short trial"
    about = "About" if len(known) == len(plan.parts) else "At least"
    whole = f" {about} {duration(plan.seconds)} in all, {source}." if known else ""
    return [f"To do: {'; '.join(texts)}.{whole}"]


def need_line(plan: Need) -> str:
    """Return the memory and the disk space that a run or a study needs."""
    memory = f"about {plan.memory / GIGABYTE:.1f} GB of memory and " if plan.memory else ""
    disk = f"about {plan.disk / MEGABYTE:,.0f} MB" if plan.disk > MEGABYTE else "less than 1 MB"
    return f"It needs {memory}{disk} on disk."


def duration(seconds: float | None) -> str:
    """Return a time in words: ``20 s``, ``3 min``, ``2.5 h``."""
    if seconds is None:
        return "time unknown"
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def print_times(texts: Sequence[str], times: Sequence[float | None], json: bool) -> None:
    """Print what a command without a folder would do."""
    whole, need = sum(seconds or 0.0 for seconds in times), Plan((), process_memory(), 0)
    if json:
        parts = [{"text": text, "seconds": seconds} for text, seconds in zip(texts, times, strict=True)]
        return print_json({"parts": parts, "seconds": whole, "memory": need.memory, "disk": need.disk})
    parts_text = "; ".join(f"{text}: {duration(seconds)}" for text, seconds in zip(texts, times, strict=True))
    known = f" {'At least' if None in times else 'About'} {duration(whole)} in all, by short trials." if any(times) else ""
    return plain_console().print(f"To do: {parts_text}.{known} {need_line(need)}")


def expected(plan: Plan) -> dict[str, float | None]:
    """Return the expected time of each part by name."""
    return {part.name: part.seconds for part in plan.parts}


def remember_times(plan: Plan, schedule: Schedule) -> None:
    """Keep what the parts of the ``plan`` took, for the next run."""
    timings = {}
    for part in plan.parts:
        measured = schedule.parts.get(part.name)
        if measured is None or not measured.each or measured.begin > 1:  # a part that was resumed says little about its first step
            continue
        steps = measured.first[0] - (0 if measured.begin <= 1 else measured.begin)
        first = max(0.0, measured.first[1] - measured.began - steps * measured.each)
        timings[part.key] = Timing(round(max(LEAST, measured.each), 6), round(first, 3), measured.total)
    remember(timings)


def as_json(plan: Plan) -> dict[str, object]:
    """Return the plan for programs."""
    return {**to_dict(plan), "seconds": plan.seconds}
