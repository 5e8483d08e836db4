"""Distributions over the network of each step: newly initialized, or drawn from a pool of trained networks."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet, Shape
from condensation.core.rng import Rng
from condensation.core.trust import as_path_text
from condensation.networks.base import Classifier, NetworkSampler, NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.networks.pool_store import ALL, RANDOM, PoolStore, Snapshot, describe_spec, parse_bucket, weights_rng


@dataclass(frozen=True)
class Fresh(NetworkSampler):
    """Newly initialized networks of one architecture.

    >>> from condensation import DM, ConvNet, Fresh
    >>> DM(networks=Fresh(ConvNet(width=64))).network.width
    64
    """

    name: ClassVar[str] = "fresh"
    spec: NetworkSpec = ConvNet()
    """Architecture of the networks."""

    def network(self, image_shape: Shape, num_classes: int, device: torch.device | str) -> Classifier:
        return self.spec.build(image_shape, num_classes, Rng(0)).requires_grad_(False).train().to(device)


class TrainedNetworks(NetworkSampler):
    """Base class of samplers that read a pool on disk (`condensation.training.make_pool.make_pool`)."""

    path: str
    """Folder of the pool."""
    spec: NetworkSpec
    """Architecture of the networks."""

    @property
    def store(self) -> PoolStore:
        """The pool. Raise CondensationError if there is none, or it has another architecture."""
        if not self.path:
            hint = "Set path to the folder of a pool, for example method.networks.path=pools/cifar10/pool."
            raise CondensationError("No pool given.", hint=hint, setting="method.networks.path")
        store = PoolStore.open(Path(as_path_text(self.path)))
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
        return self.pooled(network, store).requires_grad_(False).train().to(device)

    @abstractmethod
    def pooled(self, network: Classifier, store: PoolStore) -> Classifier:
        """Return ``network`` with a `redraw` that draws weights from ``store``."""

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


@dataclass(frozen=True)
class Pool(TrainedNetworks):
    """Snapshots of the networks of a pool, drawn uniformly by validation accuracy.

    The supplement of Zhao & Bilen (2023) compares such buckets, but does not say how it draws from all of them. Here ``all`` draws a
    bucket uniformly, ``random`` included, and then a network from it, so that large buckets count no more than small ones.

    >>> from condensation import DM, Pool
    >>> DM(networks=Pool("pools/cifar10/pool", bucket="40-50")).networks.bucket
    '40-50'
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
    def is_trained(self) -> bool:
        return self.bucket not in (RANDOM, ALL)

    def pooled(self, network: Classifier, store: PoolStore) -> Classifier:
        groups: list[Sequence[Snapshot]] = [()]
        if self.bucket == ALL:
            snapshots = store.snapshots()
            by_bucket = [[snapshot for snapshot in snapshots if snapshot.accuracy in bucket] for bucket in store.buckets]
            groups += [group for group in by_bucket if group]
        elif self.bucket != RANDOM:
            groups = [store.snapshots(parse_bucket(self.bucket))]
        return Pooled(network, groups, self.path)


@dataclass(frozen=True)
class Between(TrainedNetworks):
    """Networks at a random point between their initial and their last weights, as in DANCE (Zhang et al., IJCAI 2024).

    Each draw takes a network of the pool and one number t, uniform in [0, 1): the weights are (1 - t) * initial + t * last.

    >>> from condensation import DM, Between
    >>> DM(networks=Between("pools/cifar10/pool")).networks.path
    'pools/cifar10/pool'
    """

    name: ClassVar[str] = "between"
    path: str = ""
    """Folder of the pool."""
    spec: NetworkSpec = ConvNet()
    """Architecture of the networks; must equal that of the pool."""

    @property
    def is_trained(self) -> bool:
        return True

    def pooled(self, network: Classifier, store: PoolStore) -> Classifier:
        return Interpolated(network, [(self._initial(network, store, number), last) for number, last in enumerate(store.last())], self.path)

    def _initial(self, network: Classifier, store: PoolStore, number: int) -> Snapshot:
        """Return the weights before training, which follow from the seed of the pool."""
        network.redraw(weights_rng(int(store.record.recipe["seed"]), number))
        return Snapshot(0, 0.0, {name: value.clone() for name, value in network.state_dict().items()})


class StoredNetwork(Classifier):
    """A network whose weights are those of snapshots."""

    def __init__(self, network: Classifier, snapshots: Iterable[Snapshot], folder: str) -> None:
        super().__init__()
        self.network = network
        self.mixes_images, self.draws_numbers = network.mixes_images, network.draws_numbers
        shapes = _shapes(network.state_dict())
        if any(_shapes(snapshot.weights) != shapes for snapshot in snapshots):
            raise CondensationError(f"The weights in {folder} do not fit this network.", hint="Make the pool again.")

    @property
    def head(self) -> nn.Linear | None:
        return self.network.head

    def embed(self, images: Tensor) -> Tensor:
        return self.network.embed(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)  # type: ignore[no-any-return]

    def assign(self, weights: Mapping[str, Tensor]) -> None:
        """Write ``weights`` into the network, in place."""
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                value.copy_(weights[name])


class Pooled(StoredNetwork):
    """A network whose `redraw` draws one of ``groups`` and then a snapshot from it; an empty group means new weights."""

    def __init__(self, network: Classifier, groups: Sequence[Sequence[Snapshot]], folder: str) -> None:
        super().__init__(network, chain.from_iterable(groups), folder)
        self.groups = [list(group) for group in groups]

    def redraw(self, rng: Rng) -> None:
        generator = rng.child("pool").generator()
        group = self.groups[int(generator.integers(len(self.groups)))]
        if not group:
            self.network.redraw(rng)  # the weights that `Fresh` would draw
            return
        self.assign(group[int(generator.integers(len(group)))].weights)


class Interpolated(StoredNetwork):
    """A network whose `redraw` draws a point between the two snapshots of one of ``pairs``."""

    def __init__(self, network: Classifier, pairs: Sequence[tuple[Snapshot, Snapshot]], folder: str) -> None:
        super().__init__(network, [snapshot for pair in pairs for snapshot in pair], folder)
        self.pairs = list(pairs)

    def redraw(self, rng: Rng) -> None:
        generator = rng.child("pool").generator()
        first, last = (snapshot.weights for snapshot in self.pairs[int(generator.integers(len(self.pairs)))])
        share = float(generator.random())
        self.assign({name: torch.lerp(value.double(), last[name].double(), share) for name, value in first.items()})


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
