"""Training of the networks of a search: one job trains one network on everything that it was not trained on yet."""

import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress
from condensation.core.records import read_record
from condensation.core.rng import Rng
from condensation.core.storage import write_json
from condensation.data.dataset import Data
from condensation.networks.convnet import ConvNet
from condensation.studies.nas.proxies import WHOLE, Proxy, SearchSettings, all_proxies
from condensation.studies.tasks import Failure, attempt
from condensation.training.train import Recipe
from condensation.training.train_and_test import TrainingJob, train_and_test

NETWORKS, SPACE = "networks", "space.json"


@dataclass(frozen=True)
class Trained:
    """Accuracies in percent of one network on one proxy, one per training."""

    validation: Annotated[tuple[float, ...], Meta(min_length=1)]
    test: Annotated[tuple[float, ...], Meta(min_length=1)]
    seconds: float  # wall-clock time of all trainings


@dataclass(frozen=True)
class NetworkRecord:
    """File of a network that is read again."""

    trained: dict[str, Trained]  # accuracies by the label of the proxy


@dataclass(frozen=True)
class SpaceRecord:
    """Content of ``space.json``."""

    networks: tuple[str, ...]  # networks of the search in their order
    others: dict[str, str]  # networks of the space that do not fit the images, with the reason


@dataclass(frozen=True, eq=False)
class Material:
    """Settings, networks and images of a search."""

    settings: SearchSettings
    networks: dict[str, ConvNet]
    real: ImageSet  # training images without those for validation
    validation: ImageSet
    test: ImageSet


def train_network(material: Material, folder: Path, name: str, on_progress: OnProgress | None = None) -> Failure | None:
    """Train and test the network ``name`` of the search in ``folder`` on what is missing; return its failure, or None.

    Equal recipes are trained together if that is faster. Results are written once complete. Raise Stopped if ``on_progress`` did.
    """
    groups = _by_recipe(material, untrained(material.settings, folder, name))
    failures = list(filter(None, [attempt(partial(_train, material, folder, name, group, on_progress)) for group in groups]))
    if not failures:
        return None
    return Failure(*(" ".join(dict.fromkeys(texts)) for texts in zip(*map(astuple, failures), strict=True)))


def trained(folder: Path, name: str) -> dict[str, Trained]:
    """Return the results of a network so far by the label of the proxy."""
    path = folder / NETWORKS / f"{name}.json"
    return read_record(path, NetworkRecord).trained if path.exists() else {}


def untrained(settings: SearchSettings, folder: Path, name: str) -> list[Proxy]:
    """Return the proxies that a network was not trained on yet, except for sets that could not be made."""
    done = trained(folder, name)
    missing = [proxy for proxy in all_proxies(settings) if proxy.label not in done]
    return [proxy for proxy in missing if not proxy.has_set or proxy.path(folder).exists()]


def material_of(settings: SearchSettings, networks: dict[str, ConvNet], data: Data, validation: ImageSet) -> Material:
    """Return the material of a search with ``settings``, whose device is chosen, on that device."""
    compute = settings.compute
    if compute.compile == "auto":
        compute = replace(compute, compile="never")  # each architecture would need its own compilation
    images = (each.to(compute.device) for each in (data.train, validation, data.test))
    return Material(replace(settings, compute=compute), networks, *images)


def _by_recipe(material: Material, proxies: Sequence[Proxy]) -> list[list[Proxy]]:
    """Group the proxies that are trained together; what the device trains one by one is written and timed one by one."""
    settings = material.settings
    single = settings.compute.suitable_together(material.real.shape, settings.recipe.batch) == 1
    groups: dict[tuple[Recipe, bool, str], list[Proxy]] = {}
    for proxy in proxies:  # the whole data are always alone, since they are timed separately
        groups.setdefault((proxy.recipe(settings), proxy.name == WHOLE, proxy.label if single else ""), []).append(proxy)
    return list(groups.values())


def _train(material: Material, folder: Path, name: str, proxies: Sequence[Proxy], on_progress: OnProgress | None) -> None:
    """Train the network several times on each of ``proxies``, which share a recipe; test it and write the accuracies."""
    settings, network = material.settings, material.networks[name]
    root = Rng(settings.seed).child("search", name)
    streams = [(proxy, root.child(proxy.label, number)) for proxy in proxies for number in range(settings.trainings)]
    trainings = [TrainingJob(proxy.images(settings, folder, material.real, rng.child("images")), rng) for proxy, rng in streams]
    tests, started = [material.validation, material.test], time.perf_counter()
    correct, _, finite = train_and_test(network, trainings, tests, proxies[0].recipe(settings), settings.compute, on_progress)
    seconds = round((time.perf_counter() - started) / len(proxies), 3)
    results, lost = trained(folder, name), []
    for place, proxy in enumerate(proxies):
        part = slice(place * settings.trainings, (place + 1) * settings.trainings)
        if not all(finite[part]):
            lost.append(proxy.label)
            continue
        pairs = [(fractions[part], list(test.counts.values())) for fractions, test in zip(correct, tests, strict=True)]
        percent = [100 * np.average(fractions, axis=1, weights=counts) for fractions, counts in pairs]
        validation, test = (tuple(np.round(values, 3).tolist()) for values in percent)
        results[proxy.label] = Trained(validation, test, seconds)
    content = {label: to_dict(result) for label, result in results.items()}
    write_json(folder / NETWORKS / f"{name}.json", {"network": to_dict(network), "trained": content})
    if lost:
        raise CondensationError(f"The weights are not finite after training on {', '.join(lost)}.")
