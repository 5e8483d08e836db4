"""The report of measure_dm.py: docs/results.md and docs/images/curve.png from results/dm/*.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from condensation import CondensedSet, ImageSet, grid
from condensation.core.storage import read_json
from condensation.core.text import counted
from condensation.studies.published_numbers import Number, published

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
TITLES = {
    "fashion-mnist": "Fashion-MNIST",
    "mnist": "MNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "tiny20": "20 classes of Tiny ImageNet",
}
COLOURS = {"fashion-mnist": "#1b7f79", "mnist": "#b5542b", "cifar10": "#3f51a3", "cifar100": "#a33f7c", "tiny20": "#7a7a2a"}

HEAD = """# Results

Written by `python scripts/measure_dm.py --report` from `results/dm/*.json`; each of those files holds the settings, the
commit, the versions and the machine of its numbers, and `python scripts/measure_dm.py` makes them again. Published numbers
are in `src/condensation/studies/published.json`, with their sources; those with a question mark are quoted from memory of the
paper, and unverified.

## DM and Random beside the published numbers

Test accuracy in percent, mean ± deviation (number of networks). Networks are ConvNets, trained by `Recipe.paper()` for 1,000 epochs
(fewer where the row says so), the published quirks included; those of "Random, no augmentation" for 300, without. The last iterate is
what is judged, and test images decided nothing.

| data | ipc | Random, no augmentation | published | Random, DSA | DM | published | steps x real images a class, width | condensing |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def write_report(folder: Path) -> None:
    """Write the page and the figure from what is in ``folder`` so far."""
    jobs = [read_json(path) for path in sorted(folder.glob("*.json"))]
    jobs = [job for job in jobs if "dm" in job]
    jobs.sort(key=lambda job: (list(TITLES).index(job["job"]["data"]), job["job"]["ipc"]))
    rows = [_row(job, _published(job)) for job in jobs]
    _figure(jobs)
    notes = ROOT / "results" / "dm" / "notes.md"
    text = HEAD + "\n".join(rows) + "\n\n" + _machines(jobs) + (notes.read_text() if notes.exists() else "") + _curve_text(jobs)
    (ROOT / "docs" / "results.md").write_text(text, encoding="utf-8")


def write_picture(run: Path, real: ImageSet) -> None:
    """The README's picture: a part of the set in the folder ``run``, below real images."""
    images = CondensedSet.load(run).images
    title = f"Fashion-MNIST: {len(real):,} images condensed into {max(images.counts.values())} a class by DM"
    IMAGES.mkdir(parents=True, exist_ok=True)
    grid(images, real, title=title, rows=3, real_rows=1).save(IMAGES / "fashion-mnist-ipc10.png", optimize=True)


def _published(job: dict[str, Any]) -> dict[str, Number]:
    """What the papers report for this job; nothing for data that they do not have."""
    return published(job["job"]["data"], job["job"]["ipc"])


def _row(job: dict[str, Any], reported: dict[str, Number]) -> str:
    settings = job["job"]["settings"]["method"]
    epochs = job["dm"]["recipe"]["epochs"] - 1  # the published code trains one more than it says
    cells = [
        TITLES[job["job"]["data"]] + ("" if epochs == 1000 else f", {epochs:,} epochs"),
        job["job"]["ipc"],
        _score(job.get("random, no augmentation")),
        _pair(reported.get("random")),
        _score(job.get("random")),
        f"**{_score(job['dm'])}**",
        _pair(reported.get("dm")),
        f"{settings['steps']:,} x {settings['batch_per_class']}, {settings['networks']['spec']['width']}",
        f"{job['condensing']['seconds'] / 60:.1f} min",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def _score(score: dict[str, Any] | None) -> str:
    return f"{score['mean']:.1f} ± {score['deviation']:.1f} ({score['count']})" if score else "-"


def _pair(number: Number | None) -> str:
    return str(number) if number else "-"


def _machines(jobs: list[dict[str, Any]]) -> str:
    made = {
        f"{counted(job['made_by']['machine']['threads'], 'thread')}, {job['made_by']['machine']['cpu']}, bfloat16 "
        f"{job['made_by']['machine']['bfloat16']}, torch {job['made_by']['machine']['torch']}, commit {job['made_by']['commit']}"
        for job in jobs
    }
    return "Made on: " + "; ".join(sorted(made)) + ".\n\n"


def _curve_text(jobs: list[dict[str, Any]]) -> str:
    steps = sorted({step for job in jobs for step in _curve(job)})
    head = """## Accuracy against steps and seconds

![Accuracy against steps and against seconds; dashed: published](images/curve.png)

Each point is judged quickly, by as many networks of as many epochs as the last column says, not as in the table above;
dashed is what is published after 20,000 steps of 256 real images. Seconds are of condensing alone, compilation included.

| data | ipc | """
    lines = [head + " | ".join(f"{step:,}" for step in steps) + " | judge |", "| --- " * (len(steps) + 3) + "|"]
    for job in jobs:
        curve = _curve(job)
        cells = [f"{curve[step]:.1f}" if step in curve else "" for step in steps]
        how = f"{job['curve']['networks']} x {job['curve']['recipe']['epochs']}" if curve else ""
        lines.append(f"| {TITLES[job['job']['data']]} | {job['job']['ipc']} | " + " | ".join([*cells, how]) + " |")
    return "\n".join(lines) + "\n"


def _curve(job: dict[str, Any]) -> dict[int, float]:
    return {int(step): mean for step, mean in job.get("curve", {}).get("means", {}).items()}


def _figure(jobs: list[dict[str, Any]]) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(12, 4.2), sharey=True, layout="constrained")
    for job in jobs:
        data, ipc, curve = job["job"]["data"], job["job"]["ipc"], _curve(job)
        seconds = {0: 0.0, **{int(step): spent for step, spent in job["condensing"]["log"].items()}}
        steps = [step for step in sorted(curve) if step in seconds]
        means = [curve[step] for step in steps]
        style = {"color": COLOURS[data], "marker": "o" if ipc == 1 else "s", "markersize": 4, "label": f"{TITLES[data]}, ipc {ipc}"}
        axes[0].plot([max(step, 12) for step in steps], means, **style)
        axes[1].plot([seconds[step] for step in steps], means, **style)
        reported = _published(job).get("dm")
        for axis in axes if reported else ():
            axis.axhline(reported.mean, color=COLOURS[data], linestyle="--", linewidth=0.8, alpha=0.7)
    axes[0].set(xscale="log", xlabel="steps (the leftmost point is the start, random real images)", ylabel="test accuracy, %")
    axes[1].set(xlabel="seconds of condensing")
    figure.legend(*axes[1].get_legend_handles_labels(), fontsize=8, loc="outside right center", frameon=False)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    IMAGES.mkdir(parents=True, exist_ok=True)
    figure.savefig(IMAGES / "curve.png", dpi=130)
    plt.close(figure)
