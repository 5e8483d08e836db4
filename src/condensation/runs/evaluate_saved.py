"""Saved sets judged, each on the test images of the data that it was made from."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.export.base import eight_bit
from condensation.artifacts.export.card import VIEWS
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError, NoSuchData
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import Entry, EvaluationSettings, compare
from condensation.evaluation.scores import Scores
from condensation.methods.loop import condense
from condensation.methods.random import Random

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluateSettings:
    """Everything that decides what `condense evaluate` does, but the sets."""

    # Settings of `DataSettings`; what is not said is as it was when each set was made.
    data: dict[str, Any] | None = None
    random: int = 0  # random real images per class, judged with and without augmentation; 0: none
    # Where a class has fewer than `random`: stop, or take all of it; None: as when the sets beside them were made, else stop.
    small_classes: Literal["error", "all"] | None = None
    whole: bool = False  # judge the whole training set
    seed: int = 0
    evaluation: EvaluationSettings = EvaluationSettings()
    compute: Compute = Compute()


def evaluate_saved(
    settings: EvaluateSettings, paths: Sequence[Path], on_progress: OnProgress | None = None, on_reading: OnProgress | None = None
) -> Scores:
    """Judge the sets saved at ``paths``, and beside them what ``settings`` ask for, on each data in question.

    Data are loaded once for all sets that share their settings. Where there are several, the scores name those of each set.

    Raises:
        CondensationError: if there is nothing to judge, a set cannot be read, or sets and data don't fit.
    """
    saved = {str(path): CondensedSet.load(path) for path in paths}
    if not saved and not settings.random and not settings.whole:
        raise CondensationError("There is nothing to judge.\nName a run folder or a set, or ask for --random N or --whole.")
    if settings.evaluation.networks < 1:
        raise CondensationError("evaluation.networks is 0; judging needs at least one network.")
    groups = _grouped(settings, saved)
    labels = _labels([wanted for wanted, _ in groups])
    entries: list[Entry] = []
    for (wanted, sets), label in zip(groups, labels, strict=True):
        data = _load(wanted, sets, on_reading)
        for name, one in sets.items():
            _check_split(one, data, name)
        found = [*(Entry(name, one.images) for name, one in sets.items()), *_real(settings, data, sets.values())]
        entries += [_apart(entry, data, label, own=entry.name in sets) for entry in found] if len(groups) > 1 else found
    # In the order in which they were named; what is judged beside them comes last.
    places = {name: place for place, name in enumerate(saved)}
    entries.sort(key=lambda entry: places.get(entry.name, len(places)))
    return compare(entries, data, settings.evaluation, settings.seed, settings.compute, on_progress)


def evaluate_settings(
    content: Mapping[str, Any], saved: Sequence[CondensedSet], usual: EvaluateSettings = EvaluateSettings()
) -> EvaluateSettings:
    """``usual``, changed by plain settings ``content``; those of the data are whole where they are the same for all sets.

    Raises:
        CondensationError: for a setting that there is not, or if a set does not say what it was made from.
    """
    settings = from_dict(EvaluateSettings, content, usual)
    if settings.data is None:
        return settings
    wanted = {data_of(one, settings.data) for one in saved} or {data_of(None, settings.data)}
    return replace(settings, data=to_dict(wanted.pop())) if len(wanted) == 1 else settings


def judge_views(condensed: CondensedSet, settings: EvaluateSettings, on_progress: OnProgress | None = None) -> CondensedSet:
    """The set with, on its card, what it and its 8-bit view are worth: the same networks, drawn and trained alike.

    Raises:
        CondensationError: if the set does not fit the data, or says nothing of them and ``settings`` don't either.
    """
    if settings.evaluation.networks < 1:
        raise CondensationError("evaluation.networks is 0; judging needs at least one network.")
    data = _load(data_of(condensed, settings.data), {"The set": condensed})
    view = replace(condensed.images, images=eight_bit(condensed.images))
    entries = [Entry("float32", condensed.images), Entry("8-bit", view)]
    scores = compare(entries, data, settings.evaluation, settings.seed, settings.compute, on_progress)
    return replace(condensed, card={**condensed.card, VIEWS: scores.without_seconds().to_json()})


def own_evaluation(condensed: CondensedSet) -> EvaluationSettings:
    """How the set was judged, or was to be; the usual way if its card doesn't say."""
    content = condensed.card.get("scores", {}).get("evaluation") or condensed.card.get("settings", {}).get("evaluation")
    own = from_dict(EvaluationSettings, content) if content else EvaluationSettings()
    return own if own.networks else replace(own, networks=EvaluationSettings().networks)


