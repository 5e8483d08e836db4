"""What ``condense teach`` does and prints: lessons taught by the schedule on the card of their set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from condensation.artifacts.condensed_set import CondensedSet
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.text import accuracy, counted
from condensation.evaluation.evaluate import check_fit
from condensation.networks.base import NetworkSpec
from condensation.report.tables import print_json, table
from condensation.runs.evaluate_saved import data_of
from condensation.training.curriculum import Schedule, Taught, teach


@dataclass(frozen=True)
class School:
    """How many networks of which kind are taught, how often they are tested on the way, and on what it is computed."""

    networks: int = 5
    network: str | None = None  # None: the learner of the run
    points: int = 8
    seed: int = 0
    device: str = "auto"


def teach_saved(path: Path, school: School, asked: Mapping[str, Any]) -> tuple[Taught, dict[str, Any]]:
    """Teach the lessons saved at ``path``, tested on the data they were made from or those ``asked`` for; and what there is to say of it.

    Raises:
        CondensationError: if there is no such set, it has no schedule, or it does not fit the data.
    """
    condensed = CondensedSet.load(path)
    schedule = Schedule.from_card(condensed.card)
    network: NetworkSpec = from_dict(NetworkSpec, school.network or _learner(condensed.card))  # type: ignore[type-abstract]
    data = data_of(condensed, asked).load()
    test = replace(data.test, preprocessing=condensed.preprocessing)
    check_fit(condensed.images, test)
    steps = len(schedule.lr)
    at = sorted({round(steps * point / school.points) for point in range(school.points + 1)})
    compute = Compute(school.device)
    taught = teach(condensed.images, schedule, network, test, networks=school.networks, seed=school.seed, at=at, compute=compute)
    about = {"learner": to_dict(network), "test": {"name": data.name, "images": len(test)}, "lessons": len(condensed.images)}
    return taught, about


def report(path: Path, school: School, asked: Mapping[str, Any], *, as_json: bool) -> None:
    """``condense teach``."""
    screen = Console(soft_wrap=True)
    taught, about = teach_saved(path, school, asked)
    if as_json:
        return print_json({**taught.summary(), **about})
    rows = table("step", "images seen", "test accuracy, %", right=("step", "images seen"))
    for step, images, values in zip(taught.steps, taught.images, taught.values.T, strict=True):
        rows.add_row(f"{step:,}", f"{images:,}", accuracy(float(values.mean()), float(values.std()), len(values)))
    screen.print(rows)
    name, test = about["learner"]["name"], about["test"]
    screen.print(
        f"{counted(school.networks, f'new {name}')}, taught by {counted(about['lessons'], 'lesson image')} alone, in their order and at "
        f"their rates; tested on {counted(test['images'], 'test image')} of {test['name']}.",
        highlight=False,
        markup=False,
    )
    return None


def _learner(card: Mapping[str, Any]) -> Any:
    try:
        return card["settings"]["method"]["learner"]
    except (KeyError, TypeError):
        raise CondensationError("The set does not say what its lessons are for.\nName a network with --network.") from None
