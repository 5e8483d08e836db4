"""Evaluation of saved sets, each on the test images of the data set that it was made from."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.export.base import eight_bit
from condensation.artifacts.export.card import VIEWS
from condensation.artifacts.set_file import part_of
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError, NoSuchData
from condensation.core.ipc import SmallClasses
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress, Progress
from condensation.core.text import counted
from condensation.core.trust import Trust, as_path_text
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import Entry, EvaluationSettings, compare
from condensation.evaluation.scores import Scores
from condensation.methods.loop import condense
from condensation.methods.random import Random
from condensation.runs.estimate import Training
from condensation.runs.private_sets import require_none_private, require_own_test_images

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluateSettings:
    """Settings of `condense evaluate`, all but the sets."""

    data: dict[str, Any] | None = None
    """Plain `DataSettings`; missing ones come from the card of each set. None takes all from it."""
    random: int = 0
    """Random real images per class to evaluate for comparison, with and without augmentation; 0: none."""
    small_classes: SmallClasses | None = None
    """If a class has fewer than ``random`` images: ``error`` raises, ``all`` uses all of them; None: as for the sets, else ``error``."""
    whole: bool = False
    """Evaluate the whole training set too."""
    seed: int = 0
    """Seed of all random numbers."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """Networks and their training."""
    compute: Compute = Compute()
    """Device, precision and memory use."""


def evaluate_saved(settings: EvaluateSettings, paths: Sequence[Path], progress: Progress = Progress(), trust: Trust = False) -> Scores:
    """Evaluate the sets at ``paths`` and the real images that ``settings`` ask for, each on its own data set.

    Sets with the same data settings share one data set. If there are several, the scores name the test set of each set.
    A data set of the hub that only a card names is read only with ``trust``. Raise
    CondensationError if there is nothing to evaluate, a set cannot be read or does not fit its data set, or real images are asked for
    beside a set with differential privacy.
    """
    saved = {str(path): CondensedSet.load(path, trust=trust) for path in paths}
    if not saved and not settings.random and not settings.whole:
        raise CondensationError("There is nothing to evaluate.", hint="Name a run folder or a set, or use random=10 or whole=True.")
    _require_networks(settings)
    _require_covered(settings, saved)
    groups = _grouped(settings, saved)
    labels = _labels([wanted for wanted, _ in groups])
    entries: list[Entry] = []
    for (wanted, sets), label in zip(groups, labels, strict=True):
        data = _load(wanted, sets, progress.reading)
        for name, condensed in sets.items():
            _check_split(condensed, data, name)
        group = [*(Entry(name, condensed.images) for name, condensed in sets.items()), *_real(settings, data, sets.values())]
        if len(groups) > 1:  # the names of real images name their data
            group = [
                replace(entry, name=entry.name if entry.name in sets else f"{entry.name} ({label})", test=data.test, test_name=label)
                for entry in group
            ]
        entries += group
    # Sets come in the order of ``paths``, real images last.
    places = {name: place for place, name in enumerate(saved)}
    entries.sort(key=lambda entry: places.get(entry.name, len(places)))
    return compare(entries, data, settings.evaluation, settings.seed, settings.compute, progress.evaluating)


def planned_trainings(settings: EvaluateSettings, paths: Sequence[Path], trust: Trust = False) -> list[tuple[Training, Data]]:
    """Return the networks that `evaluate_saved` would train, and the data for each set. Raise CondensationError as it does."""
    saved = {str(path): CondensedSet.load(path, trust=trust) for path in paths}
    _require_networks(settings)
    _require_covered(settings, saved)
    evaluation, planned = settings.evaluation, list[tuple[Training, Data]]()
    for wanted, sets in _grouped(settings, saved):
        data = _load(wanted, sets)
        sizes = {name: condensed.images.seen for name, condensed in sets.items()}
        sizes |= {"random images": 2 * settings.random * len(data.train.classes)} if settings.random else {}  # twice: also not augmented
        sizes |= {"the whole training set": len(data.train)} if settings.whole else {}
        for name, size in sizes.items():
            text = f"{counted(evaluation.networks, 'network')} on {name}"
            planned.append((Training(text, evaluation.networks, evaluation.network, evaluation.recipe, size), data))
    return planned


def evaluate_settings(
    content: Mapping[str, Any], saved: Sequence[CondensedSet], usual: EvaluateSettings = EvaluateSettings()
) -> EvaluateSettings:
    """Return ``usual`` with plain settings ``content`` applied; data settings are completed if all sets share them."""
    settings = from_dict(EvaluateSettings, content, usual)
    if settings.data is None:
        return settings
    wanted = {data_of(condensed, settings.data) for condensed in saved} or {data_of(None, settings.data)}
    return replace(settings, data=to_dict(wanted.pop())) if len(wanted) == 1 else settings


def evaluate_views(condensed: CondensedSet, settings: EvaluateSettings, progress: Progress = Progress()) -> CondensedSet:
    """Return the set with the scores of its float32 and 8-bit images on its card. Raise CondensationError if it does not fit the data."""
    _require_networks(settings)
    data = _load(data_of(condensed, settings.data), {"The set": condensed}, progress.reading)
    viewable = condensed.images.viewable()
    view = replace(viewable, images=eight_bit(viewable))
    entries = [Entry("float32", condensed.images), Entry("8-bit", view)]  # each with identically initialized networks
    scores = compare(entries, data, settings.evaluation, settings.seed, settings.compute, progress.evaluating)
    return replace(condensed, card={**condensed.card, VIEWS: scores.for_card().to_json()})


def evaluation_of(condensed: CondensedSet) -> EvaluationSettings:
    """Return the evaluation settings on the card of the set, or the defaults."""
    scores, settings = (condensed.card.get(key) for key in ("scores", "settings"))
    content = next((part["evaluation"] for part in (scores, settings) if isinstance(part, Mapping) and part.get("evaluation")), None)
    evaluation = from_dict(EvaluationSettings, content) if content else EvaluationSettings()
    return evaluation if evaluation.networks else replace(evaluation, networks=EvaluationSettings().networks)


def data_of(condensed: CondensedSet | None, asked: Mapping[str, Any] | None) -> DataSettings:
    """Return the data settings on the card with plain settings ``asked`` applied. Raise CondensationError if neither names a data set."""
    asked = asked or {}
    settings = _made_from(condensed) if condensed is not None else DataSettings()
    if "source" in asked:
        settings = replace(settings or DataSettings(), folder=None)  # the folder on the card is that of the old source
    if settings is None:
        hint = 'Name the data to test on: data={"source": "cifar10"}.'
        raise CondensationError("The card of the set does not name its data.", hint=hint, setting="data.source")
    return from_dict(DataSettings, asked, settings, "data")


def _require_networks(settings: EvaluateSettings) -> None:
    if settings.evaluation.networks < 1:
        raise CondensationError("Expected at least one network to evaluate with, got 0.", setting="evaluation.networks")


def _require_covered(settings: EvaluateSettings, saved: Mapping[str, CondensedSet]) -> None:
    if settings.random:
        require_none_private(saved, "random real images", "random")
    if settings.whole:
        require_none_private(saved, "the whole training set", "whole")


def _made_from(condensed: CondensedSet) -> DataSettings | None:
    """Return the data settings on the card of the set; None if it has none."""
    try:
        return from_dict(DataSettings, condensed.card["settings"]["data"])
    except (KeyError, TypeError):
        return None


def _grouped(settings: EvaluateSettings, saved: Mapping[str, CondensedSet]) -> list[tuple[DataSettings, dict[str, CondensedSet]]]:
    """Return the data settings, each with the sets that are tested on these data."""
    groups: dict[DataSettings, tuple[DataSettings, dict[str, CondensedSet]]] = {}
    for name, condensed in saved.items():
        wanted = data_of(condensed, settings.data)
        # These settings do not affect the test images, which are preprocessed like the set.
        test_images = replace(wanted, preprocessing="none", flip_invariant=None)
        groups.setdefault(test_images, (wanted, {}))[1][name] = condensed
    return list(groups.values()) or [(data_of(None, settings.data), {})]


def _load(wanted: DataSettings, sets: Mapping[str, CondensedSet], on_reading: OnProgress | None = None) -> Data:
    """Load the data; if they are missing, the error names the set whose card names them, since the user may not have."""
    try:
        data = wanted.load(on_reading)
    except NoSuchData:
        for name, condensed in sets.items():
            own = _made_from(condensed)
            if own is not None and (own.source, own.folder) == (wanted.source, wanted.folder):
                folder = f" in the folder {own.folder}" if own.folder else ""
                here = "" if Path(as_path_text(own.folder or own.source)).is_absolute() else f" relative to {Path.cwd()}"
                hint = "Name the data (source=...), or use the folder in which the set was made as the current folder."
                message = f"{name} was made from {own.source}{folder}, which does not exist{here}."
                raise NoSuchData(message, hint=hint, setting="data.source") from None
        raise
    require_own_test_images(sets, data)
    return data


def _real(settings: EvaluateSettings, data: Data, sets: Iterable[CondensedSet]) -> list[Entry]:
    """Return the real images to evaluate beside ``sets``."""
    entries = []
    if settings.random:
        uses_all = any(part_of(condensed.card, "settings").get("small_classes") == "all" for condensed in sets)
        small_classes = settings.small_classes or ("all" if uses_all else "error")
        images = condense(Random(), data.train, settings.random, small_classes=small_classes, seed=settings.seed, compute=settings.compute)
        plain = replace(settings.evaluation.recipe, augmentation=None)
        entries += [Entry("random", images), Entry("random, no augmentation", images, plain)]
    if settings.whole:
        entries.append(Entry("whole", data.train))
    return entries


def _labels(wanted: Sequence[DataSettings]) -> list[str]:
    """Return a label for each of several data settings: the source, and the settings that differ."""
    contents = [to_dict(settings) for settings in wanted]
    differing = [key for key in contents[0] if key != "source" and len({str(content[key]) for content in contents}) > 1]
    return [", ".join([content["source"], *(f"{key} {content[key]}" for key in differing)]) for content in contents]


def _check_split(condensed: CondensedSet, data: Data, name: str) -> None:
    """Warn if the test images were split off differently when the set was made: they may be among its training images."""
    about = part_of(condensed.card, "data")  # its name may differ, since a folder may have been renamed
    then, now = part_of(about, "split"), data.details.get("split")
    if not then or not now or then.get("digest") == now["digest"] or condensed.images.class_names != data.test.class_names:
        return
    if about.get("name") == data.name:
        change = f"the images of {data.name} have changed since this set was made, and so has the test split."
    else:
        change = f"{data.name} has another test split than {about.get('name')}, from which this set was made."
    logger.warning(
        f"{name}: {change} The set may have been made from images that it is now tested on. Provide separate test images to prevent that."
    )
