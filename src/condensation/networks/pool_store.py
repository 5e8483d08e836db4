"""Pools of trained networks on disk: weights as they were at some steps of training, and how accurate the networks then were."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.storage import read_card, read_json, read_tensors, write_json, write_tensors
from condensation.core.user_code import qualified_name
from condensation.networks.base import NetworkSpec

POOL_FILE, NETWORKS_FOLDER, KIND = "pool.json", "networks", "network under training"
RANDOM, ALL = "random", "all"
FORMS = "Write random, all, a range in percent such as 20-30, or 70+."


@dataclass(frozen=True)
class Bucket:
    """Networks whose validation accuracy in percent is at least ``low`` and below ``high``; what reaches an infinite ``high`` is in it."""

    low: float
    high: float

    def __contains__(self, accuracy: float) -> bool:
        return self.low <= accuracy < self.high

    def __str__(self) -> str:
        return f"{self.low:g}+" if self.high == math.inf else f"{self.low:g}-{self.high:g}"


def parse_bucket(name: str) -> Bucket:
    """The bucket called ``20-30`` or ``70+``.

    Raises:
        CondensationError: if that is no range.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:\+|-(\d+(?:\.\d+)?))", name)
    low, high = (float(found[1]), float(found[2]) if found[2] else math.inf) if found else (0.0, 0.0)
    if low >= high:
        raise CondensationError(f"There is no bucket {name!r} of networks.\n{FORMS}")
    return Bucket(low, high)


