"""Settings of an architecture search, and the proxies by which it ranks networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import SET
from condensation.config.registry import lookup
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.ipc import images_per_class
from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.core.user_code import short_name
from condensation.data.dataset import Data
from condensation.methods.base import Method
from condensation.studies.jobs import Job
from condensation.studies.nas.search_space import Space
from condensation.studies.settings import StudySettings, require_at_least, require_unique
from condensation.studies.study_folder import slug
from condensation.studies.table.study import NamedMethod
from condensation.training.epoch_window import EpochWindow
from condensation.training.make_pool import held_out
from condensation.training.train import Recipe

SETS = "sets"
EARLY, WHOLE = "early-stopping", "whole"
PROXIES = ("random", "herding", "dsa", "dm", EARLY)
# Settings that may change when a search is continued; sets are compared by the settings of their runs.
OPEN = ("proxies", "space", "subset", "top", "preset", "compute")


@dataclass(frozen=True)
class SearchSettings(StudySettings):
    """Settings of an architecture search. The defaults are published, but for the methods' own settings."""

    noun: ClassVar[str] = "search"
    mark: ClassVar[str] = "proxies"

    proxies: tuple[NamedMethod, ...]
    """Methods that make the sets, and early stopping."""
    space: Space = Space()
    """Networks of the search."""
    subset: int | None = None
    """Number of networks, a stratified sample; None for all."""
    ipc: int = 50
    """Images per class of each set."""
    trainings: int = 5
    """Trainings of each network on each set, whose accuracies are averaged."""
    recipe: Recipe = Recipe(epochs=200, batch=250)
    """Training on a set."""
    whole_epochs: int = 100
    """Epochs on all images, otherwise by the same recipe."""
    validation: float = 0.1
    """Fraction of each class's training images that is kept from condensing and training, to select networks."""
    top: float = 0.05
    """Fraction of networks reported as the top, by validation accuracy."""
    seed: int = 0
    """Seed of sets, order and trainings."""

    def __post_init__(self) -> None:
        require_at_least(self, {"ipc": 1, "trainings": 1, "whole_epochs": 1, "subset": 1})
        for name in ("validation", "top"):
            if not 0 < getattr(self, name) < 1:
                raise CondensationError(f"{name} is {getattr(self, name)}; it must be between 0 and 1.", setting=name)
        require_unique("proxies", (*(slug(proxy.label) for proxy in self.proxies), WHOLE))
        if not self.proxies:
            raise CondensationError("proxies is empty.", hint=f"Name at least one, such as random, dm, {EARLY}.", setting="proxies")


@dataclass(frozen=True)
class Proxy:
    """A training that estimates the accuracy of a network: on a small set, for a short time on all images, or fully."""

    label: str
    name: str  # name of the method that makes the set; `early-stopping`, with as many steps as on a set; or `whole`, the reference

    @property
    def has_set(self) -> bool:
        """True if a run of the search makes the images."""
        return self.name not in (EARLY, WHOLE)

    def path(self, folder: Path) -> Path:
        """Return the file of the set in the ``folder`` of the search."""
        return folder / SETS / slug(self.label) / SET

    def images(self, settings: SearchSettings, folder: Path, real: ImageSet, rng: Rng) -> ImageSet | EpochWindow:
        """Return the training images, from ``real`` or from the ``folder`` of the search."""
        if self.has_set:
            path = self.path(folder)
            return _loaded(path.resolve(), path.stat().st_mtime_ns).to(real.device)
        images = images_per_class(real, settings.ipc, settings.small_classes)
        return EpochWindow(real, sum(images.values()), rng) if self.name == EARLY else real

    def recipe(self, settings: SearchSettings) -> Recipe:
        """Return the recipe of the training."""
        return replace(settings.recipe, epochs=settings.whole_epochs) if self.name == WHOLE else settings.recipe


@lru_cache(maxsize=16)
def _loaded(path: Path, modified: int) -> ImageSet:
    """Return the set at ``path``; every network of a search needs it, so it is read again only when it was ``modified``."""
    return CondensedSet.load(path).images


def proxies_for(names: Sequence[str]) -> tuple[NamedMethod, ...]:
    """Return a proxy for each name of a method, or ``early-stopping``."""
    for name in names:
        if name != EARLY:
            lookup(Method, name)  # raises for an unknown name
    return tuple(NamedMethod(short_name(name), name) for name in names)


def all_proxies(settings: SearchSettings) -> list[Proxy]:
    """Return the proxies of a search, and the whole data."""
    names = [str(proxy.method_settings.get("name")) for proxy in settings.proxies]
    return [*(Proxy(proxy.label, name) for proxy, name in zip(settings.proxies, names, strict=True)), Proxy(WHOLE, WHOLE)]


def search_jobs(settings: SearchSettings, folder: Path | None = None) -> list[Job]:
    """Return the runs that make the sets; they are not evaluated there."""
    return [
        Job(slug(proxy.label), f"set of {proxy.label}", settings.run_of(proxy.method_settings, settings.ipc, seed=settings.seed))
        for proxy in settings.proxies
        if proxy.method_settings.get("name") != EARLY
    ]


def decisive_settings(settings: SearchSettings) -> Mapping[str, Any]:
    """Return the plain settings that a search must keep when it is continued; the place of the data may change."""
    content = {key: value for key, value in to_dict(settings).items() if key not in OPEN}
    return {**content, "data": settings.decisive_data(settings.ipc)}


def without_validation(data: Data, fraction: float, seed: int) -> tuple[Data, ImageSet]:
    """Split off a ``fraction`` of the training images of each class, at least one, for validation."""
    rest, validation = held_out(data.train, fraction, Rng(seed).child("validation"))
    kept = f"{len(validation):,} of {len(data.train):,} training images, {fraction:.0%} of each class"
    return replace(data, train=rest, note=f"{data.note} {kept}, were kept for validation (seed {seed}).".lstrip()), validation
