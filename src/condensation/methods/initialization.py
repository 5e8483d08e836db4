"""Initialization of synthetic images: random real images, real images near cluster centers, or noise."""

import logging
from dataclasses import replace
from typing import Literal, cast

import torch
import torch.nn.functional as F  # noqa: N812  (the usual name)
from torch import Tensor

from condensation.core.form import Form
from condensation.core.images import ImageSet
from condensation.core.microbatch import split
from condensation.core.rng import Rng

logger = logging.getLogger(__name__)

FEW = 36  # values per channel of an image
Initialization = Literal["real", "kmeans", "noise"]
DEFAULT = cast(Initialization, type("DefaultStart", (str,), {})("real"))  # equal to "real", but not what the user has typed
SIDE = 32  # pixels; larger images are shrunk before clustering
CLUSTERED = 10_000  # images per class; larger classes are sampled at random to bound the memory
FETCHED = 1_000  # images preprocessed at a time
ROUNDS = 100  # maximum number of k-means iterations; a few tens are typical


def initial_images(start: Initialization, real: ImageSet, ipc: dict[int, int], rng: Rng, form: Form | None) -> ImageSet:
    """Return ``ipc[label]`` stored images of each class: with a ``form``, each holds `Form.count` images of the initialization ``start``.

    A class with fewer real images repeats them. Raise CondensationError if ``form`` does not fit ``real``.
    """
    if form is None:
        return INITIALIZATIONS[start](real, ipc, rng)
    form.check(real.shape, real.preprocessing)
    pixels = real.shape[1] * real.shape[2] // form.count
    if pixels < FEW:
        problem = f"{form.count} images in each of {real.shape[1]} x {real.shape[2]} pixels have {pixels} values per channel"
        logger.warning(f"{problem}, which is little to learn from. Set method.form=none.")
    wanted = {label: count * form.count for label, count in ipc.items()}
    available = wanted if start == "noise" else {label: min(count, real.counts[label]) for label, count in wanted.items()}
    return stored(INITIALIZATIONS[start](real, available, rng), ipc, form)


def stored(seen: ImageSet, ipc: dict[int, int], form: Form | None) -> ImageSet:
    """Return a set of ``form`` with ``ipc[label]`` stored images per class that hold the images of ``seen``, repeated as needed."""
    if form is None:
        return seen
    chosen = [seen.starts[label] + torch.arange(count * form.count) % seen.counts[label] for label, count in ipc.items()]
    labels = torch.repeat_interleave(torch.tensor(list(ipc)), torch.tensor(list(ipc.values())))
    images = form.encode(seen.inputs(torch.cat(chosen).to(seen.device)))
    return replace(seen, images=images, labels=labels.to(seen.device), form=form)


def from_real_images(real: ImageSet, ipc: dict[int, int], rng: Rng) -> ImageSet:
    """Return ``ipc[label]`` distinct random real images of each class, preprocessed."""
    chosen = real.take(real.draw(ipc, rng).indices)
    return replace(chosen, images=chosen.inputs())


def from_noise(real: ImageSet, ipc: dict[int, int], rng: Rng) -> ImageSet:
    """Return ``ipc[label]`` images of standard normal noise of each class."""
    noise = torch.cat([rng.child(label).normal((count, *real.shape)) for label, count in ipc.items()])
    labels = torch.repeat_interleave(torch.tensor(list(ipc)), torch.tensor(list(ipc.values())))
    return replace(real, images=noise.to(real.device), labels=labels.to(real.device))


def from_kmeans(real: ImageSet, ipc: dict[int, int], rng: Rng) -> ImageSet:
    """Return the real images nearest to the centers of ``ipc[label]`` clusters of each class, preprocessed.

    The clusters come from k-means (Lloyd, 1982) with k-means++ seeding (Arthur and Vassilvitskii, SODA 2007) on the pixels
    of at most 10,000 images per class, shrunk to 32x32 if they are larger. Each image is used once; a class with fewer images than
    ``ipc[label]`` contributes all of them. For one image per class the result is the image nearest to the mean and does not depend
    on ``rng``. Clustering runs on the CPU, so all devices get the same images.
    """
    indices = []
    sample = real.draw({label: max(CLUSTERED, ipc[label]) for label in real.classes}, rng.child("seen"))
    for row, label in enumerate(real.classes):
        candidates = sample.indices[sample.class_index == row].sort().values
        points = torch.cat([_small_pixels(real.inputs(candidates[part])).cpu() for part in split(len(candidates), FETCHED)])
        centers = cluster_centers(points, min(ipc[label], len(points)), rng.child(label))
        indices.append(candidates[_nearest(points, centers).to(candidates.device)])
    chosen = real.take(torch.cat(indices))
    return replace(chosen, images=chosen.inputs())


def cluster_centers(points: Tensor, count: int, rng: Rng) -> Tensor:
    """Return the centers (count, d) of k-means clusters of ``points`` (n, d)."""
    centers = _kmeans_plus_plus(points, count, rng)
    nearest = points.new_zeros(0)
    for _ in range(ROUNDS):
        before, nearest = nearest, torch.cdist(points, centers).argmin(1)
        if torch.equal(before, nearest):
            break
        sizes = nearest.bincount(minlength=count)[:, None]
        sums = torch.zeros_like(centers).index_add_(0, nearest, points)
        centers = torch.where(sizes > 0, sums / sizes.clamp(min=1), centers)  # the center of an empty cluster stays
    return centers


def _kmeans_plus_plus(points: Tensor, count: int, rng: Rng) -> Tensor:
    """Return ``count`` of ``points`` (n, d), each drawn in proportion to its squared distance to those drawn before."""
    generator = rng.generator()
    chosen = [int(generator.integers(len(points)))]
    distances = torch.full((len(points),), torch.inf, dtype=torch.float64)
    for _ in range(count - 1):
        distances = distances.minimum((points - points[chosen[-1]]).square().sum(1).double())
        ends = distances.cumsum(0)
        # right=True: a point at distance 0 has an empty interval and is not drawn while others are farther away.
        index = int(torch.searchsorted(ends, generator.random() * ends[-1], right=True))
        chosen.append(min(index, len(points) - 1))
    return points[chosen]


def _nearest(points: Tensor, centers: Tensor) -> Tensor:
    """Return the index of the nearest of ``points`` (n, d) to each of ``centers`` (count, d), without repetition."""
    distances = torch.cdist(points, centers)
    indices = []
    for to_center in distances.unbind(1):
        indices.append(to_center.argmin())
        distances[indices[-1]] = torch.inf
    return torch.stack(indices)


def _small_pixels(images: Tensor) -> Tensor:
    """Return the pixels of ``images`` (n, c, h, w), shrunk to at most `SIDE` per side, as rows (n, d)."""
    height, width = (min(side, SIDE) for side in images.shape[2:])
    return F.adaptive_avg_pool2d(images.float(), (height, width)).flatten(1)


INITIALIZATIONS = {"real": from_real_images, "kmeans": from_kmeans, "noise": from_noise}