def buckets_between(bounds: Sequence[float]) -> list[Bucket]:
    """The buckets between ``bounds``, and the one from the last on."""
    return [*(Bucket(low, high) for low, high in pairwise(bounds)), Bucket(bounds[-1], math.inf)]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A network at one moment of its training."""

    step: int  # batches that it had learned from
    accuracy: float  # on validation images, in percent
    weights: Mapping[str, Tensor]  # its parameters and buffers by name


def describe_spec(spec: NetworkSpec) -> dict[str, Any]:
    """An architecture in words and numbers, from which no code is made: for comparing."""
    values = {field.name: getattr(spec, field.name) for field in fields(spec)}
    return {"kind": type(spec).__name__, **{name: value if _is_plain(value) else qualified_name(value) for name, value in values.items()}}


def data_identity(real: ImageSet) -> dict[str, Any]:
    """What must be known of images to tell whether networks were made for them; digests class by class, since a part may be condensed."""
    return {
        "shape": list(real.shape),
        "class_names": list(real.class_names),
        "preprocessing": real.preprocessing.fingerprint(),
        "classes": {str(label): real.select([label]).fingerprint() for label in real.classes},
    }


@dataclass(frozen=True)
class PoolStore:
    """A pool in a folder: networks are read when they are asked for."""

    folder: Path
    about: Mapping[str, Any]  # how it was made, and for which images and architecture

    @classmethod
    def create(cls, folder: Path, about: Mapping[str, Any]) -> PoolStore:
        """A pool that is still empty; ``about`` must have ``networks`` (how many there will be), ``bounds``, ``spec`` and ``data``."""
        write_json(folder / POOL_FILE, {"format": 1, **about})
        return cls(folder, about)

    @classmethod
    def open(cls, folder: Path) -> PoolStore:
        """The pool in ``folder``.

        Raises:
            CondensationError: if there is none.
        """
        if not (folder / POOL_FILE).is_file():
            raise CondensationError(f"There is no pool of networks in {folder}.\nMake one: condense pools --data NAME --out FOLDER")
        about = read_json(folder / POOL_FILE)
        if not isinstance(about, dict) or not {"networks", "bounds", "spec", "data"} <= about.keys() or about.get("format") != 1:
            raise CondensationError(f"{folder / POOL_FILE} does not say what the pool holds, or is of a later version.\nMake the pool again.")
        return cls(folder, about)

    @property
    def buckets(self) -> list[Bucket]:
        """Those into which the pool was sorted when it was made."""
        return buckets_between(self.about["bounds"])

    def path(self, number: int) -> Path:
        """The file of one network."""
        return self.folder / NETWORKS_FOLDER / f"{number}.safetensors"

    def add(self, number: int, snapshots: Sequence[Snapshot]) -> None:
        """Keep the snapshots of one network, in the order of their steps."""
        tensors = {f"{place}/{name}": tensor for place, one in enumerate(snapshots) for name, tensor in one.weights.items()}
        moments = [{"step": one.step, "accuracy": one.accuracy} for one in snapshots]
        write_tensors(self.path(number), KIND, tensors, {"number": number, "snapshots": moments})

    def missing(self) -> list[int]:
        """The numbers of the networks that are not there yet."""
        return [number for number in range(self.about["networks"]) if not self.path(number).exists()]

    def accuracies(self) -> list[float]:
        """Of all snapshots, from the lowest, in percent.

        Raises:
            CondensationError: if networks are missing.
        """
        self._need_all()
        return sorted(moment["accuracy"] for card, _ in self._cards() for moment in card["snapshots"])

    def digest(self) -> str:
        """A name for all that is in the pool.

        Raises:
            CondensationError: if networks are missing.
        """
        self._need_all()
        return hashlib.blake2b(repr([digest for _, digest in self._cards()]).encode(), digest_size=16).hexdigest()

    def snapshots(self, wanted: Bucket | None = None) -> list[Snapshot]:
        """Those in the bucket ``wanted``, or all: network by network, step by step.

        Raises:
            CondensationError: if there is none, saying which accuracies exist; or if networks are missing or damaged.
        """
        self._need_all()
        found = [one for number in range(self.about["networks"]) for one in self._of_network(number, wanted)]
        if not found:
            raise CondensationError(self.said_of_empty(str(wanted) if wanted else ALL))
        return found

    def said_of_empty(self, name: str) -> str:
        """What a person is told of a bucket without networks."""
        accuracies = self.accuracies()
        if not accuracies:
            return f"No network of the pool in {self.folder} was kept.\nTrain longer, or with a smaller learning rate."
        return (
            f"No network in {self.folder} is in {name}: validation accuracies are {accuracies[0]:.1f} to {accuracies[-1]:.1f} %.\n"
            f"There is: {', '.join([RANDOM, *self.counts(), ALL])}.\n"
            "For others, make a pool whose networks are trained longer, or looked at more often (growth)."
        )

    def counts(self) -> dict[str, int]:
        """How many snapshots lie in each of `buckets`; those without one are left out."""
        accuracies = self.accuracies()
        counts = {str(one): sum(accuracy in one for accuracy in accuracies) for one in self.buckets}
        return {name: count for name, count in counts.items() if count}

    def _of_network(self, number: int, wanted: Bucket | None) -> list[Snapshot]:
        card, _ = read_card(self.path(number), KIND)
        if not any(wanted is None or moment["accuracy"] in wanted for moment in card["snapshots"]):
            return []
        tensors, card = read_tensors(self.path(number), KIND)
        chosen = [(place, one) for place, one in enumerate(card["snapshots"]) if wanted is None or one["accuracy"] in wanted]
        return [Snapshot(one["step"], one["accuracy"], _of_place(tensors, place)) for place, one in chosen]

    def _cards(self) -> list[tuple[dict[str, Any], str]]:
        return [read_card(self.path(number), KIND) for number in range(self.about["networks"])]

    def _need_all(self) -> None:
        missing, count = self.missing(), self.about["networks"]
        if missing:
            raise CondensationError(
                f"The pool in {self.folder} is not finished: {count - len(missing)} of {count} networks are there.\n"
                "Go on with the command that began it."
            )


def _of_place(tensors: Mapping[str, Tensor], place: int) -> dict[str, Tensor]:
    start = f"{place}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    return value is None or isinstance(value, bool | int | float | str)
