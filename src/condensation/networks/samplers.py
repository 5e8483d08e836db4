"""Distributions over the network of each step: newly initialized, or drawn from a pool of trained networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet, Shape
from condensation.core.rng import Rng
from condensation.networks.base import Classifier, NetworkSampler, NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.networks.pool_store import ALL, RANDOM, PoolStore, Snapshot, describe_spec, parse_bucket


@dataclass(frozen=True)
class Fresh(NetworkSampler):
    """Newly initialized networks of one architecture."""

    name: ClassVar[str] = "fresh"
    spec: NetworkSpec = ConvNet()
    """Architecture of the networks."""

    def network(self, image_shape: Shape, num_classes: int, device: torch.device | str) -> Classifier:
        return self.spec.build(image_shape, num_classes, Rng(0)).requires_grad_(False).train().to(device)


@dataclass(frozen=True)
class Pool(NetworkSampler):
    """Networks of a pool on disk (`condensation.training.make_pool.make_pool`), drawn uniformly by validation accuracy.

    The supplement of Zhao & Bilen (2023) compares such buckets, but does not say how it draws from all of them. Here ``all`` draws a
    bucket uniformly, ``random`` included, and then a network from it, so that large buckets count no more than small ones.
    """

    name: ClassVar[str] = "pool"
    path: str = ""
    """Folder of the pool."""
    bucket: str = ALL
    """Range of validation accuracies in percent: 20-30, 70+; random: newly initialized as in `Fresh`; all: each bucket equally likely."""
    spec: NetworkSpec = ConvNet()
    """Architecture of the networks; must equal that of the pool."""

    def __post_init__(self) -> None:
        if self.bucket not in (RANDOM, ALL):
            parse_bucket(self.bucket)

    @property
    def store(self) -> PoolStore:
        """The pool. Raise CondensationError if there is none, or it has another architecture."""
        if not self.path:
            hint = "Set path to the folder of a pool, for example method.networks.path=pools/cifar10/pool."
            raise CondensationError("No pool given.", hint=hint, setting="method.networks.path")
        store = PoolStore.open(Path(self.path))
        spec = describe_spec(self.spec)
        for name, value in store.record.spec.items():
            if spec.get(name, value) != value:
                message = f"The pool in {self.path} has another architecture: {name} is {value!r} there, {spec[name]!r} here."
                hint = f"Use the architecture of the pool, for example method.networks.spec{_assignment(name, value)}."
                raise CondensationError(message, hint=hint, setting="method.networks.spec")
        return store

    def network(self, image_shape: Shape, num_classes: int, device: torch.device | str) -> Classifier:
        store = self.store
        _require_same_shape(store, image_shape, num_classes)
        network = self.spec.build(image_shape, num_classes, Rng(0))
        groups: list[Sequence[Snapshot]] = [()]
        if self.bucket == ALL:
            snapshots = store.snapshots()
            by_bucket = [[snapshot for snapshot in snapshots if snapshot.accuracy in bucket] for bucket in store.buckets]
            groups += [group for group in by_bucket if group]
        elif self.bucket != RANDOM:
            groups = [store.snapshots(parse_bucket(self.bucket))]
        return Pooled(network, groups, self.path).requires_grad_(False).train().to(device)

    def validate(self, real: ImageSet) -> None:
        store = self.store
        _require_same_shape(store, real.shape, real.num_classes)
        data, preprocessing = store.record.data, real.preprocessing.fingerprint()
        hint = "Use the data settings of the pool, or make a pool with these."
        if data.preprocessing != preprocessing:
            message = f"The networks in {self.path} were trained on images preprocessed by {data.preprocessing}, got {preprocessing}."
            raise CondensationError(message, hint=hint)
        for label in real.classes:
            if data.classes.get(str(label)) != real.select([label]).fingerprint():
                class_name = real.class_names[label]
                raise CondensationError(f"The pool in {self.path} was made with other images of class {class_name!r}.", hint=hint)

    def input_digests(self) -> dict[str, str]:
        return {"pool": self.store.digest()}


class Pooled(Classifier):
    """A network whose `redraw` draws one of ``groups`` and then a snapshot from it; an empty group means new weights."""

    def __init__(self, network: Classifier, groups: Sequence[Sequence[Snapshot]], folder: str) -> None:
        super().__init__()
        self.network, self.groups = network, [list(group) for group in groups]
        self.mixes_images, self.draws_numbers = network.mixes_images, network.draws_numbers
        shapes = _shapes(network.state_dict())
        if any(_shapes(snapshot.weights) != shapes for group in self.groups for snapshot in group):
            raise CondensationError(f"The weights in {folder} do not fit this network.", hint="Make the pool again.")

    def embed(self, images: Tensor) -> Tensor:
        return self.network.embed(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)  # type: ignore[no-any-return]

    def redraw(self, rng: Rng) -> None:
        generator = rng.child("pool").generator()
        group = self.groups[int(generator.integers(len(self.groups)))]
        if not group:
            self.network.redraw(rng)  # the weights that `Fresh` would draw
            return
        weights = group[int(generator.integers(len(group)))].weights
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                value.copy_(weights[name])


def _assignment(name: str, value: object) -> str:
    """Return the text that sets a field of a spec, as typed after ``spec``: ``.width=8``, or ``=nets.py:small`` for its target."""
    text = str(value) if name == "target" else str(value).lower()
    return f"={text}" if name in ("kind", "target") else f".{name}={text}"


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def _require_same_shape(store: PoolStore, image_shape: Shape, num_classes: int) -> None:
    shape, classes = store.record.data.shape, len(store.record.data.class_names)
    if tuple(image_shape) != shape or num_classes != classes:
        expected, got = ("x".join(map(str, sides)) for sides in (shape, image_shape))
        message = f"The networks in {store.folder} are for images of {expected} and {classes} classes, got {got} and {num_classes} classes."
        raise CondensationError(message, hint="Make a pool with these images.")
