"""A run and its folder: load, condense, save, judge. All that is needed to repeat it is in the folder."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import SET
from condensation.artifacts.trained_generator import GENERATOR, KeepGenerator, TrainedGenerator
from condensation.core.checkpoint import EVERY_SECONDS, Checkpoint, first_difference
from condensation.core.compute import Compute
from condensation.core.environment import machine, versions
from condensation.core.errors import CondensationError, NotWritten
from condensation.core.images import ImageSet
from condensation.core.ipc import images_per_class, small_classes_note
from condensation.core.plain import to_dict
from condensation.core.storage import UNFINISHED, read_json, remove_unfinished, write, write_json
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import Entry, EvaluationSettings, compare
from condensation.evaluation.scores import Scores
from condensation.methods.base import Method
from condensation.methods.dm import DM
from condensation.methods.generative import GenerativeMethod
from condensation.methods.loop import Observer, StepInfo, condense
from condensation.methods.random import Random
from condensation.report.grid import grid
from condensation.runs.loss_log import LogFile
from condensation.training.train_and_test import OnProgress

SETTINGS, LOG, CHECKPOINT, GRID, SCORES = "settings.json", "log.jsonl", "checkpoint.safetensors", "grid.png", "scores.json"


@dataclass(frozen=True)
class RunSettings:
    """Everything that decides a run."""

    data: DataSettings = DataSettings()
    method: Method = DM()
    ipc: int | dict[str, int] = 10  # images per class; or by class name
    small_classes: Literal["error", "all"] = "error"  # where a class has fewer training images than ipc: stop, or take all that it has
    seed: int = 0
    baseline: bool = True  # judge as many random real images beside the set
    evaluation: EvaluationSettings = EvaluationSettings()
    compute: Compute = Compute()

    def __post_init__(self) -> None:
        for of_class, count in self.ipc.items() if isinstance(self.ipc, dict) else [("", self.ipc)]:
            if count < 1:
                raise CondensationError(f"ipc{'.' if of_class else ''}{of_class} is {count}; ipc must be at least 1.")

    def ipc_of(self, real: ImageSet) -> dict[int, int]:
        """How many synthetic images each label of ``real`` gets."""
        if isinstance(self.ipc, int):
            return images_per_class(real, self.ipc, self.small_classes)
        for name in self.ipc:
            if name not in real.class_names:
                raise CondensationError(f"ipc names a class {name!r}; there is: {', '.join(real.class_names)}.")
        return images_per_class(real, {real.class_names.index(name): count for name, count in self.ipc.items()}, self.small_classes)


@dataclass(frozen=True)
class RunResult:
    """What a finished run left."""

    folder: Path
    condensed: CondensedSet
    scores: Scores | None = None


def run(
    settings: RunSettings,
    out: str | Path,
    *,
    resume: bool = False,
    observers: Sequence[Observer] = (),
    on_progress: OnProgress | None = None,
    on_reading: OnProgress | None = None,
    checkpoint_every: float = EVERY_SECONDS,
    data: Data | None = None,
    generator: str | Path | None = None,
) -> RunResult:
    """Condense as ``settings`` say, into the folder ``out``; go on with what is there if ``resume``.

    The set is saved before it is judged, so nothing is lost should judging be broken off. The state is kept every
    ``checkpoint_every`` seconds, which changes no result. A run that is finished is read, not done again. ``on_reading`` is told
    how many images are read, ``on_progress`` how many epochs of judging are done. ``data`` is what ``settings.data.load()`` gave, for
    many runs on the same images; without it, they are read. Where ``generator`` was trained by a run that differs in ipc or judging
    alone, the set is drawn from it, which gives what training would.

    Raises:
        CondensationError: if the folder holds another run, or anything in the settings cannot be done.
    """
    folder = Path(out)
    checkpoint = Checkpoint(folder / CHECKPOINT, checkpoint_every)
    claim(folder, settings, resume)
    if is_finished(folder, settings):
        scores = Scores.read(folder / SCORES) if settings.evaluation.networks else None
        return RunResult(folder, CondensedSet.load(folder / SET), scores)
    data = data or settings.data.load(on_reading)
    ipc = settings.ipc_of(data.train)
    settings.evaluation.check(data)
    remove_unfinished(folder)
    with _resumable(folder):
        write_json(folder / SETTINGS, {"settings": to_dict(settings), "versions": versions(), "machine": machine()})
        condensed = _condensed(settings, data, ipc, folder, observers, checkpoint, Path(generator) if generator else None)
        write(folder / GRID, _png(condensed.images, data.train, f"{data.name}, {_made(settings, condensed.images)}"))
        scores = _scores(settings, data, ipc, condensed.images, on_progress)
        if scores:
            condensed = condensed.with_scores(scores.without_seconds().to_json())
            condensed.save(folder / SET)
            write_json(folder / SCORES, scores.to_json())  # last: they say that the run is finished
    return RunResult(folder, condensed, scores)


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """What cannot be written says how to go on, once there is something to go on with."""
    try:
        yield
    except NotWritten as error:
        raise error.during_run() if (folder / SETTINGS).exists() else error from error.__cause__


def claim(folder: Path, settings: RunSettings, resume: bool) -> None:
    """Make sure that ``folder`` is free for this run, or holds it already and may go on.

    Raises:
        CondensationError: if it holds another run, naming what differs; or this one, and ``resume`` was not asked for.
    """
    if not folder.exists():
        if resume:
            raise CondensationError(f"There is no run to resume in {folder}.\nLeave --resume out to start one.")
        return
    if not folder.is_dir():
        raise CondensationError(f"{folder} is a file; --out must name a folder.")
    if not (folder / SETTINGS).exists():
        if any(not path.name.endswith(UNFINISHED) for path in folder.iterdir()):
            raise CondensationError(f"{folder} is not empty and holds no run.\nChoose a new folder with --out.")
        if resume:
            raise CondensationError(f"There is no run to resume in {folder}.\nLeave --resume out to start one.")
        return
    if not resume and not any((folder / name).exists() for name in (CHECKPOINT, SET)):
        return  # a run that was refused before its first step, by its settings perhaps, is not in the way
    found = read_json(folder / SETTINGS)
    kept = found.get("settings") if isinstance(found, dict) else None
    if not isinstance(kept, dict):
        raise CondensationError(f"{folder / SETTINGS} does not say what was run.\nChoose another folder with --out.")
    # How it is computed may change when a run goes on, on another machine for example; what is computed may not.
    differing = first_difference({**kept, "compute": None}, {**json.loads(json.dumps(to_dict(settings))), "compute": None})
    if differing:
        raise CondensationError(f"{folder} holds another run: {differing}.\nChoose another folder with --out, or take the same settings.")
    if not resume:
        state = "is finished" if is_finished(folder, settings) else "was broken off"
        raise CondensationError(
            f"{folder} holds this very run; it {state}.\nAdd --resume to go on with it, or choose another folder with --out."
        )


def is_finished(folder: Path, settings: RunSettings) -> bool:
    """Whether all that ``settings`` ask for is in ``folder``."""
    wanted = (SET, GRID, SCORES) if settings.evaluation.networks else (SET, GRID)
    return all((folder / name).exists() for name in wanted)


def describe(settings: RunSettings) -> str:
    """A few words on what is asked for."""
    return in_words(type(settings.method).__name__, [settings.ipc] if isinstance(settings.ipc, int) else [], settings.method.steps)


def _made(settings: RunSettings, images: ImageSet) -> str:
    """A few words on what came of it: a class may have too few images for what was asked for."""
    return in_words(type(settings.method).__name__, images.counts.values(), settings.method.steps)


def in_words(method: str, counts: Collection[int], steps: int) -> str:
    """``DM, 10 images per class, 1,000 steps``, where classes have ``counts`` of images, or ``5 to 10 images per class``."""
    said = " to ".join(f"{count:,}" for count in sorted({min(counts), max(counts)})) if counts else "different numbers of"
    images = "1 image" if said == "1" else f"{said} images"
    return f"{method}, {images} per class" + (f", {steps:,} steps" if steps else "")


def _condensed(
    settings: RunSettings,
    data: Data,
    ipc: dict[int, int],
    folder: Path,
    observers: Sequence[Observer],
    checkpoint: Checkpoint,
    generator: Path | None,
) -> CondensedSet:
    fingerprint = data.train.fingerprint()
    if (folder / SET).exists():
        kept = CondensedSet.load(folder / SET)
        if kept.card.get("data", {}).get("fingerprint") != fingerprint:
            raise CondensationError(
                f"{folder / SET} was made from other images than {settings.data.source} has now.\nChoose another folder with --out."
            )
        return kept
    card = {
        "settings": to_dict(settings),
        "data": {
            "name": data.name,
            "fingerprint": fingerprint,
            "images": len(data.train),
            "note": " ".join(filter(None, (data.note, small_classes_note(data.train, ipc)))),
            **data.details,
        },
        **({"reads": reads} if (reads := settings.method.input_digests()) else {}),
        **({"note": settings.method.note} if isinstance(settings.method, GenerativeMethod) and settings.method.note else {}),
        "versions": versions(),
        "machine": machine(),
    }
    method = settings.method
    trained = TrainedGenerator.load(generator) if generator else None
    if trained and trained.is_of(method, data.train, settings.seed, fingerprint):
        images = trained.for_run(data.train, ipc, settings.seed, settings.compute.resolve())
        replace(trained, card=card).save(folder / GENERATOR)
    else:
        watching: list[Observer] = [LogFile(folder / LOG)]
        if isinstance(method, GenerativeMethod):
            watching.append(KeepGenerator(method, folder / GENERATOR, card))
        watching += [partial(_note, card), *observers]  # after the generator is kept: it may make other sets than this
        images = condense(method, data.train, ipc, seed=settings.seed, compute=settings.compute, observers=watching, checkpoint=checkpoint)
    condensed = CondensedSet(images.to("cpu"), card)
    condensed.save(folder / SET)
    return condensed


def _note(card: dict[str, Any], moment: StepInfo) -> None:
    """After the last step, put on the card what the state says of the set."""
    if moment.step == moment.steps:
        card.update(moment.state.card())


def _scores(settings: RunSettings, data: Data, ipc: dict[int, int], images: ImageSet, on_progress: OnProgress | None) -> Scores | None:
    if not settings.evaluation.networks:
        return None
    entries = [Entry(to_dict(settings.method)["name"], images)]
    if settings.baseline and not isinstance(settings.method, Random):
        entries.append(Entry("random", condense(Random(), data.train, ipc, seed=settings.seed, compute=settings.compute)))
    return compare(entries, data, settings.evaluation, settings.seed, settings.compute, on_progress)


def _png(images: ImageSet, real: ImageSet, title: str) -> bytes:
    buffer = io.BytesIO()
    grid(images, real, title=title).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
