"""``condense run``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from condensation.cli import options as opt
from condensation.cli.app import app, started_by_torchrun
from condensation.cli.choices import METHODS, TRACKERS, one_of
from condensation.cli.groups import grouped
from condensation.cli.refuse import require_usable
from condensation.core.errors import CondensationError
from condensation.runs.files import require_run_folder

if TYPE_CHECKING:
    from condensation.runs.settings import RunSettings

_METHOD = "Name listed by `condense methods`, or file.py:Class."
_IPC = "Synthetic images per class."
_check_method = one_of("method", METHODS)
_RELEASE = "Release of a private run with the same data and privacy; it costs no epsilon again."
_TRACK = "Show losses and pictures with tensorboard, wandb or mlflow."
_check_tracker = one_of("tracker", TRACKERS)


@app.command()
@grouped
def run(
    overrides: opt.Overrides = None,
    data: opt.RunDataOption = None,
    method: Annotated[str | None, typer.Option("--method", "-m", help=_METHOD, show_default="dm", callback=_check_method)] = None,
    ipc: Annotated[int | None, typer.Option("--ipc", "-i", help=_IPC, show_default="10", metavar="N", min=1)] = None,
    network: opt.NetworkOption = None,
    evaluate: opt.EvaluateOption = None,
    preset: opt.RunPresetOption = None,
    seed: opt.SeedOption = None,
    reading: opt.DataOptions = opt.DataOptions(),
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Run folder.", show_default="runs/DATA-METHOD-ipcN-seedN")] = None,
    release: Annotated[Path | None, typer.Option("--release", help=_RELEASE, show_default=False)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
    checkpoint_every: opt.CheckpointOption = None,
    track: Annotated[str | None, typer.Option("--track", help=_TRACK, show_default=False, callback=_check_tracker)] = None,
    no_real: opt.NoRealOption = False,
    dry_run: opt.DryRunOption = False,
    print_config: opt.PrintConfig = False,
    output: opt.Output = opt.Output(),
) -> None:
    """Condense a data set, compare it with random real images and save everything in a run folder."""
    options = {**reading.settings(data), "method": method, "ipc": ipc, "seed": seed, **opt.evaluation_options(evaluate)}
    options |= {"show_real": False} if no_real else {}
    require_usable(options, overrides, reading.config, trust=reading.trust)
    if release and not release.is_file():
        raise CondensationError(f"There is no release at {release}.", hint="Name release.safetensors of a private run.", setting="release")
    if out and not print_config:
        require_run_folder(out, resume)
    from condensation.cli.views import run as view
    from condensation.runs.presets import settings_from

    given = {"preset": preset, "file": reading.config, "options": options, "overrides": overrides, "network": network}
    settings = settings_from(**given, trust=reading.trust, quick=True)  # type: ignore[arg-type]
    if print_config:
        if os.environ.get("RANK", "0") not in ("", "0"):  # another process prints the same
            return None
        return opt.print_settings(settings)
    out = out or default_folder(settings)
    options_of_view = {"resume": resume, "checkpoint_every": checkpoint_every, "track": track, "dry_run": dry_run, "release": release}
    if started_by_torchrun():
        from condensation.cli.views.team import run_in_team

        return run_in_team(settings, out, output, **options_of_view)  # type: ignore[arg-type]
    return view.run(settings, out, output, **options_of_view)  # type: ignore[arg-type]


def default_folder(settings: RunSettings) -> Path:
    """Return ``runs/DATA-METHOD-ipcN-seedN``, with a digest of the settings that differ from the preset ``fast``, except compute."""
    from condensation.core.plain import to_dict
    from condensation.core.user_code import short_name
    from condensation.runs.presets import settings_from

    content = to_dict(settings)
    name, ipc, seed = content["method"]["name"], settings.ipc if isinstance(settings.ipc, int) else None, settings.seed
    usual = settings_from(options={"data.source": settings.data.source, "method": name, "ipc": ipc, "seed": seed}, quick=True)
    default = to_dict(usual)
    changed = {group: value for group, value in content.items() if group != "compute" and value != default.get(group)}
    digest = f"-{opt.digest(json.dumps(changed, sort_keys=True))}" if changed else ""
    return Path("runs") / f"{opt.last_name(settings.data.source)}-{short_name(name)}-ipc{ipc or 'mixed'}-seed{seed}{digest}"
