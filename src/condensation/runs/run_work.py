"""Parts of a run in their order: what its folder holds, the data, condensing, evaluation, and what is kept."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import SET
from condensation.artifacts.trained_generator import GENERATOR, KeepGenerator, TrainedGenerator
from condensation.core.checkpoint import Checkpoint
from condensation.core.environment import machine, versions
from condensation.core.errors import CondensationError, NotWritten
from condensation.core.images import ImageSet
from condensation.core.ipc import small_classes_note
from condensation.core.lock import LOCK, locked_folder, remove_free
from condensation.core.plain import to_dict
from condensation.core.progress import Progress
from condensation.core.storage import remove_unfinished, write_json
from condensation.core.trust import given_names
from condensation.data.dataset import Data
from condensation.evaluation.compare import Entry, compare
from condensation.evaluation.scores import Scores
from condensation.methods.generative import GenerativeMethod
from condensation.methods.loop import condense
from condensation.methods.random import Random
from condensation.methods.release import Release
from condensation.methods.step_info import Observer, require_divisible
from condensation.report.grid import grid, save_picture
from condensation.runs.card import add_final_entries, card_of_run, images_of_card, images_of_run
from condensation.runs.curve import KeepSets, curve_entries, split_scores
from condensation.runs.files import CHECKPOINT, CURVE, ELSEWHERE, EVALUATED, GRID, LOG, SCORES, SETTINGS, has_checkpoint
from condensation.runs.folder import RunFolder, warn_of_other_machine
from condensation.runs.loss_log import LossLog
from condensation.runs.private_run import check_private, release_of_run
from condensation.runs.settings import RunSettings, describe_set, title_of_method

if TYPE_CHECKING:
    from condensation.core.team import Team


class RunWork:
    """The work of one call of `condensation.runs.run.run`, whose arguments these are.

    In a team, every process calls all parts, and the first one, which leads, writes. `read` and `begun` set what later parts use.
    """

    data: Data
    ipc: dict[int, int]  # images by label
    note: str  # what the card tells of the data
    card: dict[str, Any]
    noisy: Release | None  # what a private method learns from

    def __init__(
        self,
        settings: RunSettings,
        folder: Path,
        resume: bool,
        progress: Progress,
        generator: str | Path | None,
        release: str | Path | None,
        team: "Team | None",
    ) -> None:
        self.settings = replace(settings, compute=settings.compute.resolve())
        self.method, self.content = settings.method, to_dict(self.settings)
        self.given = given_names(self.content)  # code and data sets that the caller names
        self.folder, self.resume, self.progress = folder, resume, progress
        self.place = RunFolder(folder, self.content, self.method)
        self.generator, self.release = generator, release
        self.team, self.leads = team, team is None or team.leads
        if team:
            team.require_equal({"settings": {**self.content, "compute": None}})

    # -- what the folder holds

    def is_finished(self) -> bool:
        """Return whether the run in the folder is finished. Raise CondensationError if the folder holds another run."""
        finished = False
        with self._together():
            if self.team:
                require_divisible(self.method)
            if self.leads:
                self.place.check(self.resume)
                finished = self.place.is_finished()
            if finished:
                remove_free(self.folder / LOCK)
                (self.folder / EVALUATED).unlink(missing_ok=True)
        return finished if self.team is None else self.team.texts(str(finished))[0] == "True"

    def kept_set(self) -> CondensedSet:
        """Return the set in the folder."""
        return CondensedSet.load(self.folder / SET)

    def kept_scores(self) -> Scores | None:
        """Return the scores in the folder; None without an evaluation."""
        return Scores.read(self.folder / SCORES) if self.settings.evaluation.networks else None

    def interrupted_set(self) -> CondensedSet | None:
        """Return the set that an interrupted run left in the folder, if any."""
        with self._together():
            if not (self.folder / SET).exists():
                return None
            saved = self.kept_set()
            if images_of_card(saved.card) != images_of_run(self.data, self.noisy):
                message = f"{self.folder / SET} was made from other images than {self.settings.data.source} has now."
                raise CondensationError(message, hint=ELSEWHERE, setting="out")
            return saved

    # -- before the first step

    def read(self, data: Data | None) -> Data:
        """Read the data, unless they are given, and check the settings against them."""
        for first in (True, False) if self.team else (True,):  # the first process fills the cache for the others
            with self._together():
                data = data or (self.settings.data.load(self.progress.reading) if self.leads is first else None)
        assert data is not None
        with self._together():
            self.ipc = self.settings.ipc_of(data.train)
            self.note = " ".join(filter(None, (data.note, small_classes_note(data.train, self.ipc))))
            check_private(self.settings, data, self.release, self.team.size if self.team else 1)
            self.settings.evaluation.check(data)
            self.method.validate(data.train)
        return data

    @contextmanager
    def begun(self, data: Data) -> Iterator[None]:
        """Lock the folder, write the settings, and make card and release. Add to write errors how to resume.

        Remove the settings again if the run is rejected before its first step.
        """
        self.data = data
        with locked_folder(self.folder) if self.leads else nullcontext(), self._resumable() if self.leads else nullcontext():
            with self._together():
                if self.leads:
                    self._claim()
                private, releasing = self.method.is_private, self.progress.releasing
                self.noisy = release_of_run(self.settings, data, self.folder, self.release, releasing) if private else None
                self.card = card_of_run(self.content, self.settings, data, self.note, self.noisy, self.team)
            yield

    def _claim(self) -> None:
        self.place.check(self.resume)  # another process may have used it while the images were read
        self.place.remove_shorter_results()
        remove_unfinished(self.folder)
        if self.place.steps_done(self.method.steps) < self.method.steps and has_checkpoint(self.folder):
            warn_of_other_machine(self.folder)
        write_json(self.folder / SETTINGS, {"settings": self.content, "versions": versions(), "machine": machine()})

    # -- condensing

    def condense(self, observers: Sequence[Observer], checkpoint_every: float) -> CondensedSet:
        """Condense and save the set, or draw it from the generator that was given if that was trained with the same settings."""
        images = self._drawn() or condense(
            self.method,
            self.data.train,
            self.ipc,
            seed=self.settings.seed,
            compute=self.settings.compute,
            observers=[*self._observers(), *observers],
            checkpoint=Checkpoint(self.folder / CHECKPOINT, checkpoint_every),  # beside it, a private method finds its release
            on_training=self.progress.training,
            team=self.team,
        )
        condensed = CondensedSet(images.to("cpu"), self.card)
        if self.leads:
            condensed.save(self.folder / SET)
        return condensed

    def _drawn(self) -> ImageSet | None:
        """Return the set drawn from the given generator; None if there is none, or it was trained with other settings."""
        if not self.generator:
            return None
        trained = TrainedGenerator.load(Path(self.generator), trust=self.given)
        train, seed = self.data.train, self.settings.seed
        if not trained.matches_run(self.method, train, seed, self.card["data"]["fingerprint"]):
            return None
        images = trained.images_for_run(train, self.ipc, seed, self.settings.compute)
        replace(trained, card=self.card).save(self.folder / GENERATOR)
        return images

    def _observers(self) -> Iterator[Observer]:
        if self.leads:
            yield LossLog(self.folder / LOG)
        if self.settings.curve:
            yield KeepSets(self.folder, self.settings.curve, self.card, writes=self.leads)
        if isinstance(self.method, GenerativeMethod):
            yield KeepGenerator(self.method, self.folder / GENERATOR, self.card)
        yield partial(add_final_entries, self.card)  # after the generator is saved, whose sets may differ from this one

    def draw(self, condensed: CondensedSet) -> None:
        """Draw the set below real images."""
        if self.leads:
            described = describe_set(title_of_method(self.method), self.ipc.values(), self.method.steps)
            real = self.data.train if self.settings.show_real else None
            picture = grid(condensed.images, real, title=f"{self.data.name}, {described}")
            save_picture(self.folder / GRID, picture)

    # -- evaluation

    def evaluate(self, condensed: CondensedSet) -> Scores:
        """Evaluate the set, random real images and the intermediate sets; write the accuracies of the latter."""
        settings = self.settings
        entries = [*self._entries(condensed), *curve_entries(self.folder, self.method.steps, settings.curve)]
        where = settings.seed, settings.compute, self.progress.evaluating, self.team, self.folder / EVALUATED
        scores, curve = split_scores(compare(entries, self.data, settings.evaluation, *where), self.method.steps, settings.curve)
        if self.leads and curve.sets:
            write_json(self.folder / CURVE, curve.to_json())
        return scores

    def _entries(self, condensed: CondensedSet) -> Iterator[Entry]:
        yield Entry(self.content["method"]["name"], condensed.images)
        if self.settings.baseline and not isinstance(self.method, Random):
            form = condensed.images.form
            seed, compute = self.settings.seed, self.settings.compute
            images = condense(Random(form), self.data.train, self.ipc, seed=seed, compute=compute, team=self.team)
            yield Entry(f"random ({form.name})" if form else "random", images)

    def keep(self, condensed: CondensedSet, scores: Scores | None) -> CondensedSet:
        """Return the set with its scores, and write both. The file of scores marks the run as finished."""
        if scores is None:
            return condensed
        condensed = condensed.with_scores(scores.for_card().to_json())
        if self.leads:
            condensed.save(self.folder / SET)
            write_json(self.folder / SCORES, scores.to_json())
            (self.folder / EVALUATED).unlink(missing_ok=True)
        return condensed

    # -- errors

    def _together(self) -> AbstractContextManager[None]:
        """Return a block whose errors all processes raise."""
        return self.team.failing_together() if self.team else nullcontext()

    @contextmanager
    def _resumable(self) -> Iterator[None]:
        try:
            yield
        except NotWritten as error:
            raise error.during_run() if (self.folder / SETTINGS).exists() else error from error.__cause__
        except CondensationError:
            if not has_checkpoint(self.folder) and not any((self.folder / name).exists() for name in (LOG, SET)):
                (self.folder / SETTINGS).unlink(missing_ok=True)
            raise
