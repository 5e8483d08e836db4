"""Evaluation of saved sets by kernel ridge regression, each on the data set that it was made from."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import part_of
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress, Progress
from condensation.core.trust import Trust
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.evaluation.kernel_ridge import regress
from condensation.evaluation.scores import TestImages
from condensation.methods.kip import KIP
from condensation.methods.loop import condense
from condensation.methods.random import Random
from condensation.networks.ntk.base import NTK
from condensation.networks.ntk.gram import gram
from condensation.runs.evaluate_saved import data_of
from condensation.runs.private_sets import require_none_private, require_own_test_images

TRIED = 10  # images of a trial


@dataclass(frozen=True)
class RidgeSettings:
    """Settings of `condense ridge`, all but the sets."""

    data: dict[str, Any] | None = None
    """Plain `DataSettings`; missing ones come from the card of each set. None takes all from it."""
    kernel: NTK | None = None
    """Tangent kernel; None: the one that the set was learned with, or ``fc``."""
    reg: float | None = None
    """Regularization, relative to the mean diagonal of the kernel matrix, at least 0; None: as the set was learned, or 1e-6."""
    random: int = 0
    """Random real images per class, with hard labels, to compare each set with; 0: none."""
    seed: int = 0
    """Seed of the random real images."""
    compute: Compute = Compute()
    """Device; the precision is always float64."""

    def __post_init__(self) -> None:
        if self.reg is not None and not self.reg >= 0:
            raise CondensationError(f"Expected reg of at least 0, got {self.reg}.", hint="The published value is 1e-6.", setting="reg")


@dataclass(frozen=True, kw_only=True)
class RidgeScore:
    """Test accuracy in percent of kernel ridge regression on one set."""

    images: int
    mean: float
    deviation: float = 0.0
    count: int = 1
    per_class: dict[str, float]
    labels: Literal["soft", "classes"]
    kernel: dict[str, Any]
    reg: float
    test: TestImages
    seconds: float


@dataclass(frozen=True)
class RidgeScores:
    """Scores of several sets, by name, and the settings."""

    sets: dict[str, RidgeScore]
    settings: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        content: dict[str, Any] = to_dict(self)
        return content


def ridge_saved(settings: RidgeSettings, paths: Sequence[Path], progress: Progress = Progress(), trust: Trust = False) -> RidgeScores:
    """Evaluate the sets at ``paths``, and for each of them random real images if ``settings`` ask for them.

    Code and hub data that only a card names are used only with ``trust``. Raise CondensationError if there is
    nothing to evaluate, a set cannot be read, sets, kernel and data don't fit, or real images are asked for beside a set with
    differential privacy.
    """
    if not paths:
        raise CondensationError("There is nothing to evaluate.", hint="Name a run folder or a set.")
    saved = _load_sets(settings, paths, trust)
    scores: dict[str, RidgeScore] = {}
    loaded: dict[DataSettings, Data] = {}
    for path, condensed in saved.items():
        wanted = data_of(condensed, settings.data)
        if wanted not in loaded:
            loaded[wanted] = wanted.load(progress.reading)
        data, method = loaded[wanted], _kip_of(condensed, settings)
        require_own_test_images({path: condensed}, data)
        scores[path] = _score(condensed.images, data, method, settings.compute, progress.evaluating)
        if settings.random:
            images = condense(Random(), data.train, settings.random, seed=settings.seed, compute=settings.compute)
            scores[f"random beside {path}"] = _score(images, data, method, settings.compute, progress.evaluating)
    return RidgeScores(scores, to_dict(settings))


def planned_regressions(settings: RidgeSettings, paths: Sequence[Path], trust: Trust = False) -> list[tuple[str, float]]:
    """Return what `ridge_saved` would compute for each set, and its seconds by a short trial."""
    planned = []
    for path, condensed in _load_sets(settings, paths, trust).items():
        data, method = data_of(condensed, settings.data).load(), _kip_of(condensed, settings)
        require_own_test_images({path: condensed}, data)
        images, tested = condensed.images.decoded(), len(data.test)
        counts = [len(images), *([settings.random * len(images.classes)] if settings.random else [])]
        pairs = sum(count * (count + tested) for count in counts)
        text = f"kernel {to_dict(method.kernel)['name']} of {' and '.join(map(str, counts))} images and {tested:,} test images"
        planned.append((text, pairs * _pair_seconds(images, method.kernel, settings.compute)))
    return planned


def _load_sets(settings: RidgeSettings, paths: Sequence[Path], trust: Trust) -> dict[str, CondensedSet]:
    saved = {str(path): CondensedSet.load(path, trust=trust) for path in paths}
    if settings.random:
        require_none_private(saved, "random real images", "random")
    return saved


def _pair_seconds(images: ImageSet, kernel: NTK, compute: Compute) -> float:
    """Return the time of the kernel of two images, from a few of them."""
    inputs = images.inputs(slice(0, TRIED)).to(compute.resolve().device).double()
    with torch.no_grad():
        gram(kernel, inputs[:1], inputs[:1])
        started = time.perf_counter()
        gram(kernel, inputs, inputs)
    return (time.perf_counter() - started) / len(inputs) ** 2


def _score(images: ImageSet, data: Data, method: KIP, compute: Compute, on_progress: OnProgress | None) -> RidgeScore:
    test = replace(data.test, preprocessing=images.preprocessing)
    started = time.perf_counter()
    accuracy = regress(images, test, kernel=method.kernel, reg=method.reg, compute=compute, on_progress=on_progress)
    return RidgeScore(
        images=len(images),
        **accuracy.summary(),
        labels="soft" if images.soft_labels else "classes",
        kernel=to_dict(method.kernel),
        reg=method.reg,
        test=TestImages(data.name, len(test)),
        seconds=round(time.perf_counter() - started, 1),
    )


def _kip_of(condensed: CondensedSet, settings: RidgeSettings) -> KIP:
    """Return KIP with the kernel and regularization of ``settings``, else of the card, else the defaults."""
    content: Mapping[str, Any] = part_of(condensed.card, "settings", "method")
    method = from_dict(KIP, {key: value for key, value in content.items() if key != "name"}) if content.get("name") == "kip" else KIP()
    changes = {"kernel": settings.kernel, "reg": settings.reg}
    return replace(method, **{key: value for key, value in changes.items() if value is not None})  # type: ignore[arg-type]
