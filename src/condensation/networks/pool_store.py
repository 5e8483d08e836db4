"""Pools of trained networks on disk: snapshots of weights during training, with their validation accuracies."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from torch import Tensor

from condensation.core.errors import NEWER, CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import qualified_name, to_dict
from condensation.core.records import as_record, read_record
from condensation.core.rng import Rng
from condensation.core.storage import write_json
from condensation.core.tensor_files import read_card, read_tensors, write_tensors
from condensation.networks.base import NetworkSpec

POOL_FILE, NETWORKS_FOLDER, KIND = "pool.json", "networks", "network under training"
FORMAT = 1  # of `POOL_FILE`
RANDOM, ALL = "random", "all"


@dataclass(frozen=True)
class Bucket:
    """Range of validation accuracies in percent: ``low`` <= accuracy < ``high``, where ``high`` may be infinite."""

    low: float
    high: float

    def __contains__(self, accuracy: float) -> bool:
        return self.low <= accuracy < self.high

    def __str__(self) -> str:
        return f"{self.low:g}+" if self.high == math.inf else f"{self.low:g}-{self.high:g}"


def parse_bucket(name: str) -> Bucket:
    """Return the bucket named ``20-30`` or ``70+``. Raise CondensationError if the name is not a range."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(?:\+|-(\d+(?:\.\d+)?))", name)
    low, high = (float(match[1]), float(match[2]) if match[2] else math.inf) if match else (0.0, 0.0)
    if low >= high:
        hint = "Use random, all, a range in percent such as 20-30, or 70+."
        raise CondensationError(f"There is no bucket {name!r} of networks.", hint=hint, setting="method.networks.bucket")
    return Bucket(low, high)


