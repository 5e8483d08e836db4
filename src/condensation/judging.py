"""Judging several sets alike: condensed ones, random real images, the whole data."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from condensation.artifact import CondensedSet
from condensation.compute import Compute, capability
from condensation.condensing import condense
from condensation.data import Data, OnProgress, Reading, load
from condensation.errors import CondensationError
from condensation.evaluation import Accuracies, check_fit, evaluate
from condensation.export.base import eight_bit
from condensation.export.card import VIEWS
from condensation.images import ImageSet
from condensation.methods import Random
from condensation.networks.base import NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.rng import Rng
from condensation.settings import build, plain
from condensation.training import Recipe

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataSettings:
    """Which images; see `condensation.data.load`."""

    source: str = "fashion-mini"
    folder: str | None = None
    preprocessing: Literal["standardize", "published", "zca", "none"] = "standardize"
    size: int | str | None = None  # pixels of both sides, or height x width: 64, "48x64"
    fit: Literal["crop", "pad"] = "crop"
    skip_bad: bool = False  # leave out images that cannot be read
    columns: tuple[str, ...] = ()  # of a table: that of the images and that of the labels
    mirrored: bool | None = None

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise CondensationError("No data set is named.\nGive --data a name that `condense data` lists, or a path.")
        shape = self._reading().shape
        if shape:  # written in one way, so that equal settings are equal
            object.__setattr__(self, "size", shape[0] if shape[0] == shape[1] else "x".join(map(str, shape)))

    def load(self, on_progress: OnProgress | None = None) -> Data:
        """The training and the test images."""
        how = self._reading()
        return load(
            self.source,
            folder=self.folder,
            preprocessing=self.preprocessing,
            size=how.size,
            fit=how.fit,
            skip_bad=how.skip_bad,
            columns=how.columns,
            mirrored=self.mirrored,
            on_progress=on_progress,
        )

    def _reading(self) -> Reading:
        return Reading(self.size, self.fit, self.skip_bad, self.columns)


@dataclass(frozen=True)
class EvaluationSettings:
    """How a set is judged; see `condensation.evaluation.evaluate`."""

    networks: int = 3  # newly drawn for each set; 0: no judging
    network: NetworkSpec = ConvNet()
    recipe: Recipe = Recipe()

    def __post_init__(self) -> None:
        if self.networks < 0:
            raise CondensationError(f"evaluation.networks is {self.networks}; it must be at least 1, or 0 for no judging.")

    def check(self, data: Data) -> None:
        """Find out before the work, not after it, that the network or the augmentation does not fit the images."""
        if self.networks:
            self.network.build(data.test.shape, data.test.num_classes, Rng(0))
            if self.recipe.augmentation:
                images = data.train.inputs(slice(0, 2))
                self.recipe.augmentation.fit(data.train).per_image(len(images), Rng(0))(images, torch.arange(len(images)))


@dataclass(frozen=True)
class Entry:
    """A set under judgement; ``recipe`` takes the place of the common one."""

    name: str
    images: ImageSet
    recipe: Recipe | None = None


@dataclass(frozen=True)
class JudgeSettings:
    """Everything that decides what `condense evaluate` does, but the sets."""

    data: DataSettings | None = None  # None: what the first set was made from
    random: int = 0  # random real images per class, judged with and without augmentation; 0: none
    smaller: Literal["error", "all"] = "error"  # where a class has fewer than `random`: stop, or take all of it
    whole: bool = False  # judge the whole training set
    seed: int = 0
    evaluation: EvaluationSettings = EvaluationSettings()
    compute: Compute = Compute()


def judge(
    entries: Sequence[Entry], data: Data, how: EvaluationSettings, seed: int, compute: Compute, on_progress: OnProgress | None = None
) -> dict[str, Any]:
    """The accuracies of each entry on the test images of ``data``, and all that must be known to repeat them, for JSON."""
    scores: dict[str, Any] = {}
    for entry in entries:  # all of them before the first takes its time
        check_fit(entry.images, replace(data.test, preprocessing=entry.images.preprocessing))
    for number, entry in enumerate(entries):
        name = entry.name if entry.name not in scores else f"{entry.name} ({number + 1})"
        started = time.perf_counter()
        accuracies: Accuracies = evaluate(
            entry.images,
            # Test images are seen as the set's networks see theirs, whatever the data was loaded with.
            replace(data.test, preprocessing=entry.images.preprocessing),
            network=how.network,
            recipe=entry.recipe or how.recipe,
            networks=how.networks,
            seed=seed,
            compute=compute,
            on_progress=_shifted(on_progress, number, len(entries)),
        )
        seconds = round(time.perf_counter() - started, 1)
        scores[name] = {"images": len(entry.images), **accuracies.summary(), "text": str(accuracies), "seconds": seconds}
        if entry.recipe:
            scores[name]["recipe"] = plain(entry.recipe)
    test = {"name": data.name, "images": len(data.test)}
    return {
        "sets": scores,
        "test": test,
        "seed": seed,
        "evaluation": plain(how),
        "compute": plain(compute.chosen()),
        "machine": capability(),
    }


def judge_saved(
    settings: JudgeSettings, paths: Sequence[Path], on_progress: OnProgress | None = None, on_reading: OnProgress | None = None
) -> dict[str, Any]:
    """Judge the sets saved at ``paths``, and beside them what ``settings`` ask for.

    Raises:
        CondensationError: if there is nothing to judge, a set cannot be read, or sets and data don't fit.
    """
    saved = [CondensedSet.load(path) for path in paths]
    if not saved and not settings.random and not settings.whole:
        raise CondensationError("There is nothing to judge.\nName a run folder or a set, or ask for --random N or --whole.")
    if settings.evaluation.networks < 1:
        raise CondensationError("evaluation.networks is 0; judging needs at least one network.")
    data = (settings.data or _made_from(saved)).load(on_reading)
    for path, one in zip(paths, saved, strict=True):
        _check_split(one, data, path)
    entries = [Entry(name, one.images) for name, one in {str(path): one for path, one in zip(paths, saved, strict=True)}.items()]
    if settings.random:
        chosen = condense(Random(), data.train, settings.random, smaller=settings.smaller, seed=settings.seed, compute=settings.compute)
        bare = replace(settings.evaluation.recipe, augmentation=None)
        entries += [Entry("random", chosen), Entry("random, no augmentation", chosen, bare)]
    if settings.whole:
        entries.append(Entry("whole", data.train))
    return judge(entries, data, settings.evaluation, settings.seed, settings.compute, on_progress)


def judge_settings(content: Mapping[str, Any], saved: Sequence[CondensedSet], usual: JudgeSettings = JudgeSettings()) -> JudgeSettings:
    """``usual``, changed by plain settings ``content``.

    Where that says how images are read, or where they lie, but not which, it means those that the first set was made from.

    Raises:
        CondensationError: for a setting that there is not, or if the set does not say what it was made from.
    """
    asked = content.get("data")
    if saved and isinstance(asked, Mapping) and "source" not in asked:
        usual = replace(usual, data=_made_from(saved))
    return build(JudgeSettings, content, usual)


def judge_views(condensed: CondensedSet, settings: JudgeSettings, on_progress: OnProgress | None = None) -> CondensedSet:
    """The set with, on its card, what it and its 8-bit view are worth: the same networks, drawn and trained alike.

    Raises:
        CondensationError: if the set does not fit the data, or says nothing of them and ``settings`` don't either.
    """
    if settings.evaluation.networks < 1:
        raise CondensationError("evaluation.networks is 0; judging needs at least one network.")
    data = (settings.data or _made_from([condensed])).load()
    view = replace(condensed.images, images=eight_bit(condensed.images))
    entries = [Entry("float32", condensed.images), Entry("8-bit", view)]
    scores = judge(entries, data, settings.evaluation, settings.seed, settings.compute, on_progress)
    return replace(condensed, card={**condensed.card, VIEWS: without_seconds(scores)})


def without_seconds(scores: Mapping[str, Any]) -> dict[str, Any]:
    """What the card of a set says: no clock, since the same work shall give the same file."""
    sets = {name: {key: value for key, value in score.items() if key != "seconds"} for name, score in scores["sets"].items()}
    return {**scores, "sets": sets}


def own_evaluation(condensed: CondensedSet) -> EvaluationSettings:
    """How the set was judged, or was to be; the usual way if its card doesn't say."""
    content = condensed.card.get("scores", {}).get("evaluation") or condensed.card.get("settings", {}).get("evaluation")
    own = build(EvaluationSettings, content) if content else EvaluationSettings()
    return own if own.networks else replace(own, networks=EvaluationSettings().networks)


def _made_from(saved: Sequence[CondensedSet]) -> DataSettings:
    """The data settings on the card of the first set."""
    if not saved:
        return DataSettings()
    try:
        return build(DataSettings, saved[0].card["settings"]["data"])
    except (KeyError, TypeError):
        raise CondensationError("The set does not say which data it was made from.\nName the data to test on with --data.") from None


def _check_split(one: CondensedSet, data: Data, path: Path) -> None:
    """Warn if a set was made when other images were set aside for the test: what is tested on now may have been trained on."""
    about = one.card.get("data", {})
    then, now = about.get("split"), data.details.get("split")
    if then and now and about.get("name") == data.name and then.get("digest") != now["digest"]:
        logger.warning(
            f"{path}: the images of {data.name} have changed since this set was made, and with them which are set aside for the test. "
            "The set may have been made from images that it is tested on; a test part of your own would prevent that."
        )


def _shifted(on_progress: OnProgress | None, number: int, count: int) -> OnProgress | None:
    if on_progress is None:
        return None
    return lambda done, total: on_progress(number * total + done, count * total)