def data_of(one: CondensedSet | None, asked: Mapping[str, Any] | None) -> DataSettings:
    """The data that a set is judged on, read as those that it was made from, and the same unless ``asked`` says otherwise.

    Raises:
        CondensationError: for a setting that there is not, or if neither says which data.
    """
    asked = asked or {}
    own = _made_from(one) if one is not None else DataSettings()
    if "source" in asked:
        own = replace(own or DataSettings(), folder=None)  # which says where the set's own data lie
    if own is None:
        raise CondensationError("The set does not say which data it was made from.\nName the data to test on with --data.")
    return from_dict(DataSettings, asked, own, "data")


def _made_from(one: CondensedSet) -> DataSettings | None:
    """The data settings on the card of the set; None where it has none."""
    try:
        return from_dict(DataSettings, one.card["settings"]["data"])
    except (KeyError, TypeError):
        return None


def _grouped(settings: EvaluateSettings, saved: Mapping[str, CondensedSet]) -> list[tuple[DataSettings, dict[str, CondensedSet]]]:
    """The data in question, each with the sets that are judged on it."""
    groups: dict[DataSettings, tuple[DataSettings, dict[str, CondensedSet]]] = {}
    for name, one in saved.items():
        wanted = data_of(one, settings.data)
        # These change no test image: each set's networks see them preprocessed as the set is.
        images = replace(wanted, preprocessing="none", flip_invariant=None)
        groups.setdefault(images, (wanted, {}))[1][name] = one
    return list(groups.values()) or [(data_of(None, settings.data), {})]


def _load(wanted: DataSettings, sets: Mapping[str, CondensedSet], on_reading: OnProgress | None = None) -> Data:
    """The data; where those that a set was made from are not here, the person, who may not have named them, is told of the set."""
    try:
        return wanted.load(on_reading)
    except NoSuchData:
        for name, one in sets.items():
            own = _made_from(one)
            if own is not None and (own.source, own.folder) == (wanted.source, wanted.folder):
                raise NoSuchData(_moved(name, own)) from None
        raise


def _moved(name: str, own: DataSettings) -> str:
    below = f" in the folder {own.folder}" if own.folder else ""
    here = "" if Path(own.folder or own.source).is_absolute() else f", seen from {Path.cwd()}"
    return (
        f"{name} was made from {own.source}{below}, which is not here{here}.\n"
        "Name the data with --data, or give the command in the folder in which the set was made."
    )


def _real(settings: EvaluateSettings, data: Data, sets: Iterable[CondensedSet]) -> list[Entry]:
    """The real images that are judged beside ``sets``."""
    entries = []
    if settings.random:
        takes_all = any(one.card.get("settings", {}).get("small_classes") == "all" for one in sets)
        small_classes = settings.small_classes or ("all" if takes_all else "error")
        chosen = condense(Random(), data.train, settings.random, small_classes=small_classes, seed=settings.seed, compute=settings.compute)
        bare = replace(settings.evaluation.recipe, augmentation=None)
        entries += [Entry("random", chosen), Entry("random, no augmentation", chosen, bare)]
    if settings.whole:
        entries.append(Entry("whole", data.train))
    return entries


def _labels(wanted: Sequence[DataSettings]) -> list[str]:
    """What tells each of several data from the others: the source, and the settings in which they differ."""
    contents = [to_dict(one) for one in wanted]
    differing = [key for key in contents[0] if key != "source" and len({str(content[key]) for content in contents}) > 1]
    return [", ".join([content["source"], *(f"{key} {content[key]}" for key in differing)]) for content in contents]


def _apart(entry: Entry, data: Data, label: str, *, own: bool) -> Entry:
    """The entry with its test images, where those of others differ; real images then need a name that says whose they are."""
    return replace(entry, name=entry.name if own else f"{entry.name} ({label})", test=data.test, test_name=label)


def _check_split(one: CondensedSet, data: Data, name: str) -> None:
    """Warn if a set was made when other images were set aside for the test: what is tested on now may have been trained on.

    Whatever the data are called: a folder with other images than before may well be another folder.
    """
    about = one.card.get("data", {})
    then, now = about.get("split"), data.details.get("split")
    if not then or not now or then.get("digest") == now["digest"] or one.images.class_names != data.test.class_names:
        return
    if about.get("name") == data.name:
        what = f"the images of {data.name} have changed since this set was made, and with them which are set aside for the test."
    else:
        what = f"of {data.name}, other images are set aside for the test than of {about.get('name')}, from which this set was made."
    logger.warning(
        f"{name}: {what} The set may have been made from images that it is tested on; a test part of your own would prevent that."
    )
