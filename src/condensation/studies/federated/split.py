"""Division of a training set among clients."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.records import read_record
from condensation.core.rng import Rng

TRIES = 200  # draws before a division counts as impossible


@dataclass(frozen=True)
class Division:
    """Indices of the training images of each client, as ``split-N.json`` keeps them."""

    alpha: float
    seed: int
    fingerprint: str  # of the images that are divided
    clients: tuple[tuple[int, ...], ...]  # ascending indices

    @classmethod
    def read(cls, path: Path, images: ImageSet) -> "Division":
        """Read a division of ``images``. Raise CondensationError if it is damaged or of other images."""
        division = read_record(path, cls)
        if division.fingerprint != images.fingerprint():
            raise CondensationError(f"{path} divides other images.", hint="Choose another folder (out=...).", setting="out")
        return division

    def images_of(self, client: int, images: ImageSet) -> ImageSet:
        """Return the images of one client."""
        return images.take(torch.tensor(self.clients[client]))


def divide(images: ImageSet, clients: int, alpha: float, least: int, seed: int) -> Division:
    """Divide ``images`` among ``clients`` by class shares from a Dirichlet distribution.

    The shares of each class are drawn from Dir(alpha, ..., alpha); a client that has its part of all images already gets none of the
    class. The draw is repeated until each client has ``least`` images and two classes, without which nothing can be learned. This is
    the usual protocol (Hsu, Qi and Brown, 2019; Xiong et al., FedDM, CVPR 2023). Raise CondensationError if `TRIES` draws fail.

    >>> from condensation import load
    >>> from condensation.studies.federated.split import divide
    >>> division = divide(load("digits").train, clients=3, alpha=0.5, least=10, seed=0)
    >>> sum(map(len, division.clients))
    1438
    """
    for attempt in range(TRIES if clients * least <= len(images) else 0):
        parts = _draw(images, clients, alpha, Rng(seed).child("clients", attempt))
        if all(len(part) >= least and len(torch.unique(images.labels[part])) > 1 for part in parts):
            return Division(alpha, seed, images.fingerprint(), tuple(tuple(part.tolist()) for part in parts))
    raise CondensationError(
        f"No division gives each of {clients} clients {least} of the {len(images):,} images and two classes, with alpha {alpha:g}.",
        hint="Choose fewer clients, a larger alpha, or fewer images per client (least=...).",
        setting="alpha",
    )


def _draw(images: ImageSet, clients: int, alpha: float, rng: Rng) -> list[torch.Tensor]:
    parts: list[list[np.ndarray]] = [[] for _ in range(clients)]
    for label, count in images.counts.items():
        generator = rng.child(label).generator()
        full = np.array([sum(map(len, part)) >= len(images) / clients for part in parts])
        shares = generator.dirichlet(np.full(clients, alpha)) * ~full
        if not shares.sum():
            shares = (~full).astype(float) if not full.all() else np.ones(clients)
        bounds = (np.cumsum(shares / shares.sum()) * count).round().astype(int)[:-1]
        order = images.starts[label] + generator.permutation(count)
        for part, chosen in zip(parts, np.split(order, bounds), strict=True):
            part.append(chosen)
    return [torch.from_numpy(np.sort(np.concatenate(part))) for part in parts]


def sizes(counts: Mapping[int, int], whole: Mapping[int, int], per_class: int) -> dict[int, int]:
    """Return the images per class of a client's set: its share of ``per_class`` images, at least one and at most what it has.

    ``counts`` are the client's images by class and ``whole`` are those of all clients, so that a client with more images of a class
    contributes more, and the union has about ``per_class`` images of each class.

    >>> from condensation.studies.federated.split import sizes
    >>> sizes({0: 30, 2: 1}, {0: 40, 1: 50, 2: 60}, per_class=20)
    {0: 15, 2: 1}
    """
    return {label: max(1, min(count, round(per_class * count / whole[label]))) for label, count in counts.items()}


def summary(division: Division, images: ImageSet) -> list[dict[str, Any]]:
    """Return the number of images of each client by class name."""
    parts = (division.images_of(client, images) for client in range(len(division.clients)))
    return [{images.class_names[label]: count for label, count in part.counts.items()} for part in parts]
