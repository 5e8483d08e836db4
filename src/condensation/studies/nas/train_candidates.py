"""The networks of a search under training: a job is one network, on everything that it has not been trained on yet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.core.storage import read_json, write_json
from condensation.networks.convnet import ConvNet
from condensation.studies.jobs import attempt
from condensation.studies.nas.proxies import Proxy, SearchSettings, all_of, data_of, without_validation
from condensation.studies.study_folder import SETTINGS, kept_in
from condensation.training.stacked import model_cache
from condensation.training.train import Recipe
from condensation.training.train_and_test import OnProgress, TrainingJob, train_and_test

NETWORKS, SPACE = "networks", "space.json"


@dataclass(frozen=True, eq=False)
class Material:
    """What all networks of a search are trained and tested with, read once in a process."""

    settings: SearchSettings
    networks: dict[str, ConvNet]
    real: ImageSet  # without the validation images
    validation: ImageSet
    test: ImageSet


def train_network(folder: str, name: str, on_progress: OnProgress | None = None) -> dict[str, str] | None:
    """Train and test the network ``name`` of the search in ``folder`` on what is missing; return why something failed, or None.

    What is trained by one recipe is trained together, where the device gains by it, and kept as soon as it is done.

    Raises:
        Stopped: if ``on_progress`` does.
    """
    place = Path(folder)
    material = material_in(place)
    failures = []
    for group in _by_recipe(material, missing(material.settings, place, name)):
        failures.append(attempt(partial(_train, material, place, name, group, on_progress)))
    reasons = [one for one in failures if one]
    return {key: " ".join(dict.fromkeys(one[key] for one in reasons)) for key in reasons[0]} if reasons else None


def trained(folder: Path, name: str) -> dict[str, Any]:
    """What is known of a network so far: by the label of what it was trained on, accuracies in percent and seconds."""
    path = folder / NETWORKS / f"{name}.json"
    return dict(read_json(path)["trained"]) if path.exists() else {}


def missing(settings: SearchSettings, folder: Path, name: str) -> list[Proxy]:
    """What a network has yet to be trained on, but for sets that could not be made."""
    there = trained(folder, name)
    return [proxy for proxy in all_of(settings) if proxy.label not in there and proxy.is_ready(folder)]


def material_in(folder: Path) -> Material:
    """What the networks of the search in ``folder`` need."""
    return _read(folder.resolve(), (folder / SETTINGS).read_text(encoding="utf-8"), (folder / SPACE).read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _read(folder: Path, settings_text: str, space_text: str) -> Material:
    """`material_in`, read again only where what it follows from has changed."""
    settings = kept_in(folder, SearchSettings, "proxies", f"There is no search in {folder}.")
    compute = settings.compute.resolve()
    if compute.compile == "auto":
        compute = replace(compute, compile="never")  # every architecture would have to be compiled for itself
    data, validation = without_validation(data_of(settings).load(), settings.validation, settings.seed)
    networks, _ = settings.space.networks(data.train.shape, data.train.num_classes)
    parts = (one.to(compute.device) for one in (data.train, validation, data.test))
    return Material(replace(settings, compute=compute), networks, *parts)


def _by_recipe(material: Material, proxies: Sequence[Proxy]) -> list[list[Proxy]]:
    """What is to be trained together; what the device trains one by one is kept, and timed, one by one."""
    settings = material.settings
    alone = settings.compute.suitable_together(material.real.shape, settings.recipe.batch) == 1
    groups: dict[tuple[Recipe, bool, str], list[Proxy]] = {}
    for proxy in proxies:  # the whole data apart in any case, since they take a time of their own
        groups.setdefault((proxy.recipe(settings), proxy.fully, proxy.label if alone else ""), []).append(proxy)
    return list(groups.values())


def _train(material: Material, folder: Path, name: str, proxies: Sequence[Proxy], on_progress: OnProgress | None) -> None:
    """Train the network on each of ``proxies``, which share a recipe, several times; test, and keep the accuracies.

    Raises:
        CondensationError: if weights are no finite numbers in the end; what came out well is kept nonetheless.
    """
    settings, network = material.settings, material.networks[name]
    trainings = []
    for proxy in proxies:
        for number in range(settings.trainings):
            rng = Rng(settings.seed).child("search", name, proxy.label, number)
            trainings.append(TrainingJob(proxy.images(settings, folder, material.real, rng.child("images")), rng))
    tests, started = [material.validation, material.test], time.perf_counter()
    with model_cache(network, material.real.shape, material.real.num_classes, settings.compute) as crew:
        right, finite = train_and_test(crew, trainings, tests, proxies[0].recipe(settings), on_progress)
    seconds = (time.perf_counter() - started) / len(proxies)
    kept, lost = trained(folder, name), []
    for place, proxy in enumerate(proxies):
        mine = slice(place * settings.trainings, (place + 1) * settings.trainings)
        if not all(finite[mine]):
            lost.append(proxy.label)
            continue
        percent = [
            100 * np.average(of_test[mine], axis=1, weights=list(test.counts.values())) for of_test, test in zip(right, tests, strict=True)
        ]
        of_validation, of_test = (np.round(one, 3).tolist() for one in percent)
        kept[proxy.label] = {"validation": of_validation, "test": of_test, "seconds": round(seconds, 3)}
    write_json(folder / NETWORKS / f"{name}.json", {"network": to_dict(network), "trained": kept})
    if lost:
        raise CondensationError(f"The weights are no finite numbers after training on {', '.join(lost)}.")
