"""Hold-out of a test split from the training images."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from condensation.core.errors import CondensationError
from condensation.core.rng import Rng
from condensation.data.dataset import RawSplit

TEST_SHARE = 5  # one in five images per class
SEED = 0


def hold_out_test(train: RawSplit, names: Sequence[str]) -> tuple[RawSplit, RawSplit, str, dict[str, Any]]:
    """Return training images, a fixed test split of a fifth of each class, a sentence for the user, and details with a digest for cards."""
    chosen = torch.zeros(len(train.labels), dtype=torch.bool)
    by_class = torch.split(train.labels.argsort(stable=True), train.labels.bincount(minlength=len(names)).tolist())
    for label, (name, indices) in enumerate(zip(names, by_class, strict=True)):
        if len(indices):  # else a class of another task
            chosen[indices[held_out(label, len(indices), name)]] = True
    rest, test = _subset(train, ~chosen), _subset(train, chosen)
    note, details = about_held_out(len(test.labels), len(chosen), test.names or chosen.nonzero().squeeze(1).tolist(), test.origin)
    return rest, test, note, details


def held_out(label: int, count: int, name: str) -> torch.Tensor:
    """Return the indices of the held-out images among the ``count`` images of the class ``label``, in random order."""
    if count < 2:
        raise CondensationError(f"Class {name!r} has one image; holding one out needs two.", hint="Add images, or pass a test split.")
    return Rng(SEED).child("test", label).permutation(count)[: max(1, round(count / TEST_SHARE))]


def about_held_out(count: int, total: int, which: Sequence[object], origin: str) -> tuple[str, dict[str, Any]]:
    """Return a sentence for the user, and details for cards with a digest of the names or indices of the held-out images."""
    note = f"No test split given: {count} of {total} images, a fifth of each class, were held out at random (seed {SEED})."
    names = [name.removeprefix(origin) if isinstance(name, str) else name for name in which]
    digest = hashlib.blake2b(repr(names).encode(), digest_size=16).hexdigest()
    return note, {"set_aside": count, "of": total, "share_of_each_class": 1 / TEST_SHARE, "seed": SEED, "digest": digest}


def _subset(split: RawSplit, chosen: torch.Tensor) -> RawSplit:
    indices = chosen.nonzero().squeeze(1).tolist()
    names = tuple(split.names[index] for index in indices) if split.names else None
    return replace(split, images=split.images[chosen], labels=split.labels[chosen], names=names)
