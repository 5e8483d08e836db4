"""What networks are compared by: training on a small set, for a short time on all images, or fully; and the settings of a search."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import SET
from condensation.config.build import from_dict
from condensation.config.registry import lookup
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.ipc import SmallClasses, images_per_class
from condensation.core.rng import Rng
from condensation.core.user_code import short_name
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.methods.base import Method
from condensation.runs.presets import data_for, preset_for
from condensation.runs.run import RunSettings
from condensation.studies.jobs import Job
from condensation.studies.nas.search_space import Space
from condensation.studies.study_folder import slug
from condensation.studies.table.study import NamedMethod
from condensation.training.make_pool import held_out
from condensation.training.train import EpochWindow, Recipe

SETS = "sets"
EARLY, WHOLE = "early-stopping", "whole"
PROXIES = ("random", "herding", "dsa", "dm", EARLY)


@dataclass(frozen=True)
class SearchSettings:
    """Everything that decides a search. By default all is as published, but for the methods' own settings."""

    proxies: tuple[NamedMethod, ...]
    data: str | dict[str, object] = "fashion-mini"  # a source, or settings of the data
    space: Space = Space()
    subset: int | None = None  # networks: so many from the beginning of the order; None: all
    ipc: int = 50  # images per class of each set
    trainings: int = 5  # of each network on each set, whose accuracies are averaged
    recipe: Recipe = Recipe(epochs=200, batch=250)  # on a set
    whole_epochs: int = 100  # on all images, by the same recipe otherwise
    validation: float = 0.1  # of each class's training images: kept from condensing and training, and what networks are chosen by
    top: float = 0.05  # of the networks, the best by validation, that are looked at apart
    preset: str = "fast"  # of the methods' settings
    small_classes: SmallClasses = "error"
    seed: int = 0
    compute: Compute = Compute()

    def __post_init__(self) -> None:
        for name in ("ipc", "trainings", "whole_epochs", "subset"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise CondensationError(f"{name} is {value}; it must be at least 1.")
        for name in ("validation", "top"):
            if not 0 < getattr(self, name) < 1:
                raise CondensationError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1.")
        names = [slug(one.label) for one in self.proxies]
        twice = sorted({name for name in names if names.count(name) > 1 or name == WHOLE})
        if not names or twice:
            said = f"The proxy {twice[0]!r} is there twice" if twice else "There is no proxy"
            raise CondensationError(f"{said}.\nName each once with --proxies, such as random,dm,{EARLY}; the whole data are always there.")

    @property
    def data_settings(self) -> dict[str, object]:
        return {"source": self.data} if isinstance(self.data, str) else self.data

    @property
    def source(self) -> str:
        return str(self.data_settings.get("source", "fashion-mini"))

    @property
    def whole_recipe(self) -> Recipe:
        return replace(self.recipe, epochs=self.whole_epochs)


@dataclass(frozen=True)
class Proxy(ABC):
    """A way to train a network from which its worth is guessed."""

    label: str
    fully: ClassVar[bool] = False  # whether that is what proxies stand for

    @abstractmethod
    def images(self, settings: SearchSettings, folder: Path, real: ImageSet, rng: Rng) -> ImageSet | EpochWindow:
        """What a network learns from: something made of the images ``real``, or kept in the ``folder`` of the search."""

    def recipe(self, settings: SearchSettings) -> Recipe:
        return settings.recipe

    def is_ready(self, folder: Path) -> bool:
        """Whether there is something to learn from."""
        return True


@dataclass(frozen=True)
class OnSet(Proxy):
    """Training on a small set, which a run of the search has made."""

    def images(self, settings: SearchSettings, folder: Path, real: ImageSet, rng: Rng) -> ImageSet:
        path = folder / SETS / slug(self.label) / SET
        return _loaded(path.resolve(), path.stat().st_mtime_ns).to(real.device)

    def is_ready(self, folder: Path) -> bool:
        return (folder / SETS / slug(self.label) / SET).exists()


@lru_cache(maxsize=16)
def _loaded(path: Path, written: int) -> ImageSet:
    """The set at ``path``, read again only where it was ``written`` again: every network of a search needs it."""
    return CondensedSet.load(path).images


@dataclass(frozen=True)
class EarlyStopping(Proxy):
    """Training on all images, in exactly as many steps of as many images as on a small set, by the same learning rates."""

    def images(self, settings: SearchSettings, folder: Path, real: ImageSet, rng: Rng) -> EpochWindow:
        return EpochWindow(real, sum(images_per_class(real, settings.ipc, settings.small_classes).values()), rng)


@dataclass(frozen=True)
class WholeData(Proxy):
    """Training on all images to the end, by which proxies are judged."""

    label: str = WHOLE
    fully: ClassVar[bool] = True

    def images(self, settings: SearchSettings, folder: Path, real: ImageSet, rng: Rng) -> ImageSet:
        return real

    def recipe(self, settings: SearchSettings) -> Recipe:
        return settings.whole_recipe


# What a proxy that is no method of making a set is called.
WITHOUT_A_SET: dict[object, type[Proxy]] = {EARLY: EarlyStopping}


def proxies_for(names: Sequence[str]) -> tuple[NamedMethod, ...]:
    """A proxy for each name, that of a method or ``early-stopping``.

    Raises:
        CondensationError: if there is no such method.
    """
    for name in names:
        if name not in WITHOUT_A_SET:
            lookup(Method, name)  # there must be such a method
    return tuple(NamedMethod(short_name(name), name) for name in names)


def all_of(settings: SearchSettings) -> list[Proxy]:
    """The proxies of a search, and the whole data."""
    return [*(WITHOUT_A_SET.get(one.method_settings.get("name"), OnSet)(one.label) for one in settings.proxies), WholeData()]


def sets_of(settings: SearchSettings) -> list[Job]:
    """The runs that make the sets; nothing is judged there."""
    jobs = []
    for one in settings.proxies:
        if one.method_settings.get("name") not in WITHOUT_A_SET:
            content = {"data": settings.data_settings, "method": one.method_settings, "ipc": settings.ipc, "seed": settings.seed}
            base = from_dict(RunSettings, content, preset_for(settings.preset, content))
            how = replace(
                base,
                baseline=False,
                evaluation=EvaluationSettings(networks=0),
                small_classes=settings.small_classes,
                compute=settings.compute,
            )
            jobs.append(Job(slug(one.label), f"set of {one.label}", how))
    return jobs


def data_of(settings: SearchSettings) -> DataSettings:
    """The images, as the preset reads them unless the settings say otherwise."""
    return data_for(settings.preset, settings.data_settings, settings.ipc)


def without_validation(data: Data, share: float, seed: int) -> tuple[Data, ImageSet]:
    """``data`` without a ``share`` of the training images of each class, at least one, and these: the validation images.

    Raises:
        CondensationError: if a class has a single image.
    """
    rest, validation = held_out(data.train, share, Rng(seed).child("validation"))
    said = f"{len(validation):,} of {len(data.train):,} training images, {share:.0%} of each class, were kept for validation (seed {seed})."
    return replace(data, train=rest, note=" ".join(filter(None, (data.note, said)))), validation
