"""Write the report of measure_gtn.py: the table of docs/gtn.md and its pictures, from results/gtn/*.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from page_parts import update
from PIL import Image, ImageDraw, ImageFont

from condensation import CondensedSet
from condensation.artifacts.set_file import SET
from condensation.core.storage import read_json
from condensation.core.text import accuracy_of, counted
from condensation.training.curriculum import curriculum_order

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
PAGE = ROOT / "docs" / "gtn.md"
NAMES = {
    "mnist-500-short": "GTN",
    "mnist-500": "GTN",
    "mnist-500-dm": "DM",
    "mnist-4100": "GTN",
    "mnist-500-paper": "GTN, published sizes",
    "mnist-paper": "GTN, published sizes",
}
COLOURS = ("#1b7f79", "#b5542b", "#3f51a3", "#7d7d87", "#a33f7c", "#7a7a2a", "#111111")
COLUMNS, ROWS, GAP, LABEL = 20, 8, 2, 22
JUDGED = {"judged by convnet": "as any set: ConvNet", "judged by convnet-wn": "as any set: convnet-wn"}


def write_report(folder: Path, runs: Path) -> None:
    """Write the table and the pictures from the results in ``folder`` so far; the picture of lessons only if their run is here."""
    jobs = jobs_in(folder)
    if not jobs:
        return
    update(PAGE, parts(jobs))
    shown = next(
        (
            name
            for name in ("mnist-paper", "mnist-4100", "mnist-500-paper", "mnist-500", "mnist-500-short")
            if "taught" in jobs.get(name, {})
        ),
        None,
    )
    if shown:
        _figure(jobs[shown], IMAGES / "gtn-curve.png")
        if (runs / shown / SET).exists():
            _lessons(CondensedSet.load(runs / shown)).save(IMAGES / "gtn-lessons.png", optimize=True)


def parts(jobs: dict[str, Any]) -> dict[str, str]:
    """Return the text of each generated part of the page."""
    return {"scores": _table(jobs) + _machine(jobs)}


def jobs_in(folder: Path) -> dict[str, Any]:
    """Return the finished jobs in ``folder`` by name, in the order of the page."""
    jobs = {name: read_json(folder / f"{name}.json") for name in NAMES if (folder / f"{name}.json").exists()}
    return {name: job for name, job in jobs.items() if "condensing" in job}


def _table(jobs: dict[str, Any]) -> str:
    judged = [part for part in JUDGED if any(part in job for job in jobs.values())]
    rows = [["", "images", "steps", "taught by its rates", *(JUDGED[part] for part in judged)]]
    rows.append(["---"] * len(rows[0]))
    for name, job in jobs.items():
        scores = [_score(job.get(part)) for part in ("taught", *judged)]
        rows.append([NAMES[name], f"{10 * job['job']['ipc']:,}", f"{job['job']['settings']['method']['steps']:,}", *scores])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _score(score: dict[str, Any] | None) -> str:
    return f"{accuracy_of(score)} ({score['count']})" if score else "-"


def _machine(jobs: dict[str, Any]) -> str:
    made = {
        f"{about['machine']['gpu']}" if about["machine"]["gpu"] != "none" else f"CPU, {counted(about['machine']['threads'], 'thread')}"
        for about in (job["made_by"] for job in jobs.values())
    }
    return f"\nMade on: {'; '.join(sorted(made))}. Numbers in brackets: networks.\n"


def _figure(job: dict[str, Any], path: Path) -> None:
    """Draw the accuracy of a learner along the lessons of several steps (left), and the loss of the generator (right)."""
    made, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.6), layout="constrained")
    curve = [(name, points) for name, points in job.items() if name.startswith("after ")]
    for (name, points), colour in zip(curve, COLOURS, strict=False):
        left.plot(points["images"], torch.tensor(points["values"]).mean(0), "o-", color=colour, markersize=3, label=name)
    left.set(xlabel="lesson images that a new learner has seen", ylabel="test accuracy, %", title="Learning from lessons only")
    left.legend(fontsize=8, frameon=False, loc="center right", bbox_to_anchor=(1, 0.3))  # between the curves
    losses = job["condensing"]["losses"]
    right.plot(list(map(int, losses)), list(losses.values()), color=COLOURS[0], linewidth=0.8)
    right.set(xlabel="steps of GTN", ylabel="loss on real images", title="Loss of the generator")
    for axis in (left, right):
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    made.savefig(path, dpi=110)
    plt.close(made)


def _lessons(kept: CondensedSet) -> Image.Image:
    """Return a picture of the first lessons in the order in which they are taught, row by row, and of the last ones."""
    order = curriculum_order(list(kept.images.counts.values()))
    pictures = kept.pictures()[order]
    half = COLUMNS * ROWS // 2
    channels, height, width = pictures.shape[1:]
    step_down, step_right = height + GAP, width + GAP
    parts = []
    for lessons in (pictures[:half], pictures[-half:]):
        page = torch.ones(channels, ROWS // 2 * step_down, COLUMNS * step_right)
        for number, picture in enumerate(lessons):
            top, left = number // COLUMNS * step_down, number % COLUMNS * step_right
            page[:, top : top + height, left : left + width] = picture
        pixels = (page * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        parts.append(Image.fromarray(pixels.squeeze(2) if channels == 1 else pixels))
    return labelled(parts, [f"The first {half} lessons, row by row", f"The last {half} lessons"])


def labelled(parts: list[Image.Image], labels: list[str]) -> Image.Image:
    """Return pictures of equal width below each other, each under its label."""
    page = Image.new(parts[0].mode, (parts[0].width, sum(part.height + LABEL for part in parts)), "white")
    top = 0
    for part, label in zip(parts, labels, strict=True):
        ImageDraw.Draw(page).text((2, top + 3), label, fill="black", font=ImageFont.load_default(13))
        page.paste(part, (0, top + LABEL))
        top += part.height + LABEL
    return page
