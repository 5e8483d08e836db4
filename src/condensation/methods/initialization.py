"""The images that learning starts from."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor

from condensation.core.images import ImageSet
from condensation.core.microbatch import split
from condensation.core.rng import Rng

Initialization = Literal["real", "kmeans", "noise"]
SIDE = 32  # pixels: larger images are clustered as they look at this size
CLUSTERED = 10_000  # images of a class, drawn at random where there are more: what they take of memory is bounded
FETCHED = 1_000  # at a time
ROUNDS = 100  # of k-means, at most; some tens are usual


def start_from_real(real: ImageSet, ipc: dict[int, int], rng: Rng) -> ImageSet:
    """``ipc`` random different real images of each class, preprocessed."""
    indices = real.draw(ipc, rng).indices
    chosen = real.take(indices)
    return replace(chosen, images=chosen.inputs())


def start_from_noise(real: ImageSet, ipc: dict[int, int], rng: Rng) -> ImageSet:
    """Images of standard normal noise, as many of each class as ``ipc`` says."""
    noise = torch.cat([rng.child(label).normal((count, *real.shape)) for label, count in ipc.items()])
    labels = torch.repeat_interleave(torch.tensor(list(ipc)), torch.tensor(list(ipc.values())))
    return replace(real, images=noise.to(real.device), labels=labels.to(real.device))


def start_from_kmeans(real: ImageSet, ipc: dict[int, int], rng: Rng) -> ImageSet:
    """Of each class the real images next to the centres of ``ipc[label]`` clusters, or all that it has if they are fewer; preprocessed.

    Clusters are those of k-means over pixels (Lloyd, 1982), begun with k-means++ (Arthur and Vassilvitskii, SODA 2007), of at
    most 10,000 images of a class, at 32x32 if they are larger. An image is taken once. With one image a class it is that
    nearest to the mean, whatever the ``rng``. On the CPU, so that every device starts from the same images.
    """
    places = []
    seen = real.draw({label: max(CLUSTERED, ipc[label]) for label in real.classes}, rng.child("seen"))
    for row, label in enumerate(real.classes):
        mine = seen.indices[seen.class_index == row].sort().values
        points = torch.cat([_small(real.inputs(mine[piece])).cpu() for piece in split(len(mine), FETCHED)])
        centres = clustered(points, min(ipc[label], len(points)), rng.child(label))
        places.append(mine[_nearest(points, centres).to(mine.device)])
    chosen = real.take(torch.cat(places))
    return replace(chosen, images=chosen.inputs())


def clustered(points: Tensor, count: int, rng: Rng) -> Tensor:
    """The centres (count, d) of clusters of ``points`` (n, d), by k-means."""
    centres = _far_apart(points, count, rng)
    nearest = points.new_zeros(0)
    for _ in range(ROUNDS):
        before, nearest = nearest, torch.cdist(points, centres).argmin(1)
        if torch.equal(before, nearest):
            break
        sizes = nearest.bincount(minlength=count)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        centres = torch.where(sizes > 0, sums / sizes.clamp(min=1), centres)  # one that is nearest to none stays
    return centres


def _far_apart(points: Tensor, count: int, rng: Rng) -> Tensor:
    """``count`` of ``points`` (n, d), each drawn in proportion to its squared distance from those before: k-means++."""
    generator = rng.generator()
    chosen = [int(generator.integers(len(points)))]
    distances = torch.full((len(points),), torch.inf, dtype=torch.float64)
    for _ in range(count - 1):
        distances = distances.minimum((points - points[chosen[-1]]).square().sum(1).double())
        ends = distances.cumsum(0)
        # To the right: an image at no distance has no part of the line, so it is not drawn while others are at some.
        place = int(torch.searchsorted(ends, generator.random() * ends[-1], right=True))
        chosen.append(min(place, len(points) - 1))
    return points[chosen]


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    """Of each of ``centres`` (count, d) the place of the nearest among ``points`` (n, d) that none before has taken."""
    distances = torch.cdist(points, centres)
    places = []
    for of_centre in distances.unbind(1):
        places.append(of_centre.argmin())
        distances[places[-1]] = torch.inf
    return torch.stack(places)


def _small(images: Tensor) -> Tensor:
    """``images`` (n, c, h, w) as rows of the pixels of them at `SIDE`, or at their own size if that is smaller."""
    height, width = (min(side, SIDE) for side in images.shape[2:])
    return F.adaptive_avg_pool2d(images.float(), (height, width)).flatten(1)


STARTS = {"real": start_from_real, "kmeans": start_from_kmeans, "noise": start_from_noise}
