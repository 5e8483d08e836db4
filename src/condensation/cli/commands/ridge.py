"""``condense ridge``."""

from typing import Annotated

import typer

from condensation.cli import options as opt
from condensation.cli.app import app
from condensation.cli.choices import KERNELS, one_of
from condensation.cli.groups import grouped
from condensation.cli.refuse import require_sets, require_usable

_KERNEL, _SHOWN = "Tangent kernel: fc, conv or conv-pool.", "that of the set, else fc"
_check_kernel = one_of("tangent kernel", KERNELS, "kernel")


@app.command()
@grouped
def ridge(
    sets: opt.SetsAndOverrides = None,
    data: opt.DataOption = None,
    kernel: Annotated[str | None, typer.Option("--kernel", "-k", help=_KERNEL, show_default=_SHOWN, callback=_check_kernel)] = None,
    random: opt.RandomOption = 0,
    folder: opt.FolderOption = None,
    config: opt.ConfigOption = None,
    seed: opt.SeedOption = None,
    device: opt.DeviceOption = None,
    trust: opt.TrustOption = False,
    dry_run: opt.DryRunOption = False,
    print_config: opt.PrintConfig = False,
    output: opt.ResultOutput = opt.ResultOutput(),
) -> None:
    """Evaluate sets by kernel ridge regression with an NTK, the limit of infinitely wide networks; nothing is trained."""
    paths, overrides = opt.split_arguments(sets)
    options = {**opt.data_options(data, folder), "kernel": kernel, "random": random or None, "seed": seed, "compute.device": device}
    require_usable(options, overrides, config, trust=trust, home=("runs.ridge_saved", "RidgeSettings"))
    require_sets(paths)
    from condensation.cli.views import evaluate as view
    from condensation.config.build import from_dict
    from condensation.runs.ridge_saved import RidgeSettings

    settings = from_dict(RidgeSettings, opt.content_of(config, options, overrides, trust=trust))
    if print_config:
        return opt.print_settings(settings)
    show = view.plan_ridge if dry_run else view.ridge
    return show(settings, paths, output, opt.trusted(trust, options, overrides))
