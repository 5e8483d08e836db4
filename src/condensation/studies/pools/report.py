"""Report of the ablation over buckets of networks."""

import shlex
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

from PIL import Image

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import SET
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.text import counted
from condensation.data.load import dataset_title
from condensation.networks.pool_store import RANDOM
from condensation.report.grid import grid
from condensation.runs.advice import network_label
from condensation.runs.settings import describe
from condensation.studies.pools.buckets import Ablation, ablation_in, published_differences
from condensation.studies.pools.study import POOL, RUNS, PoolsSettings, base_run, pool_network, pools_jobs
from condensation.studies.published_numbers import source_notes
from condensation.studies.scores import cells_chart, failure_notes
from condensation.studies.study import MEASURED, PUBLISHED, Figure, StudyReport, new_figure, shared_legend, style

BUCKET = "validation accuracy, %"
NEW_NETWORKS = "new networks"
PICTURE, IMAGES = "pools.png", "images.png"


def pools_report(settings: PoolsSettings, folder: Path) -> StudyReport:
    """Return the report of the ablation in ``folder``."""
    ablation = ablation_in(settings, folder)
    title = f"{dataset_title(settings.source)}: {settings.method_settings['name']} on networks of a pool"
    figures: dict[str, Callable[[], Figure]] = {}
    if any(cell.values for cell in ablation.cells):
        figures[PICTURE] = lambda: accuracy_figure(ablation, title)
    if sets_at(ablation, settings.ipc[-1]):
        figures[IMAGES] = lambda: images_figure(ablation, title, settings.ipc[-1])
    notes, missing = pools_notes(ablation), sum(cell.missing for cell in ablation.cells)
    return StudyReport(
        title=title,
        columns=pools_columns(ablation),
        rows=pools_rows(ablation),
        notes=notes,
        json={
            "pool": {**to_dict(ablation.pool), "network": to_dict(pool_network(settings))},
            "cells": [cell.to_json() for cell in ablation.cells],
            "spread": {str(ipc): ablation.spread(ipc) for ipc in settings.ipc},
            "notes": list(notes),
        },
        figures=figures,
        places={"Picture": PICTURE, "Images": IMAGES, "Table": "pools.md", "Runs": RUNS, "Pool": POOL},
        missing=counted(missing, "set") if missing else "",
        text_columns=(BUCKET,),
        screen_notes=_pool_hint(ablation),
        jobs=len(pools_jobs(settings, folder)),
        charts=lambda: [
            cells_chart(f"{counted(ipc, 'image')} per class", [(cell.bucket, cell, cell.published) for cell in ablation.at(ipc)])
            for ipc in settings.ipc
        ],
        sets={bucket: [Path(place)] for bucket, place in sets_at(ablation, settings.ipc[-1]).items()},
    )


def pools_columns(ablation: Ablation) -> tuple[str, ...]:
    """Return the columns; published numbers, where there are any, are beside the measured ones."""
    groups = [[f"ipc {ipc}"] + ["published"] * bool(ablation.published(ipc)) for ipc in ablation.settings.ipc]
    return (BUCKET, "in the pool", *chain.from_iterable(groups))


def pools_rows(ablation: Ablation) -> tuple[tuple[str, ...], ...]:
    """Return one row per bucket."""
    rows = []
    for bucket in ablation.settings.bucket_names:
        cells = [cell for cell in ablation.cells if cell.bucket == bucket]
        size = NEW_NETWORKS if bucket == RANDOM else str(ablation.pool.networks.get(bucket, "-"))
        texts = [[str(cell)] + [str(cell.published or "-")] * bool(ablation.published(cell.ipc)) for cell in cells]
        rows.append((bucket, size, *chain.from_iterable(texts)))
    return tuple(rows)


