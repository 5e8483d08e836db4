"""Copies of real images in a set: the nearest training and held-out image of each synthetic one, and its own starting image."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import part_of
from condensation.config.build import from_dict
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.core.storage import write_json
from condensation.data.dataset import Data
from condensation.methods.base import Method
from condensation.methods.initialization import initial_images
from condensation.networks.base import NetworkSpec
from condensation.studies.tasks import Task, Watch, file_state

COPIES, RESULT = "copies", "copies.json"
BLOCK = 512
SUSPICIOUS = 0.5  # ratio of the distances to the nearest training and held-out image, below which an image looks like a copy


@dataclass(frozen=True)
class Copy:
    """Real images near a synthetic one; distances are in pictures of [0, 1], or of embeddings."""

    index: int
    """Index among the images that a network sees."""
    label: int
    train: int
    """Index of the nearest training image of its class, by pixels."""
    held_out: int
    """Index of the nearest held-out image of its class, by pixels."""
    to_train: float
    to_held_out: float
    embedded_to_train: float
    embedded_to_held_out: float
    to_start: float | None
    """Distance to its own starting image; None if it began with noise, or that is unknown."""

    @property
    def ratio(self) -> float:
        """Distance to the nearest training image over that to the nearest held-out image; far below 1 for a copy."""
        return self.to_train / max(1e-12, self.to_held_out)

    @property
    def embedded_ratio(self) -> float:
        """The same ratio of embeddings."""
        return self.embedded_to_train / max(1e-12, self.embedded_to_held_out)


@dataclass(frozen=True)
class CopiesRecord:
    """Result of the search, as ``copies.json`` holds it."""

    set: str
    train: int
    """Training images that were compared: as many of each class as are held out, if there are enough."""
    held_out: int
    images: tuple[Copy, ...]


def copies_task(path: str, spec: NetworkSpec, folder: Path, data: Callable[[], Data], condensed: Callable[[], CondensedSet]) -> Task:
    """Return the task that searches the set at ``path`` for copies."""
    result = folder / COPIES / RESULT
    return Task(
        name=RESULT.removesuffix(".json"),
        group=COPIES,
        title=f"copies in {path}",
        work=lambda watch: write_json(result, to_dict(find_copies(condensed(), data(), spec, path, watch))),
        state=lambda failures: file_state(result, RESULT.removesuffix(".json"), failures),
    )


def find_copies(condensed: CondensedSet, data: Data, spec: NetworkSpec, path: str, watch: Watch = Watch()) -> CopiesRecord:
    """Return what each synthetic image is close to, among equally many training and held-out images of its class.

    Equal numbers make the two distances comparable: without copying, either is the smaller one half of the time.
    """
    seen = condensed.images.decoded()
    pictures = seen.pictures()
    fewest = {label: min(data.train.counts[label], data.test.counts.get(label, 0)) for label in data.train.classes}
    starts = starting_pictures(condensed, data)
    start_set = None if starts is None else starts.flatten(1)
    network = spec.build(seen.shape, seen.num_classes, Rng(0).child("copies")).eval()
    found = []
    for done, label in enumerate(seen.classes):
        if watch.on_progress:
            watch.on_progress(done, len(seen.classes))
        mine = slice(seen.starts[label], seen.starts[label] + seen.counts[label])
        if not fewest.get(label):
            continue
        ours, our_features = pictures[mine], _embedded(network, pictures[mine])
        parts = []
        for number, images in enumerate((data.train, data.test)):
            wanted = {other: fewest[label] if other == label else 0 for other in images.classes}
            indices = images.draw(wanted, Rng(0).child("copies", number)).indices
            others = images.pictures(indices)
            near = torch.cdist(ours.flatten(1), others.flatten(1)).min(1)
            features = torch.cdist(our_features, _embedded(network, others)).min(1).values
            parts.append((indices[near.indices], near.values, features))
        (train, to_train, embedded_train), (test, to_test, embedded_test) = parts
        for row in range(len(ours)):
            index = seen.starts[label] + row
            to_start = None if start_set is None else float((pictures[index].flatten() - start_set[index]).norm())
            found.append(
                Copy(
                    index,
                    label,
                    int(train[row]),
                    int(test[row]),
                    float(to_train[row]),
                    float(to_test[row]),
                    float(embedded_train[row]),
                    float(embedded_test[row]),
                    to_start,
                )
            )
    return CopiesRecord(path, sum(fewest.values()), sum(fewest.values()), tuple(found))


def starting_pictures(condensed: CondensedSet, data: Data) -> Tensor | None:
    """Return the pictures that the synthetic images began with, (n, c, h, w); None if they began with noise, or it is not known."""
    settings = part_of(condensed.card, "settings")
    if part_of(condensed.card, "data").get("fingerprint") != data.train.fingerprint():
        return None
    try:
        method = from_dict(Method, settings["method"])  # type: ignore[type-abstract]
    except (CondensationError, KeyError):
        return None
    start = getattr(method, "start", None)
    if start not in ("real", "kmeans"):
        return None
    ipc = dict(condensed.images.counts)
    began = initial_images(start, data.train, ipc, Rng(int(settings.get("seed", 0))).child("init").child("start"), method.set_form)
    pictures = began.decoded().pictures()
    return pictures if len(pictures) == condensed.images.seen else None


def worst(record: CopiesRecord, most: int = 10) -> list[Copy]:
    """Return the images that are most like a training image and not like a held-out one, the worst first."""
    return sorted(record.images, key=lambda copy: min(copy.ratio, copy.embedded_ratio))[:most]


def nearer_to_training(record: CopiesRecord) -> tuple[int, int]:
    """Return the number of images that are nearer to a training than to a held-out image, and the number of all."""
    return sum(copy.to_train < copy.to_held_out for copy in record.images), len(record.images)


def _embedded(network: torch.nn.Module, pictures: Tensor) -> Tensor:
    """Return the embeddings of pictures by a random network, which depends on no data."""
    with torch.no_grad():
        pieces = [network.embed(2 * piece - 1) for piece in torch.split(pictures, BLOCK)]  # type: ignore[operator]
    return torch.cat(pieces)


def picture_rows(record: CopiesRecord, condensed: CondensedSet, data: Data) -> list[list[np.ndarray]]:
    """Return the worst pairs as rows of pictures: synthetic, nearest training, nearest held-out, and starting image if it is known."""
    seen, starts = condensed.images.decoded().pictures(), starting_pictures(condensed, data)
    rows = []
    for copy in worst(record):
        shown = [seen[copy.index], _picture(data.train, copy.train), _picture(data.test, copy.held_out)]
        shown += [starts[copy.index]] if starts is not None else []
        rows.append([each.permute(1, 2, 0).squeeze(2).numpy() if len(each) == 1 else each.permute(1, 2, 0).numpy() for each in shown])
    return rows


def _picture(images: ImageSet, index: int) -> Tensor:
    return images.pictures(slice(index, index + 1))[0]
