"""Saved sets judged by kernel ridge regression, each on the data that it was made from."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condensation.artifacts.condensed_set import CondensedSet
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.evaluation.kernel_ridge import regress
from condensation.methods.kip import KIP
from condensation.methods.loop import condense
from condensation.methods.random import Random
from condensation.ntk.base import NTK
from condensation.runs.evaluate_saved import data_of


@dataclass(frozen=True)
class KernelSettings:
    """Everything that decides what `condense ridge` does, but the sets."""

    data: dict[str, Any] | None = None  # of `DataSettings`; what is not said is as it was when each set was made
    kernel: NTK | None = None  # None: the one that a set was learned by, fc for others
    reg: float | None = None  # of the mean diagonal of the kernel matrix; None likewise, 1e-6
    random: int = 0  # random real images per class, by their classes; 0: none
    seed: int = 0
    compute: Compute = Compute()

    def __post_init__(self) -> None:
        if self.reg is not None and not self.reg >= 0:
            raise CondensationError(f"reg is {self.reg}; it must be 0 or more, and 1e-6 is the published one.")


def judge_by_kernel(
    settings: KernelSettings, paths: Sequence[Path], on_reading: OnProgress | None = None, on_progress: OnProgress | None = None
) -> dict[str, Any]:
    """The accuracies of the sets at ``paths``, and of random images beside those of each data, for JSON; ``on_progress`` as of `regress`.

    Raises:
        CondensationError: if there is nothing to judge, a set cannot be read, or sets, kernel and data don't fit.
    """
    if not paths:
        raise CondensationError("There is nothing to judge.\nName a run folder or a set.")
    scores: dict[str, Any] = {}
    loaded: dict[DataSettings, Data] = {}
    for path in paths:
        one = CondensedSet.load(path)
        wanted = data_of(one, settings.data)
        if wanted not in loaded:
            loaded[wanted] = wanted.load(on_reading)
        data, how = loaded[wanted], _how(one, settings)
        scores[str(path)] = _score(one.images, data, how, settings.compute, on_progress)
        if settings.random:
            chosen = condense(Random(), data.train, settings.random, seed=settings.seed, compute=settings.compute)
            scores[f"random beside {path}"] = _score(chosen, data, how, settings.compute, on_progress)
    return {"sets": scores, "settings": to_dict(settings)}


def _score(images: ImageSet, data: Data, how: KIP, compute: Compute, on_progress: OnProgress | None) -> dict[str, Any]:
    test = replace(data.test, preprocessing=images.preprocessing)
    started = time.perf_counter()
    found = regress(images, test, kernel=how.kernel, reg=how.reg, compute=compute, on_progress=on_progress)
    return {
        "images": len(images),
        **found.summary(),
        "labels": "soft" if images.soft_labels else "classes",
        "kernel": to_dict(how.kernel),
        "reg": how.reg,
        "test": {"name": data.name, "images": len(test)},
        "seconds": round(time.perf_counter() - started, 1),
    }


def _how(one: CondensedSet, settings: KernelSettings) -> KIP:
    """The kernel and the regularisation: as asked for, else as the set was learned, else the usual ones."""
    method: Mapping[str, Any] = one.card.get("settings", {}).get("method", {})
    own = from_dict(KIP, {key: value for key, value in method.items() if key != "name"}) if method.get("name") == "kip" else KIP()
    own = own if settings.kernel is None else replace(own, kernel=settings.kernel)
    return own if settings.reg is None else replace(own, reg=settings.reg)
