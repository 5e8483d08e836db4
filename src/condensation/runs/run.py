"""A run: load the data, condense, save and evaluate the set. The run folder holds everything needed to repeat it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from condensation.artifacts.condensed_set import CondensedSet
from condensation.core.checkpoint import EVERY_SECONDS
from condensation.core.progress import Progress
from condensation.data.dataset import Data
from condensation.evaluation.scores import Scores
from condensation.methods.step_info import Observer
from condensation.runs.run_work import RunWork
from condensation.runs.settings import RunSettings

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
    work = RunWork(settings, Path(out), resume, progress, generator, release, team)
    if work.is_finished():
        return RunResult(work.folder, work.kept_set(), work.kept_scores())
    data = work.read(data)
    with work.begun(data):
        condensed = work.interrupted_set() or work.condense(observers, checkpoint_every)
        work.draw(condensed)
        scores = work.evaluate(condensed) if work.settings.evaluation.networks else None
        return RunResult(work.folder, work.keep(condensed, scores), scores)
