"""Write the report of measure_dm.py: tables of docs/results.md and docs/notes/results.md, and docs/images/curve.png."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from page_parts import update

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

PAGES = (ROOT / "docs" / "results.md", ROOT / "docs" / "notes" / "results.md")
HEAD = "data | ipc | Random, no augmentation | published | Random, DSA | DM | published | steps x real images per class, width | condensing"


def write_report(folder: Path) -> None:
    """Write the tables of the pages and the figure from the results in ``folder`` so far."""
    jobs = jobs_in(folder)
    _figure(jobs)
    for page in PAGES:
        update(page, parts(jobs))


def jobs_in(folder: Path) -> list[dict[str, Any]]:
    """Return the finished jobs in ``folder``, in the order of the pages."""
    jobs = [job for job in map(read_json, sorted(folder.glob("*.json"))) if "dm" in job]
    return sorted(jobs, key=lambda job: (list(TITLES).index(job["job"]["data"]), job["job"]["ipc"]))


def parts(jobs: list[dict[str, Any]]) -> dict[str, str]:
    """Return the text of each generated part."""
    columns = HEAD.split(" | ")
    rows = [f"| {HEAD} |", "| --- " * len(columns) + "|", *(_row(job, _published(job)) for job in jobs)]
    return {"dm": "\n".join(rows), "machines": _machines(jobs), "curves": _curves(jobs)}


def write_picture(run: Path, real: ImageSet) -> None:
    """Write the README's picture: a part of the set in the folder ``run``, below real images."""
    images = CondensedSet.load(run).images
    title = f"Fashion-MNIST: {len(real):,} images condensed into {max(images.counts.values())} per class by DM"
    IMAGES.mkdir(parents=True, exist_ok=True)
    grid(images, real, title=title, rows=3, real_rows=1).save(IMAGES / "fashion-mnist-ipc10.png", optimize=True)


def _published(job: dict[str, Any]) -> dict[str, Number]:
    """Return the published numbers of this job, if there are any."""
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
    return "Measured on: " + "; ".join(sorted(made)) + "."


def _curves(jobs: list[dict[str, Any]]) -> str:
    steps = sorted({step for job in jobs for step in _curve(job)})
    lines = ["| data | ipc | " + " | ".join(f"{step:,}" for step in steps) + " | networks x epochs |", "| --- " * (len(steps) + 3) + "|"]
    for job in jobs:
        curve = _curve(job)
        cells = [f"{curve[step]:.1f}" if step in curve else "" for step in steps]
        networks = f"{job['curve']['networks']} x {job['curve']['recipe']['epochs']}" if curve else ""
        lines.append(f"| {TITLES[job['job']['data']]} | {job['job']['ipc']} | " + " | ".join([*cells, networks]) + " |")
    return "\n".join(lines)


def _curve(job: dict[str, Any]) -> dict[int, float]:
    return {int(step): mean for step, mean in job.get("curve", {}).get("means", {}).items()}


def _figure(jobs: list[dict[str, Any]]) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(12, 4.2), sharey=True, layout="constrained")
    for job in jobs:
        data, ipc, curve = job["job"]["data"], job["job"]["ipc"], _curve(job)
        seconds = {0: 0.0, **{int(step): spent for step, spent in job["condensing"]["log"].items()}}
        steps = [step for step in sorted(curve) if step in seconds and step]  # a logarithmic axis has no 0
        means = [curve[step] for step in steps]
        style = {"color": COLOURS[data], "marker": "o" if ipc == 1 else "s", "markersize": 4}
        for axis, places in zip(axes, (steps, [seconds[step] for step in steps]), strict=True):
            axis.plot(places, means, **style)
        label = {
            "textcoords": "offset points",
            "xytext": (6, -6 if data == "tiny20" and ipc == 1 else 0),
            "va": "center",
            "fontsize": 8,
            "color": COLOURS[data],
        }
        axes[1].annotate(f"{TITLES[data]}, ipc {ipc}", (seconds[steps[-1]], means[-1]), **label)
        reported = _published(job).get("dm")
        for axis in axes if reported else ():
            axis.axhline(reported.mean, color=COLOURS[data], linestyle="--", linewidth=0.8, alpha=0.7)
    axes[0].set(xscale="log", xlabel="steps", ylabel="test accuracy, %")
    axes[1].set(xscale="log", xlabel="seconds of condensing")
    axes[1].set_xlim(right=40_000)  # room for the labels
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    IMAGES.mkdir(parents=True, exist_ok=True)
    figure.savefig(IMAGES / "curve.png", dpi=130)
    plt.close(figure)