def pools_notes(ablation: Ablation) -> tuple[str, ...]:
    """Return the lines below the table."""
    settings, pool, evaluation = ablation.settings, ablation.settings.pool, ablation.settings.evaluation
    sets = f"{counted(settings.seeds, 'set')} x {counted(evaluation.networks, 'network')} of {counted(evaluation.recipe.epochs, 'epoch')}"
    described = "; ".join(dict.fromkeys(describe(base_run(settings, ipc)) for ipc in settings.ipc))
    lines = [
        f"Test accuracy in percent: mean and deviation over {sets}. Each set: {described}.",
        f"The pool: {counted(pool.networks, 'network')} ({network_label(pool_network(settings))}), trained for "
        f"{counted(pool.recipe.epochs, 'epoch')} on {100 * (1 - pool.validation):g} % of the training images. "
        f"Validation accuracies are on the other {100 * pool.validation:g} %.",
    ]
    for ipc in settings.ipc:
        spread, published = ablation.spread(ipc), ablation.published(ipc)
        beside = f" (published: {max(published) - min(published):.1f})" if published else ""
        lines += [f"ipc {ipc}: best and worst bucket are {spread:.1f} points apart{beside}."] if spread is not None else []
    empty = list(dict.fromkeys(cell.bucket for cell in ablation.cells if cell.empty))
    if empty:
        accuracies = ablation.pool.accuracies
        reached = f"are {accuracies[0]:.1f} to {accuracies[-1]:.1f} %" if accuracies else "are unknown"
        lines.append(
            f"No network is in {', '.join(empty)}: validation accuracies {reached}. "
            "Train the pool longer (pool.recipe.epochs), keep more snapshots (pool.growth), or choose other buckets (pool.bounds, buckets)."
        )
    for ipc in settings.ipc:
        differing = published_differences(settings, ipc) if ablation.published(ipc) else ()
        lines += [f"ipc {ipc} differs from published: {', '.join(differing)}."] if differing else []
    lines += source_notes(cell.published for cell in ablation.cells)
    return (*lines, *failure_notes(ablation.cells))


def _pool_hint(ablation: Ablation) -> tuple[str, ...]:
    """Return the settings with which a run embeds with networks of this pool."""
    if not ablation.pool.networks or not (ablation.folder / POOL).exists():
        return ()
    network = pool_network(ablation.settings)
    spec = to_dict(network)
    defaults = to_dict(type(network)()) if spec["name"] == "convnet" else {}
    changed = {key: value for key, value in spec.items() if defaults.get(key) != value}
    words = [
        "method.networks=pool",
        f"method.networks.path={ablation.folder / POOL}",
        f"method.networks.bucket={next((name for name, count in ablation.pool.networks.items() if count), RANDOM)}",
        *(f"method.networks.spec{'' if key == 'name' else '.' + key}={value}" for key, value in changed.items()),
    ]
    return (f"Embed with this pool in any run on these images: {' '.join(map(shlex.quote, words))}",)


def accuracy_figure(ablation: Ablation, title: str) -> Any:
    """Return the figure of accuracy by bucket: one panel per ipc: measured filled, published hollow, deviations as bars."""
    names, all_ipc = list(ablation.settings.bucket_names), ablation.settings.ipc
    figure = new_figure(2.6 + 0.72 * len(names), 1.3 + 2.4 * len(all_ipc))
    panels = figure.subplots(len(all_ipc), 1, sharex=True, squeeze=False)[:, 0]
    for panel, ipc in zip(panels, all_ipc, strict=True):
        published = {names.index(cell.bucket): cell.published.mean for cell in ablation.at(ipc) if cell.published}
        if published:
            hollow: dict[str, Any] = {"color": PUBLISHED, "markerfacecolor": "white", "markersize": 6, "label": "published"}
            panel.plot(list(published), list(published.values()), "D", **hollow)
        done = [cell for cell in ablation.at(ipc) if cell.values]
        filled: dict[str, Any] = {"fmt": "o", "color": MEASURED, "markersize": 6, "capsize": 3, "label": "measured"}
        places, deviations = [names.index(cell.bucket) for cell in done], [cell.deviation for cell in done]
        panel.errorbar(places, [cell.mean for cell in done], yerr=deviations, **filled)
        panel.set_title(f"{counted(ipc, 'image')} per class", fontsize=10)
        style(panel, "y")
    panels[-1].set_xticks(range(len(names)), names)
    panels[-1].set(xlabel="validation accuracy of the embedding networks, %", xlim=(-0.5, len(names) - 0.5))
    figure.supylabel("test accuracy, %", fontsize=10)
    figure.suptitle(title, fontsize=12)
    shared_legend(figure, panels)
    return figure


def sets_at(ablation: Ablation, ipc: int) -> dict[str, str]:
    """Return the run folder of the first set of each bucket at ``ipc`` that still exists."""
    folders = {cell.bucket: ablation.folder / RUNS / cell.runs[0] for cell in ablation.at(ipc) if cell.runs}
    return {bucket: str(folder) for bucket, folder in folders.items() if (folder / SET).exists()}


def images_figure(ablation: Ablation, title: str, ipc: int) -> Image.Image:
    """Draw one row per bucket: the first learned image of each class at ``ipc``."""
    sets = {bucket: CondensedSet.load(folder).images for bucket, folder in sets_at(ablation, ipc).items()}
    if not sets:
        raise CondensationError(f"There is no set with {counted(ipc, 'image')} per class in {ablation.folder}.")
    rows = "Rows: validation accuracy (%) of the embedding networks"
    return grid(sets, rows=1, title=f"{title}, {counted(ipc, 'image')} per class\n{rows}")
