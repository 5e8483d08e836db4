"""Printed form of ``condense runs``."""

from pathlib import Path

from condensation.core.plain import to_dict
from condensation.core.text import accuracy, counted
from condensation.evaluation.scores import SetScore
from condensation.report.tables import plain_console, print_json, table
from condensation.runs.list_runs import STOPPED, ListedRun, runs_below


def list_runs(folder: Path, *, as_json: bool) -> None:
    """Run ``condense runs``."""
    listed = list(runs_below(folder))
    if as_json:
        return print_json([_as_json(each) for each in listed])
    screen = plain_console()
    if not listed:
        return screen.print(f"There is no run in {folder}.")
    rows = table("run", "data", "method", "ipc", "accuracy, %", "random", "min", "state", right=("ipc", "min"))
    for each in listed:
        minutes = "" if each.minutes is None else f"{each.minutes:.1f}"
        scores = _text(each.score), _text(each.random)
        rows.add_row(str(each.folder), each.data, each.method, each.ipc, *scores, minutes, _state(each))
    screen.print(rows, soft_wrap=False)
    for each in listed:
        if each.problem:
            screen.print(each.problem)
    return screen.print(f"{counted(len(listed), 'run')} in {folder}.")


def _state(each: ListedRun) -> str:
    step = f", step {each.step:,}" + (f" of {each.steps:,}" if each.steps else "") if each.step is not None else ""
    return each.state + (step if each.state == STOPPED else "")


def _text(score: SetScore | None) -> str:
    return accuracy(score.mean, score.deviation, score.count) if score else ""


def _as_json(each: ListedRun) -> dict[str, object]:
    scores = {name: score and {key: getattr(score, key) for key in ("mean", "deviation", "count")} for name, score in _scores(each)}
    return {**to_dict({**vars(each), "folder": str(each.folder)}), **scores}


def _scores(each: ListedRun) -> tuple[tuple[str, SetScore | None], ...]:
    return ("score", each.score), ("random", each.random)
