"""A run: load the data, condense, save and evaluate the set. The run folder holds everything needed to repeat it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import SET, part_of
from condensation.artifacts.trained_generator import GENERATOR, KeepGenerator, TrainedGenerator
from condensation.core.checkpoint import EVERY_SECONDS, Checkpoint
from condensation.core.environment import machine, versions
from condensation.core.errors import CondensationError, NotWritten
from condensation.core.images import ImageSet
from condensation.core.ipc import small_classes_note
from condensation.core.lock import LOCK, locked_folder, remove_free
from condensation.core.plain import to_dict
from condensation.core.progress import Progress
from condensation.core.storage import remove_unfinished, write, write_json
from condensation.core.trust import given_names
from condensation.data.dataset import Data
from condensation.data.summary import read_facts
from condensation.evaluation.compare import Entry, compare
from condensation.evaluation.scores import Scores
from condensation.methods.generative import GenerativeMethod
from condensation.methods.loop import Observer, StepInfo, condense
from condensation.methods.random import Random
from condensation.methods.release import Release
from condensation.report.grid import grid_png
from condensation.runs.curve import KeepSets, curve_entries, split_scores
from condensation.runs.files import CHECKPOINT, CURVE, ELSEWHERE, GRID, LOG, SCORES, SETTINGS
from condensation.runs.folder import check_folder, is_finished, remove_shorter_results, warn_of_other_machine
from condensation.runs.loss_log import LossLog
from condensation.runs.private_run import check_private, private_card, release_of_run
from condensation.runs.settings import RunSettings, describe_set, title_of_method


@dataclass(frozen=True)
class RunResult:
    """Result of a finished run.

    >>> from tempfile import TemporaryDirectory
    >>> from condensation import DataSettings, EvaluationSettings, Random, RunSettings, run
    >>> settings = RunSettings(DataSettings("digits"), Random(), ipc=1, evaluation=EvaluationSettings(networks=0))
    >>> with TemporaryDirectory() as folder:
    ...     result = run(settings, f"{folder}/run")
    >>> result.condensed.images.images.shape, result.scores
    (torch.Size([10, 1, 8, 8]), None)
    """

    folder: Path
    """Run folder."""
    condensed: CondensedSet
    """The set, with its card."""
    scores: Scores | None = None
    """Accuracies of the set and of random real images; None without an evaluation."""


def run(
    settings: RunSettings,
    out: str | Path,
    *,
    resume: bool = False,
    observers: Sequence[Observer] = (),
    progress: Progress = Progress(),
    checkpoint_every: float = EVERY_SECONDS,
    data: Data | None = None,
    generator: str | Path | None = None,
    release: str | Path | None = None,
) -> RunResult:
    """Condense with ``settings`` and save the results in the folder ``out``. A finished run is read, not repeated.

    Args:
        settings: Settings of the run.
        out: Run folder; it is created if it does not exist.
        resume: Continue the run in ``out`` from its checkpoint; it may get more steps, unless its steps depend on their number.
        observers: Functions that are called before the first step and after every step.
        progress: Callbacks for the images read and the epochs of the evaluation.
        checkpoint_every: Seconds between checkpoints; 0 saves after each step.
        data: Result of ``settings.data.load()``, to read it once for many runs.
        generator: Trained generator of a run that differs only in ipc and evaluation; the set is drawn from it without training.
        release: Release of a private run on the same images with the same privacy; no epsilon is spent again.

    Raise CondensationError if the folder holds another run or the settings are invalid (nothing is written then), and Stopped if an
    observer or a callback raises it (the run can then be resumed).

    >>> from tempfile import TemporaryDirectory
    >>> from condensation import CondensedSet, DataSettings, EvaluationSettings, Random, RunSettings, run
    >>> settings = RunSettings(DataSettings("digits"), Random(), ipc=1, evaluation=EvaluationSettings(networks=0))
    >>> with TemporaryDirectory() as folder:
    ...     result = run(settings, f"{folder}/run")
    ...     saved = CondensedSet.load(f"{folder}/run")
    >>> saved.images.images.shape
    torch.Size([10, 1, 8, 8])
    """
    folder, content = Path(out), to_dict(settings := replace(settings, compute=settings.compute.resolve()))
    method = settings.method
    check_folder(folder, content, resume, method)
    if is_finished(folder, content, method):
        remove_free(folder / LOCK)
        return RunResult(folder, CondensedSet.load(folder / SET), Scores.read(folder / SCORES) if settings.evaluation.networks else None)
    data = data or settings.data.load(progress.reading)
    ipc = settings.ipc_of(data.train)
    check_private(settings, data, release)
    note = " ".join(filter(None, (data.note, small_classes_note(data.train, ipc))))
    title = f"{data.name}, {describe_set(title_of_method(settings.method), ipc.values(), settings.method.steps)}"
    settings.evaluation.check(data)
    settings.method.validate(data.train)
    with locked_folder(folder), _resumable(folder):
        check_folder(folder, content, resume, method)  # another process may have used the folder while the images were read
        remove_shorter_results(folder, content, method)
        remove_unfinished(folder)
        if (folder / CHECKPOINT).exists():
            warn_of_other_machine(folder)
        write_json(folder / SETTINGS, {"settings": content, "versions": versions(), "machine": machine()})
        noisy = release_of_run(settings, data, folder, release, progress.training) if settings.method.is_private else None
        card = _card(content, settings, data, note, noisy)
        condensed = _saved_set(folder, card)
        if condensed is None:
            checkpoint = Checkpoint(folder / CHECKPOINT, checkpoint_every)
            source = Path(generator) if generator else None
            condensed = _condense(settings, data.train, ipc, card, folder, observers, checkpoint, source, progress, noisy)
        write(folder / GRID, grid_png(condensed.images, data.train if settings.show_real else None, title=title))
        if not settings.evaluation.networks:
            return RunResult(folder, condensed)
        entries = [Entry(content["method"]["name"], condensed.images)]
        if settings.baseline and not isinstance(settings.method, Random):
            form = condensed.images.form
            name = f"random ({form.name})" if form else "random"
            entries.append(Entry(name, condense(Random(form), data.train, ipc, seed=settings.seed, compute=settings.compute)))
        entries += curve_entries(folder, settings.method.steps, settings.curve)
        scores = compare(entries, data, settings.evaluation, settings.seed, settings.compute, progress.evaluating)
        scores, curve = split_scores(scores, settings.method.steps, settings.curve)
        if curve.sets:
            write_json(folder / CURVE, curve.to_json())
        condensed = condensed.with_scores(scores.for_card().to_json())
        condensed.save(folder / SET)
        write_json(folder / SCORES, scores.to_json())  # last: this file marks the run as finished
    return RunResult(folder, condensed, scores)


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """Add to write errors how to resume, and remove the settings of a run that is rejected before its first step."""
    try:
        yield
    except NotWritten as error:
        raise error.during_run() if (folder / SETTINGS).exists() else error from error.__cause__
    except CondensationError:
        if not any((folder / name).exists() for name in (CHECKPOINT, LOG, SET)):
            (folder / SETTINGS).unlink(missing_ok=True)
        raise


def _saved_set(folder: Path, card: Mapping[str, Any]) -> CondensedSet | None:
    """Return the set that an interrupted run left in ``folder``, if any."""
    if not (folder / SET).exists():
        return None
    saved = CondensedSet.load(folder / SET)
    names = (("data", "fingerprint"), ("privacy", "release"))  # a private set tells no digest of its images
    if any(part_of(saved.card, group).get(name) != part_of(card, group).get(name) for group, name in names):
        message = f"{folder / SET} was made from other images than {card['settings']['data']['source']} has now."
        raise CondensationError(message, hint=ELSEWHERE, setting="out")
    return saved


def _condense(
    settings: RunSettings,
    real: ImageSet,
    ipc: dict[int, int],
    card: dict[str, Any],
    folder: Path,
    observers: Sequence[Observer],
    checkpoint: Checkpoint,
    generator: Path | None,
    progress: Progress,
    release: Release | None = None,
) -> CondensedSet:
    """Condense and save the set, or draw it from ``generator`` if that was trained with the same settings."""
    method = settings.method
    watching: list[Observer] = [LossLog(folder / LOG)]
    watching += [KeepSets(folder, settings.curve, card)] if settings.curve else []
    if isinstance(method, GenerativeMethod):
        watching.append(KeepGenerator(method, folder / GENERATOR, card))
    watching += [partial(_add_card, card), *observers]  # after the generator is saved, whose sets may differ from this one
    trained = TrainedGenerator.load(generator, trust=given_names(to_dict(settings))) if generator else None
    if trained and trained.matches_run(method, real, settings.seed, card["data"]["fingerprint"]):
        images = trained.images_for_run(real, ipc, settings.seed, settings.compute)
        replace(trained, card=card).save(folder / GENERATOR)
    else:
        images = condense(
            method,
            real,
            ipc,
            seed=settings.seed,
            compute=settings.compute,
            observers=watching,
            checkpoint=checkpoint,
            on_training=progress.training,
            release=release,
        )
    condensed = CondensedSet(images.to("cpu"), card)
    condensed.save(folder / SET)
    return condensed


def _card(content: Mapping[str, Any], settings: RunSettings, data: Data, note: str, release: Release | None) -> dict[str, Any]:
    method, made_with = settings.method, {"versions": versions(), "machine": machine()}
    if release:
        return {"settings": content, "privacy": release.statement, "data": private_card(settings, data), **made_with}
    digests = method.input_digests()
    method_note = method.note if isinstance(method, GenerativeMethod) else ""
    about = {"name": data.name, "fingerprint": data.train.fingerprint(), "images": len(data.train), "note": note}
    return {
        "settings": content,
        "data": {**about, "read": read_facts(data), **data.details},
        **({"reads": digests} if digests else {}),
        **({"note": method_note} if method_note else {}),
        **made_with,
    }


def _add_card(card: dict[str, Any], info: StepInfo) -> None:
    """Add the entries of the final state to the card."""
    if info.step == info.steps:
        card.update(info.state.card())
