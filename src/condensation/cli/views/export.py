"""Printed form of ``condense export``."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.export.card import VIEWS
from condensation.artifacts.export.export import EXPORTS, check
from condensation.cli.options import Output
from condensation.core.errors import CondensationError
from condensation.core.progress import Progress
from condensation.core.trust import Trust
from condensation.report.stopping import stoppable
from condensation.report.tables import plain_console, print_json, print_scores
from condensation.runs.evaluate_saved import EvaluateSettings, evaluate_settings, evaluate_views, evaluation_of


def export(
    path: Path, to: str, out: Path | None, evaluation: Mapping[str, Any] | None, output: Output, trust: Trust, *, decoded: bool
) -> None:
    """Run ``condense export``; ``evaluation`` holds plain settings of the evaluation, None for no evaluation."""
    condensed = CondensedSet.load(path, trust=trust)
    stored, form = len(condensed.images), condensed.images.form
    if decoded:
        condensed = condensed.decoded()
    out = out or path_beside(path, to)
    check(condensed.images, out, to)
    if evaluation is not None:
        if not EXPORTS[to].pictures:
            hint = "Drop --evaluate, or export to png, parquet or hub."
            raise CondensationError(f"{to} stores exact values, so its accuracy is that of the set.", hint=hint)
        settings = evaluate_settings(evaluation, [condensed], EvaluateSettings(evaluation=evaluation_of(condensed)))
        with stoppable(quiet=not output.talks, message=lambda stopped: "Stopped; nothing was written.") as shown:
            condensed = evaluate_views(condensed, settings, Progress(reading=shown.reading, evaluating=shown.evaluating))
    condensed.export(out, to)
    if output.as_json:
        return print_json({"folder": str(out), "to": to, VIEWS: condensed.card.get(VIEWS)})
    if output.quiet:
        return None
    screen = plain_console()
    if evaluation is not None:
        print_scores(screen, condensed.card[VIEWS])
    screen.print(f"{to}: {out}\nCard: {out / 'README.md'} shows how to train on it.")
    if form and decoded:
        screen.print(f"Decoded: {condensed.images.seen} images take {form.count} times the bytes of the {stored} stored ones.")
    if to == "hub":
        screen.print(f"Upload it: hf upload OWNER/NAME {shlex.quote(str(out))} --repo-type dataset")
    return None


def path_beside(path: Path, suffix: str) -> Path:
    """Return the default output path for ``path``: beside it, with its name and ``suffix``."""
    parent = path.parent if path.name not in ("", "..") else path / ".."
    return parent / f"{path.resolve().name.removesuffix('.safetensors')}-{suffix}"
