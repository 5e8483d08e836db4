"""Draw how distribution matching works, with images of the bundled fashion-mini; writes docs/images/pipeline.png.

python scripts/draw_pipeline.py        # condenses 10 images first: about a minute
python scripts/draw_pipeline.py SET    # uses a condensed set of fashion-mini with one image per class
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from torch import Tensor

from condensation import DM, DSA, CondensedSet, ConvNet, ImageSet, Rng, condense, load

OUT = Path(__file__).parent.parent / "docs" / "images" / "pipeline.png"
WIDTH, HEIGHT, DPI = 8.0, 4.5, 200
CLASSES = {1: "#1b7f79", 8: "#c2602e", 9: "#3f51a3"}  # trousers, bags, boots
OPERATIONS = {1: "rotate", 8: "cutout", 9: "flip"}
INK, GREY, PALE, GRADIENT = "#22272e", "#66707c", "#f4f6f8", "#a3357a"
TILE, STEP = 0.37, 0.42
SHOWN = 3  # real images of each class
REAL_ROWS = (3.25, 2.83, 2.41)  # lower edges of the tiles, a row for each class
SYNTHETIC_ROWS = (1.89, 1.47, 1.05)
EMBEDDED = 60  # real images of each class whose embeddings are shown


def main() -> None:
    """Condense or load the set, and write the picture."""
    real = load("fashion-mini").train
    if len(sys.argv) > 1:
        small = CondensedSet.load(Path(sys.argv[1])).images
    else:
        small = condense(replace(DM.fast(ipc=1, channels=1), steps=500, lr=0.3), real, ipc=1)
    figure = plt.figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
    page = figure.add_axes((0, 0, 1, 1))
    page.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    page.axis("off")
    draw_condensing(page, real, small)
    draw_use(page, small)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUT)


def draw_condensing(page: Axes, real: ImageSet, small: ImageSet) -> None:
    """Draw one step of the method in the upper frame."""
    frame(page, 0.08, 0.90, 7.84, 3.52)
    heading(page, 0.79, "Real images", "500 per class")
    heading(page, 2.50, "Augmentation", "the same for both")
    heading(page, 4.28, "Random network", "a new one at each step")
    heading(page, 6.48, "Embeddings", "the loss: distance of class means")
    for index, top, bottom in zip(CLASSES, REAL_ROWS, SYNTHETIC_ROWS, strict=True):
        real_inputs, synthetic = inputs_of(real, index)[:SHOWN], inputs_of(small, index)
        for column in range(SHOWN):
            tile(page, 0.19 + column * STEP, top, picture(small, real_inputs[column]), index)
            tile(page, 1.90 + column * STEP, top, picture(small, augmented(real_inputs, index)[column]), index)
        tile(page, 0.61, bottom, picture(small, synthetic[0]), index)
        tile(page, 2.32, bottom, picture(small, augmented(synthetic, index)[0]), index)
    page.text(1.05, 1.70, "Synthetic", weight="bold", size=9, color=INK)
    page.text(1.05, 1.54, "images", weight="bold", size=9, color=INK)
    page.text(1.05, 1.38, "learned", size=8, color=GREY)
    arrow(page, (1.50, 3.02), (1.84, 3.02))
    arrow(page, (1.80, 1.66), (2.26, 1.66))
    arrow(page, (3.20, 3.02), (3.58, 2.72))
    arrow(page, (2.76, 1.66), (3.58, 2.06))
    draw_network(page, 3.64, 1.78)
    arrow(page, (4.93, 2.38), (5.28, 2.38))
    draw_embeddings(page, real)
    page.plot([6.5, 6.5, 0.40, 0.40], [1.20, 0.99, 0.99, 1.66], color=GRADIENT, lw=1.5, ls=(0, (4, 2)))
    arrow(page, (0.40, 1.66), (0.58, 1.66), GRADIENT)
    page.text(4.4, 1.05, "gradient step on the synthetic pixels", ha="center", size=8.5, color=GRADIENT)


def draw_network(page: Axes, left: float, bottom: float) -> None:
    """Draw three networks behind each other, with the random weights of their first layers."""
    for depth in (2, 1, 0):
        x, y = left + 0.09 * depth, bottom + 0.09 * depth
        page.add_patch(
            FancyBboxPatch((x, y), 1.05, 1.02, boxstyle="round,pad=0.0,rounding_size=0.06", fc="white", ec=GREY, lw=1.0, zorder=3)
        )
    weights = next(ConvNet(width=16).build((1, 28, 28), 10, Rng(0)).parameters()).detach()
    for number in range(16):
        x, y = left + 0.10 + number % 4 * 0.22, bottom + 0.10 + number // 4 * 0.22
        page.imshow(weights[number, 0], extent=(x, x + 0.19, y, y + 0.19), cmap="PuOr", zorder=4, aspect="auto", interpolation="nearest")
    page.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    page.text(left + 0.62, bottom - 0.16, "never trained", ha="center", size=8, color=GREY)


def draw_embeddings(page: Axes, real: ImageSet) -> None:
    """Draw real embeddings as dots, their class means as circles, and synthetic means as squares, in two dimensions.

    The squares are embeddings of single real images, from which synthetic images are initialized: learned ones would lie on the circles.
    """
    network = ConvNet(width=64).build((1, 28, 28), 10, Rng(0))
    with torch.no_grad():
        dots = {index: network.embed(augmented(inputs_of(real, index)[:EMBEDDED], index)) for index in CLASSES}
        early = {index: farthest(dots[index]) for index in CLASSES}
    everything = torch.cat(list(dots.values()))
    center = everything.mean(0)
    axes = torch.pca_lowrank(torch.stack([values.mean(0) for values in dots.values()]) - center, 2, niter=9)[2]
    scale = 0.62 / (everything - center).matmul(axes).abs().amax(0)
    place = {True: dots, False: early}
    flat = {kind: {index: ((values - center) @ axes * scale) for index, values in parts.items()} for kind, parts in place.items()}
    page.add_patch(FancyBboxPatch((5.36, 1.22), 2.30, 2.36, boxstyle="round,pad=0,rounding_size=0.06", fc="white", ec="#d5dae0", lw=1.0))
    for index, colour in CLASSES.items():
        points = flat[True][index] * torch.tensor([1.55, 1.45]) + torch.tensor([6.5, 2.45])
        mean = points.mean(0)
        start = flat[False][index][0] * torch.tensor([1.55, 1.45]) + torch.tensor([6.5, 2.45])
        page.scatter(points[:, 0], points[:, 1], s=5, color=colour, alpha=0.35, lw=0)
        page.add_patch(
            FancyArrowPatch(
                tuple(start.tolist()), tuple(mean.tolist()), arrowstyle="->", mutation_scale=9, color=GRADIENT, lw=1.4, shrinkA=4, shrinkB=5
            )
        )
        page.scatter(mean[0], mean[1], s=58, color=colour, ec="white", lw=0.9, zorder=5)
        page.scatter(start[0], start[1], s=46, marker="s", color="white", ec=colour, lw=1.6, zorder=5)
    page.scatter(5.52, 1.36, s=40, color=GREY, ec="white")
    page.text(5.62, 1.325, "real mean", size=7.5, color=GREY)
    page.scatter(6.42, 1.36, s=34, marker="s", color="white", ec=GREY, lw=1.4)
    page.text(6.53, 1.325, "synthetic mean", size=7.5, color=GREY)


def draw_use(page: Axes, small: ImageSet) -> None:
    """Draw what the set is for in the lower frame."""
    frame(page, 0.08, 0.08, 7.84, 0.72)
    page.text(0.19, 0.50, "Then", weight="bold", size=9, color=INK)
    page.text(0.19, 0.30, "10 images", size=8, color=GREY)
    for index in range(10):
        tile(page, 0.92 + index * STEP, 0.255, picture(small, inputs_of(small, index)[0]), None)
    arrow(page, (5.14, 0.44), (5.40, 0.44))
    page.text(5.46, 0.50, "train a new network", weight="bold", size=9, color=INK)
    page.text(5.46, 0.30, "on these alone, test it on real images", size=8, color=GREY)


def farthest(values: Tensor) -> Tensor:
    """Return the row of ``values`` (n, d) that is farthest from their mean: (1, d)."""
    return values[(values - values.mean(0)).norm(dim=1).argsort()[-3]][None]


def inputs_of(images: ImageSet, index: int) -> Tensor:
    """Return the preprocessed images (n, c, h, w) of one class."""
    return images.select([index]).inputs()


def augmented(inputs: Tensor, index: int) -> Tensor:
    """Return ``inputs`` of one class under one operation of DSA, the same for real and synthetic images."""
    transform = DSA(operations=(OPERATIONS[index],), flip=1.0, rotate=60.0).per_class([index], Rng(5))
    return transform(inputs, torch.zeros(len(inputs), dtype=torch.long))


def picture(images: ImageSet, inputs: Tensor) -> Tensor:
    """Return one preprocessed image as grey values (h, w) in [0, 1]."""
    return images.preprocessing.inverse(inputs[None]).clamp(0, 1)[0, 0]


def tile(page: Axes, x: float, y: float, grey: Tensor, index: int | None) -> None:
    """Draw one image with a border in the colour of its class."""
    page.imshow(grey, extent=(x, x + TILE, y, y + TILE), cmap="gray", vmin=0, vmax=1, aspect="auto", zorder=2, interpolation="nearest")
    page.add_patch(Rectangle((x, y), TILE, TILE, fill=False, ec=INK if index is None else CLASSES[index], lw=1.4, zorder=3))
    page.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))


def frame(page: Axes, x: float, y: float, width: float, height: float) -> None:
    """Draw a pale frame."""
    page.add_patch(
        FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.08", fc=PALE, ec="#d5dae0", lw=1.0, zorder=0)
    )


def heading(page: Axes, x: float, title: str, line: str) -> None:
    """Write a title and the line below it, centred on ``x``."""
    page.text(x, 4.10, title, ha="center", weight="bold", size=10, color=INK)
    page.text(x, 3.88, line, ha="center", size=8.5, color=GREY)


def arrow(page: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = INK) -> None:
    """Draw an arrow between two places."""
    page.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color=colour, lw=1.5, shrinkA=0, shrinkB=0, zorder=6))


if __name__ == "__main__":
    main()
