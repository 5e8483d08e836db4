"""A run: load the data, condense, save and evaluate the set. The run folder holds everything needed to repeat it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from condensation.evaluation.compare import Entry, compare
from condensation.evaluation.scores import Scores
from condensation.methods.generative import GenerativeMethod
from condensation.methods.loop import Observer, condense
from condensation.methods.random import Random
from condensation.methods.release import Release
from condensation.methods.step_info import require_divisible
from condensation.report.grid import grid_png
from condensation.runs.card import add_final_entries, card_of_run
from condensation.runs.curve import KeepSets, curve_entries, split_scores
from condensation.runs.files import CHECKPOINT, CURVE, ELSEWHERE, EVALUATED, GRID, LOG, SCORES, SETTINGS, has_checkpoint
from condensation.runs.folder import check_folder, is_finished, remove_shorter_results, steps_done, warn_of_other_machine
from condensation.runs.loss_log import LossLog
from condensation.runs.private_run import check_private, release_of_run
from condensation.runs.settings import RunSettings, describe_set, title_of_method

if TYPE_CHECKING:
    from condensation.core.team import Team


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
    team: "Team | None" = None,
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
        team: Processes that share the work; all call this function, and the first one writes.

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
    method, leads = settings.method, team is None or team.leads
    finished = False
    with _together(team):
        if team:
            require_divisible(method)
        if leads:
            check_folder(folder, content, resume, method)
            finished = is_finished(folder, content, method)
        if finished and leads:
            remove_free(folder / LOCK)
            (folder / EVALUATED).unlink(missing_ok=True)
    if team:
        team.require_equal({"settings": {**content, "compute": None}})
        finished = team.texts(str(finished))[0] == "True"
    if finished:
        return RunResult(folder, CondensedSet.load(folder / SET), Scores.read(folder / SCORES) if settings.evaluation.networks else None)
    for first in (True, False) if team else (True,):  # the first process fills the cache for the others
        with _together(team):
            data = data or (settings.data.load(progress.reading) if leads is first else None)
    assert data is not None
    with _together(team):
        ipc = settings.ipc_of(data.train)
        check_private(settings, data, release, team.size if team else 1)
        note = " ".join(filter(None, (data.note, small_classes_note(data.train, ipc))))
        title = f"{data.name}, {describe_set(title_of_method(settings.method), ipc.values(), settings.method.steps)}"
        settings.evaluation.check(data)
        settings.method.validate(data.train)
    with locked_folder(folder) if leads else nullcontext(), _resumable(folder) if leads else nullcontext():
        with _together(team):
            if leads:
                check_folder(folder, content, resume, method)  # another process may have used the folder while the images were read
                remove_shorter_results(folder, content, method)
                remove_unfinished(folder)
                if steps_done(folder, content, method) < method.steps and has_checkpoint(folder):
                    warn_of_other_machine(folder)
                write_json(folder / SETTINGS, {"settings": content, "versions": versions(), "machine": machine()})
            noisy = release_of_run(settings, data, folder, release, progress.training) if settings.method.is_private else None
            card = card_of_run(content, settings, data, note, noisy, team)
        with _together(team):
            condensed = _saved_set(folder, card)
        if condensed is None:
            checkpoint = Checkpoint(folder / CHECKPOINT, checkpoint_every)
            source = Path(generator) if generator else None
            condensed = _condense(settings, data.train, ipc, card, folder, observers, checkpoint, source, progress, noisy, team)
        if leads:
            write(folder / GRID, grid_png(condensed.images, data.train if settings.show_real else None, title=title))
        if not settings.evaluation.networks:
            return RunResult(folder, condensed)
        entries = [Entry(content["method"]["name"], condensed.images)]
        if settings.baseline and not isinstance(settings.method, Random):
            form = condensed.images.form
            name = f"random ({form.name})" if form else "random"
            images = condense(Random(form), data.train, ipc, seed=settings.seed, compute=settings.compute, team=team)
            entries.append(Entry(name, images))
        entries += curve_entries(folder, settings.method.steps, settings.curve)
        scores = compare(entries, data, settings.evaluation, settings.seed, settings.compute, progress.evaluating, team, folder / EVALUATED)
        scores, curve = split_scores(scores, settings.method.steps, settings.curve)
        condensed = condensed.with_scores(scores.for_card().to_json())
        if leads:
            if curve.sets:
                write_json(folder / CURVE, curve.to_json())
            condensed.save(folder / SET)
            write_json(folder / SCORES, scores.to_json())  # last: this file marks the run as finished
            (folder / EVALUATED).unlink(missing_ok=True)
    return RunResult(folder, condensed, scores)


def _together(team: "Team | None") -> AbstractContextManager[None]:
    """Return a block whose errors all processes raise."""
    return team.failing_together() if team else nullcontext()


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """Add to write errors how to resume, and remove the settings of a run that is rejected before its first step."""
    try:
        yield
    except NotWritten as error:
        raise error.during_run() if (folder / SETTINGS).exists() else error from error.__cause__
    except CondensationError:
        if not has_checkpoint(folder) and not any((folder / name).exists() for name in (LOG, SET)):
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
    release: Release | None,
    team: "Team | None",
) -> CondensedSet:
    """Condense and save the set, or draw it from ``generator`` if that was trained with the same settings."""
    method = settings.method
    leads = team is None or team.leads
    watching: list[Observer] = [LossLog(folder / LOG)] if leads else []
    watching += [KeepSets(folder, settings.curve, card, writes=leads)] if settings.curve else []
    if isinstance(method, GenerativeMethod):
        watching.append(KeepGenerator(method, folder / GENERATOR, card))
    watching += [partial(add_final_entries, card), *observers]  # after the generator is saved, whose sets may differ from this one
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
            team=team,
        )
    condensed = CondensedSet(images.to("cpu"), card)
    if leads:
        condensed.save(folder / SET)
    return condensed