def buckets_between(bounds: Sequence[float]) -> list[Bucket]:
    """Return the buckets between neighbouring ``bounds``, and the open one above the last."""
    return [*(Bucket(low, high) for low, high in pairwise(bounds)), Bucket(bounds[-1], math.inf)]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A network at one step of its training."""

    step: int  # number of batches trained on
    accuracy: float  # on validation images, in percent
    weights: Mapping[str, Tensor]  # parameters and buffers by name


@dataclass(frozen=True)
class DataIdentity:
    """Properties of the images that networks were trained on, to recognize other images."""

    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    preprocessing: str  # fingerprint
    classes: dict[str, str]  # digest of the images by class index, since a subset of the classes may be condensed


@dataclass(frozen=True, kw_only=True)
class PoolRecord:
    """Content of `POOL_FILE`: how a pool was made, for which architecture and images."""

    format: int = FORMAT
    recipe: dict[str, Any] = field(default_factory=dict)  # the `PoolRecipe`
    network: dict[str, Any] = field(default_factory=dict)  # the `NetworkSpec` as settings
    spec: dict[str, Any]  # the `NetworkSpec` as `describe_spec` returns it
    networks: int
    bounds: tuple[float, ...]  # of the buckets, in percent
    data: DataIdentity
    versions: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SnapshotCard:
    """A `Snapshot` without its weights."""

    step: int
    accuracy: float


@dataclass(frozen=True)
class NetworkCard:
    """Card of the file of one network."""

    snapshots: tuple[SnapshotCard, ...]


def weights_rng(seed: int, number: int) -> Rng:
    """Return the stream of the initial weights of network ``number`` of a pool with ``seed``."""
    return Rng(seed).child("network", number).child("weights")


def describe_spec(spec: NetworkSpec) -> dict[str, Any]:
    """Return an architecture as plain values for comparison; no network is built from them."""
    values = ((field.name, getattr(spec, field.name)) for field in fields(spec))
    return {"kind": type(spec).__name__, **{name: value if _is_plain(value) else qualified_name(value) for name, value in values}}


def data_identity(real: ImageSet) -> DataIdentity:
    """Return the identity of ``real``."""
    digests = {str(label): real.select([label]).fingerprint() for label in real.classes}
    return DataIdentity(real.shape, tuple(real.class_names), real.preprocessing.fingerprint(), digests)


@dataclass(frozen=True)
class PoolStore:
    """A pool in a folder, read on demand. Methods that need all networks raise `CondensationError` if some are missing or damaged."""

    folder: Path
    record: PoolRecord

    @classmethod
    def create(cls, folder: Path, record: PoolRecord) -> PoolStore:
        """Write ``record`` to ``folder`` and return the empty pool."""
        write_json(folder / POOL_FILE, to_dict(record))
        return cls(folder, record)

    @classmethod
    def open(cls, folder: Path) -> PoolStore:
        """Return the pool in ``folder``. Raise CondensationError if there is none, or its record is damaged or of a later format."""
        path = folder / POOL_FILE
        if not path.is_file():
            hint = "Make one with make_pool, or with the command condense pools."
            raise CondensationError(f"There is no pool of networks in {folder}.", hint=hint, setting="method.networks.path")
        record = read_record(path, PoolRecord)
        if record.format != FORMAT:
            hint = f"{NEWER} Or make the pool again."
            raise CondensationError(f"{path} has format {record.format}; this version reads format {FORMAT}.", hint=hint)
        return cls(folder, record)

    @property
    def buckets(self) -> list[Bucket]:
        """Buckets between the bounds of the pool."""
        return buckets_between(self.record.bounds)

    def path(self, number: int) -> Path:
        """Return the file of one network."""
        return self.file(self.folder, number)

    @staticmethod
    def file(folder: Path, number: int) -> Path:
        """Return the file of one network of the pool in ``folder``."""
        return folder / NETWORKS_FOLDER / f"{number}.safetensors"

    def add(self, number: int, snapshots: Sequence[Snapshot]) -> None:
        """Write the snapshots of one network, in the order of their steps."""
        tensors = {f"{index}/{name}": tensor for index, snapshot in enumerate(snapshots) for name, tensor in snapshot.weights.items()}
        cards = [{"step": snapshot.step, "accuracy": snapshot.accuracy} for snapshot in snapshots]
        write_tensors(self.path(number), KIND, tensors, {"number": number, "snapshots": cards})

    def missing(self) -> list[int]:
        """Return the numbers of the networks that are not trained yet."""
        return [number for number in range(self.record.networks) if not self.path(number).exists()]

    def accuracies(self) -> list[float]:
        """Return the validation accuracies of all snapshots in percent, in ascending order."""
        return sorted(snapshot.accuracy for card, _ in self._cards() for snapshot in card.snapshots)

    def digest(self) -> str:
        """Return a digest of all networks."""
        return hashlib.blake2b(repr([digest for _, digest in self._cards()]).encode(), digest_size=16).hexdigest()

    def snapshots(self, bucket: Bucket | None = None) -> list[Snapshot]:
        """Return the snapshots in ``bucket``, or all, by network and step. Raise CondensationError if there is none."""
        chosen: list[Snapshot] = []
        for number, (card, _) in enumerate(self._cards()):
            indices = [index for index, snapshot in enumerate(card.snapshots) if bucket is None or snapshot.accuracy in bucket]
            chosen += self._read(number, card, indices)
        if not chosen:
            raise self._empty(bucket)
        return chosen

    def last(self) -> list[Snapshot]:
        """Return the last snapshot of each network."""
        snapshots: list[Snapshot] = []
        for number, (card, _) in enumerate(self._cards()):
            if not card.snapshots:
                raise CondensationError(f"Network {number} of the pool in {self.folder} has no snapshots.", hint="Make the pool again.")
            snapshots += self._read(number, card, [len(card.snapshots) - 1])
        return snapshots

    def _read(self, number: int, card: NetworkCard, indices: Sequence[int]) -> list[Snapshot]:
        """Return the snapshots at ``indices`` of one network, whose file is read if there are any."""
        tensors, chosen = read_tensors(self.path(number), KIND)[0] if indices else {}, []
        for index in indices:
            snapshot, prefix = card.snapshots[index], f"{index}/"
            weights = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
            chosen.append(Snapshot(snapshot.step, snapshot.accuracy, weights))
        return chosen

    def counts(self) -> dict[str, int]:
        """Return the number of snapshots in each of `buckets` that is not empty."""
        accuracies = self.accuracies()
        counts = {str(bucket): sum(accuracy in bucket for accuracy in accuracies) for bucket in self.buckets}
        return {name: count for name, count in counts.items() if count}

    def _cards(self) -> list[tuple[NetworkCard, str]]:
        """Return the card and the digest of each network."""
        missing, count = self.missing(), self.record.networks
        if missing:
            message = f"The pool in {self.folder} is not finished: {count - len(missing)} of {count} networks are trained."
            raise CondensationError(message, hint="Finish it with the call or command that started it.")
        cards = [(self.path(number), *read_card(self.path(number), KIND)) for number in range(count)]
        return [(as_record(card, NetworkCard, str(path)), digest) for path, card, digest in cards]

    def _empty(self, bucket: Bucket | None) -> CondensationError:
        """Return the error for a bucket without networks."""
        accuracies = self.accuracies()
        if not accuracies:
            message = f"The pool in {self.folder} has no networks: none reached its lowest bound."
            return CondensationError(message, hint="Train longer, or with a smaller learning rate.")
        message = f"No network in {self.folder} is in {bucket}: validation accuracies are {accuracies[0]:.1f} to {accuracies[-1]:.1f} %."
        hint = f"Choose one of {', '.join([RANDOM, *self.counts(), ALL])}, or make a pool with more epochs or a smaller growth."
        return CondensationError(message, hint=hint, setting="method.networks.bucket")


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    return value is None or isinstance(value, bool | int | float | str)
