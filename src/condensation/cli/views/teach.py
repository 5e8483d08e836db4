"""Printed form of ``condense teach``."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from condensation.artifacts.condensed_set import CondensedSet
from condensation.cli.views.plan import print_times
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.text import accuracy, counted
from condensation.core.trust import given_names
from condensation.evaluation.evaluate import check_fit
from condensation.networks.base import NetworkSpec
from condensation.report.tables import plain_console, print_json, table
from condensation.runs.estimate import Training, training_seconds
from condensation.runs.evaluate_saved import data_of
from condensation.training.curriculum import Schedule, teach as train_networks
from condensation.training.train import Recipe


def teach(
    path: Path,
    data: Mapping[str, Any],
    network: str | None,
    *,
    networks: int,
    points: int,
    seed: int,
    device: str,
    trust: bool,
    as_json: bool,
    dry_run: bool = False,
) -> None:
    """Run ``condense teach``; ``data`` replaces data settings on the card, ``network`` the learner of the run."""
    condensed = CondensedSet.load(path, trust=trust or given_names([data, network]))
    images, schedule = condensed.images, Schedule.from_card(condensed.card)
    learner: NetworkSpec = from_dict(NetworkSpec, network or _learner(condensed.card))  # type: ignore[type-abstract]
    loaded = data_of(condensed, data).load()
    test = replace(loaded.test, preprocessing=condensed.preprocessing)
    check_fit(images, test)
    if dry_run:
        text = f"teaching {counted(networks, 'network')} by {counted(len(schedule.lr), 'step')}, tested {counted(points, 'time')}"
        once = Training(text, networks, learner, Recipe(epochs=1, augmentation=None), len(images))
        return print_times([text], [training_seconds(once, loaded, Compute(device))], as_json)
    at = sorted({round(len(schedule.lr) * point / points) for point in range(points + 1)})
    taught = train_networks(images, schedule, learner, test, networks=networks, seed=seed, at=at, compute=Compute(device))
    spec = to_dict(learner)
    if as_json:
        about = {"learner": spec, "test": {"name": loaded.name, "images": len(test)}, "lessons": len(images)}
        return print_json({**taught.summary(), **about})
    rows = table("step", "images seen", "test accuracy, %", right=("step", "images seen"))
    for step, seen, values in zip(taught.steps, taught.images, taught.values.T, strict=True):
        rows.add_row(f"{step:,}", f"{seen:,}", accuracy(float(values.mean()), float(values.std()), len(values)))
    screen = plain_console()
    screen.print(rows)
    new, tested = counted(networks, f"new {spec['name']}"), counted(len(test), "test image")
    return screen.print(
        f"{new} trained once on {counted(len(images), 'synthetic image')} in order and with the learned rates; "
        f"tested on {tested} of {loaded.name}."
    )


def _learner(card: Mapping[str, Any]) -> Any:
    try:
        return card["settings"]["method"]["learner"]
    except (KeyError, TypeError):
        raise CondensationError("The card of the set does not name a learner.", hint="Name a network with --network.") from None
