"""Whole runs by what they are for: `fast` takes minutes on a CPU, `long` and `best` an hour, `paper` what the paper took."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from condensation.config.build import from_dict
from condensation.core.errors import CondensationError, unknown
from condensation.data.catalogue import DATASETS
from condensation.data.load import catalogue_key
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.methods.best_of import BestOf
from condensation.methods.dm import DM
from condensation.methods.generative import GenerativeMethod
from condensation.methods.registry import METHODS
from condensation.runs.run import RunSettings
from condensation.training.train import Recipe


def preset(name: str, ipc: int = 10, classes: int = 10, channels: int = 3) -> RunSettings:
    """The settings that go by ``name``, for ``ipc`` images of each of ``classes`` classes, to be changed as one likes.

    Grey images have one of the ``channels``.

    Raises:
        CondensationError: if there is no such preset; the message says which there are.
    """
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    if ipc < 1 or classes < 1:
        raise CondensationError(f"Asked for a preset for {ipc} images of each of {classes} classes; there must be at least one of both.")
    return replace(PRESETS[name](ipc, classes, channels), ipc=ipc)


def preset_for(name: str, content: Mapping[str, Any]) -> RunSettings:
    """The preset that suits plain settings ``content``, which then change it; where ipc differs by class, the largest counts.

    The number of classes is that of those that the data are cut to, or all of a known data set, which also says whether
    images are grey; those of others are taken to be coloured, as nothing of them has been read yet.
    """
    ipc, data = content.get("ipc"), content.get("data")
    data = data if isinstance(data, Mapping) else {}
    counts = [count for count in (ipc.values() if isinstance(ipc, Mapping) else [ipc]) if isinstance(count, int) and count > 0]
    known = DATASETS.get(catalogue_key(str(data.get("source", DataSettings.source))) or "")
    chosen = data.get("classes")  # as a list, or as text between commas
    classes = len(chosen.split(",") if isinstance(chosen, str) else chosen) if chosen else known.classes if known else 10
    ipc_and_classes = max(counts, default=10), classes
    settings = preset(name, *ipc_and_classes, channels=known.shape[0] if known else 3)
    method = content.get("method")
    kind = METHODS.get(str(method.get("name") if isinstance(method, Mapping) else method))
    if kind is not None and issubclass(kind, GenerativeMethod):
        settings = replace(settings, method=GENERATIVE[name](kind, *ipc_and_classes))
    elif kind is BestOf and not isinstance(settings.method, BestOf):
        settings = replace(settings, method=BestOf(settings.method))
    elif kind is not None and kind is not BestOf and isinstance(settings.method, BestOf):
        settings = replace(settings, method=settings.method.of)
    if settings.data.preprocessing == "published" and not (known and known.published):
        settings = replace(settings, data=DataSettings())  # of a person's own images no constants are published
    return settings


def data_for(name: str, data: Mapping[str, object], ipc: int) -> DataSettings:
    """The images of plain settings ``data``, as the preset ``name`` reads them unless they say otherwise."""
    content: dict[str, object] = {"data": data, "ipc": ipc}
    return from_dict(RunSettings, content, preset_for(name, content)).data


def fast(ipc: int, classes: int, channels: int) -> RunSettings:
    """Minutes on two CPU cores, for an accuracy about that of the paper."""
    return RunSettings(method=DM.fast(ipc, classes, channels))


def long(ipc: int, classes: int, channels: int) -> RunSettings:
    """Ten times the steps of `fast`: up to an hour on two CPU cores."""
    return RunSettings(method=DM.long(ipc, classes, channels))


def best(ipc: int, classes: int, channels: int) -> RunSettings:
    """Several sets as `fast` makes them, and of each class the best: up to an hour on two CPU cores."""
    return RunSettings(method=BestOf.hour(ipc, classes, channels))


def paper(ipc: int, classes: int, channels: int) -> RunSettings:
    """What the paper did: about a day on a CPU."""
    evaluation = EvaluationSettings(networks=20, recipe=Recipe.paper())
    return RunSettings(data=DataSettings(preprocessing="published"), method=DM.paper(ipc), evaluation=evaluation)


PRESETS: dict[str, Callable[[int, int, int], RunSettings]] = {"fast": fast, "long": long, "best": best, "paper": paper}
# What a method that trains a generator is then like; others are as by default.
GENERATIVE: dict[str, Callable[[type[GenerativeMethod], int, int], GenerativeMethod]] = {
    "fast": lambda kind, ipc, classes: kind.fast(ipc, classes),
    "long": lambda kind, ipc, classes: kind.long(ipc, classes),
    "best": lambda kind, ipc, classes: kind.long(ipc, classes),
    "paper": lambda kind, ipc, classes: kind.paper(ipc, classes),
}
