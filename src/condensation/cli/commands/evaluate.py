"""``condense evaluate``."""

from dataclasses import fields
from typing import Annotated

import typer

from condensation.cli import options as opt
from condensation.cli.app import app
from condensation.cli.groups import grouped
from condensation.cli.refuse import require_sets, require_usable

_PER_CLASS = "Print the accuracy of each class, and the class it is most often taken for."


@app.command()
@grouped
def evaluate(
    sets: opt.SetsAndOverrides = None,
    data: opt.DataOption = None,
    network: opt.NetworkOption = None,
    evaluation: opt.SavedEvaluateOption = None,
    random: opt.RandomOption = 0,
    whole: Annotated[bool, typer.Option("--whole", help="Also evaluate the whole training set.")] = False,
    seed: opt.SeedOption = None,
    reading: opt.SavedDataOptions = opt.SavedDataOptions(),
    per_class: Annotated[bool, typer.Option("--per-class", help=_PER_CLASS)] = False,
    dry_run: opt.DryRunOption = False,
    print_config: opt.PrintConfig = False,
    output: opt.ResultOutput = opt.ResultOutput(),
) -> None:
    """Train networks on condensed sets, random real images or the whole training set, and test them."""
    paths, overrides = opt.split_arguments(sets)
    options = {**reading.settings(data), "random": random or None, "whole": whole or None, "evaluation.network": network, "seed": seed}
    options |= opt.evaluation_options(evaluation)
    require_usable(options, overrides, home=("runs.evaluate_saved", "EvaluateSettings"))
    require_sets(paths)
    from condensation.artifacts.condensed_set import CondensedSet
    from condensation.cli.views import evaluate as view
    from condensation.runs.evaluate_saved import EvaluateSettings, evaluate_settings
    from condensation.runs.settings import RunSettings

    # The file may hold the settings of a run; those that evaluation does not have are skipped.
    skip = {field.name for field in fields(RunSettings)} - {field.name for field in fields(EvaluateSettings)}
    content = opt.content_of(reading.config, options, overrides, skip, reading.trust)
    trust = opt.trusted(reading.trust, options, overrides)
    # Data settings that are not given come from the cards of the sets.
    saved = [CondensedSet.load(path, trust=trust) for path in paths] if "data" in content else []
    settings = evaluate_settings(content, saved)
    if print_config:
        return opt.print_settings(settings)
    if dry_run:
        return view.plan(settings, paths, output, trust)
    return view.evaluate(settings, paths, output, trust, per_class=per_class)
