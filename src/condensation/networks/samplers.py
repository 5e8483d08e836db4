"""Where the network of a step comes from: always newly initialised, or from a pool of trained ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet, Shape
from condensation.core.plain import Registered
from condensation.core.rng import Rng
from condensation.networks.base import Classifier, NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.networks.pool_store import ALL, RANDOM, PoolStore, Snapshot, describe_spec, parse_bucket


@dataclass(frozen=True)
class NetworkSampler(Registered, ABC):
    """A distribution over networks: one module, made once and then given other weights at every step."""

    @abstractmethod
    def network(self, image_shape: Shape, num_classes: int, device: torch.device | str) -> Classifier:
        """The module on ``device``, frozen and in training mode; its weights mean nothing before `redraw`."""

    @abstractmethod
    def redraw(self, network: Classifier, rng: Rng) -> None:
        """Give ``network`` the weights that ``rng`` decides, in place, so that a compiled network stays compiled."""

    def validate(self, real: ImageSet) -> None:
        """Find out before the first step that these networks are not for ``real``.

        Raises:
            CondensationError: if so, saying in what they differ.
        """

    def input_digests(self) -> dict[str, str]:
        """Digests, by name, of the files that decide the networks as the settings do."""
        return {}


@dataclass(frozen=True)
class Fresh(NetworkSampler):
    """Newly initialised networks of one architecture."""

    name: ClassVar[str] = "fresh"
    spec: NetworkSpec = ConvNet()

    def network(self, image_shape: Shape, num_classes: int, device: torch.device | str) -> Classifier:
        network = self.spec.build(image_shape, num_classes, Rng(0))
        return network.requires_grad_(False).train().to(device)

    def redraw(self, network: Classifier, rng: Rng) -> None:
        network.redraw(rng)


@dataclass(frozen=True)
class Pool(NetworkSampler):
    """Networks of a pool on disk (`condensation.training.make_pool.make_pool`) whose validation accuracy lies in ``bucket``, evenly.

    The supplement of Zhao & Bilen (2023) compares such buckets; how it drew from all of them it does not say. Here ``all`` draws a
    bucket first, evenly, ``random`` among them, and then a network in it, so that none counts more for having more networks.
    """

    name: ClassVar[str] = "pool"
    path: str = ""  # the folder of the pool
    bucket: str = ALL  # a range in percent, 20-30 or 70+; random: newly initialised, as `Fresh`; all: each of these in turn
    spec: NetworkSpec = ConvNet()  # must be what the pool was made of

    def __post_init__(self) -> None:
        if self.bucket not in (RANDOM, ALL):
            parse_bucket(self.bucket)

    @property
    def store(self) -> PoolStore:
        """The pool itself.

        Raises:
            CondensationError: if there is none, or it is of another architecture.
        """
        if not self.path:
            raise CondensationError(
                "Which pool of networks is not said.\nName its folder, for example method.networks.path=pools/cifar10/pool."
            )
        store = PoolStore.open(Path(self.path))
        ours = describe_spec(self.spec)
        for name, theirs in store.about["spec"].items():
            if ours.get(name, theirs) != theirs:
                raise CondensationError(
                    f"The pool in {self.path} is of other networks: {name} is {theirs!r} there, {ours[name]!r} here.\n"
                    f"Give the spec that the pool was made with, for example method.networks.spec{_setting(name, theirs)}."
                )
        return store

    def network(self, image_shape: Shape, num_classes: int, device: torch.device | str) -> Classifier:
        store = self.store
        _need_alike(store, image_shape, num_classes)
        inner = self.spec.build(image_shape, num_classes, Rng(0))
        wanted = {RANDOM: None, ALL: None}.get(self.bucket, self.bucket)
        groups: list[Sequence[Snapshot]] = [store.snapshots(parse_bucket(wanted))] if wanted else [()]
        if self.bucket == ALL:
            everything = store.snapshots()
            sorted_out = [[one for one in everything if one.accuracy in of] for of in store.buckets]
            groups += [group for group in sorted_out if group]
        return Pooled(inner, groups, self.path).requires_grad_(False).train().to(device)

    def redraw(self, network: Classifier, rng: Rng) -> None:
        network.redraw(rng)

    def validate(self, real: ImageSet) -> None:
        store = self.store
        _need_alike(store, real.shape, real.num_classes)
        made_for, preprocessing = store.about["data"], real.preprocessing.fingerprint()
        if made_for["preprocessing"] != preprocessing:
            raise CondensationError(
                f"The networks in {self.path} see images preprocessed by {made_for['preprocessing']}; here it is {preprocessing}.\n"
                "Take the data settings that the pool was made with, or make a pool with these."
            )
        for label in real.classes:
            if made_for["classes"].get(str(label)) != real.select([label]).fingerprint():
                raise CondensationError(
                    f"The pool in {self.path} was made with other images of class {real.class_names[label]!r} than these.\n"
                    "Take the data that the pool was made with, or make a pool with these."
                )

    def input_digests(self) -> dict[str, str]:
        return {"pool": self.store.digest()}


class Pooled(Classifier):
    """A network that is given weights of a pool: each draw takes one of ``groups``, and of this one snapshot; none in it: new weights.

    Raises:
        CondensationError: if weights don't fit.
    """

    def __init__(self, network: Classifier, groups: Sequence[Sequence[Snapshot]], told_of: str) -> None:
        super().__init__()
        self.network, self.groups = network, [list(group) for group in groups]
        self.mixes_images, self.draws_numbers = network.mixes_images, network.draws_numbers
        shapes = _shapes(network.state_dict())
        if any(_shapes(one.weights) != shapes for group in self.groups for one in group):
            raise CondensationError(f"The weights in {told_of} do not fit this network.\nMake the pool again.")

    def embed(self, images: Tensor) -> Tensor:
        return self.network.embed(images)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits

    def redraw(self, rng: Rng) -> None:
        drawn = rng.child("pool").generator()
        group = self.groups[int(drawn.integers(len(self.groups)))]
        if not group:
            self.network.redraw(rng)  # the very weights that `Fresh` would give
            return
        weights = group[int(drawn.integers(len(group)))].weights
        with torch.no_grad():
            for name, place in self.network.state_dict().items():
                place.copy_(weights[name])


def _setting(name: str, value: object) -> str:
    """What is typed after ``spec`` to set this: of what chooses the kind of network, the value alone."""
    text = str(value) if name == "target" else str(value).lower()
    return f"={text}" if name in ("kind", "target") else f".{name}={text}"


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def _need_alike(store: PoolStore, image_shape: Shape, num_classes: int) -> None:
    shape, classes = store.about["data"]["shape"], len(store.about["data"]["class_names"])
    if list(image_shape) != shape or num_classes != classes:
        raise CondensationError(
            f"The networks in {store.folder} are for images of {_times(shape)} and {classes} classes; "
            f"these are {_times(image_shape)} and {num_classes} classes.\nMake a pool with these images."
        )


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
