"""Printed form of ``condense teach``."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condensation.artifacts.condensed_set import CondensedSet
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.text import accuracy, counted
from condensation.evaluation.evaluate import check_fit
from condensation.networks.base import NetworkSpec
from condensation.report.tables import plain_console, print_json, table
from condensation.runs.evaluate_saved import data_of
from condensation.training.curriculum import CurriculumResult, Schedule
from condensation.training.curriculum import teach as teach_networks


@dataclass(frozen=True)
class TeachSettings:
    """Networks that are trained on a curriculum, and when they are tested."""

    networks: int = 5
    """Number of networks."""
    network: str | None = None
    """Name of the network; None: the learner of the run."""
    points: int = 8
    """Tests during training, evenly spaced."""
    seed: int = 0
    """Seed of the initialization."""
    device: str = "auto"
    """Device, as `Compute.device`."""


def teach_saved(path: Path, settings: TeachSettings, data: Mapping[str, Any]) -> tuple[CurriculumResult, dict[str, Any]]:
    """Train networks on the curriculum saved at ``path``; return their accuracies, and the network, test set and set size for JSON.

    Args:
        path: Run folder or set file.
        settings: Networks and tests.
        data: Data settings that replace those on the card.

    Raises:
        CondensationError: if there is no such set, it has no schedule, or it does not fit the data.
    """
    condensed = CondensedSet.load(path)
    schedule = Schedule.from_card(condensed.card)
    network: NetworkSpec = from_dict(NetworkSpec, settings.network or _learner(condensed.card))  # type: ignore[type-abstract]
    loaded = data_of(condensed, data).load()
    test = replace(loaded.test, preprocessing=condensed.preprocessing)
    check_fit(condensed.images, test)
    at = sorted({round(len(schedule.lr) * point / settings.points) for point in range(settings.points + 1)})
    compute = Compute(settings.device)
    taught = teach_networks(
        condensed.images, schedule, network, test, networks=settings.networks, seed=settings.seed, at=at, compute=compute
    )
    return taught, {
        "learner": to_dict(network),
        "test": {"name": loaded.name, "images": len(test)},
        "lessons": len(condensed.images),
    }


def teach(path: Path, settings: TeachSettings, data: Mapping[str, Any], *, as_json: bool) -> None:
    """Run ``condense teach``."""
    taught, about = teach_saved(path, settings, data)
    if as_json:
        return print_json({**taught.summary(), **about})
    rows = table("step", "images seen", "test accuracy, %", right=("step", "images seen"))
    for step, images, values in zip(taught.steps, taught.images, taught.values.T, strict=True):
        rows.add_row(f"{step:,}", f"{images:,}", accuracy(float(values.mean()), float(values.std()), len(values)))
    screen = plain_console()
    screen.print(rows)
    name, test = about["learner"]["name"], about["test"]
    return screen.print(
        f"{counted(settings.networks, f'new {name}')} trained once on {counted(about['lessons'], 'synthetic image')} in their order and at "
        f"their learning rates; tested on {counted(test['images'], 'test image')} of {test['name']}."
    )


def _learner(card: Mapping[str, Any]) -> Any:
    try:
        return card["settings"]["method"]["learner"]
    except (KeyError, TypeError):
        raise CondensationError("The card of the set does not name a learner.", hint="Name a network with --network.") from None
