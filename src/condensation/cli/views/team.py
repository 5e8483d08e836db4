"""``condense run`` in one of the processes that torchrun started."""

import logging
import os
from pathlib import Path

from condensation.cli.options import Output
from condensation.cli.views import run as view
from condensation.core.checkpoint import EVERY_SECONDS
from condensation.core.errors import CondensationError
from condensation.core.progress import Progress
from condensation.core.team import Team
from condensation.methods.step_info import require_divisible
from condensation.report.stopping import stoppable
from condensation.report.tables import plain_console
from condensation.report.tracking import follow
from condensation.runs.files import has_checkpoint
from condensation.runs.run import run
from condensation.runs.settings import RunSettings

ALONE = "Start it without torchrun."


def run_in_team(
    settings: RunSettings,
    out: Path,
    output: Output,
    *,
    resume: bool,
    checkpoint_every: float | None = None,
    track: str | None = None,
    dry_run: bool = False,
    release: Path | None = None,
) -> None:
    """Share a run with the other processes; the first one prints and writes. Processes that torchrun restarted continue by themselves.

    A dry run is that of the first process.
    """
    if release:
        raise CondensationError("A release belongs to a private run, which works in one process.", hint=ALONE, setting="release")
    if dry_run:
        require_divisible(settings.method)
        if os.environ.get("RANK", "0") == "0":
            view.run(settings, out, output, resume=resume, dry_run=True)
            if output.talks and not output.as_json:
                plain_console().print("Times and memory are those of one process.")
        return None
    with Team.join() as team:
        if team.leads:
            resume = resume or (os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0" and has_checkpoint(out))
            return view.run(settings, out, output, resume=resume, checkpoint_every=checkpoint_every, track=track, team=team)
        logging.getLogger("condensation").setLevel(logging.ERROR)  # the first process reports the same
        with stoppable(quiet=True) as reporter:
            run(
                settings,
                out,
                observers=[*([follow] if track else []), reporter.condensing],
                progress=Progress(evaluating=reporter.evaluating),
                checkpoint_every=EVERY_SECONDS if checkpoint_every is None else checkpoint_every,
                team=team,
            )
