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
        if len(indices) == 0:  # a class of another task
            continue
        if len(indices) < 2:
            raise CondensationError(f"Class {name!r} has one image; holding one out needs two.", hint="Add images, or pass a test split.")
        count = max(1, round(len(indices) / TEST_SHARE))
        chosen[indices[Rng(SEED).child("test", label).permutation(len(indices))[:count]]] = True
    count = int(chosen.sum())
    note = f"No test split given: {count} of {len(chosen)} images, a fifth of each class, were held out at random (seed {SEED})."
    rest, test = _subset(train, ~chosen), _subset(train, chosen)
    details = {"set_aside": count, "of": len(chosen), "share_of_each_class": 1 / TEST_SHARE, "seed": SEED, "digest": _digest(test, chosen)}
    return rest, test, note, details


def _digest(test: RawSplit, chosen: torch.Tensor) -> str:
    """Return a digest of the names of the held-out images, or of their indices if they have no names."""
    names = [name.removeprefix(test.origin) for name in test.names] if test.names else chosen.nonzero().squeeze(1).tolist()
    return hashlib.blake2b(repr(names).encode(), digest_size=16).hexdigest()


def _subset(split: RawSplit, chosen: torch.Tensor) -> RawSplit:
    indices = chosen.nonzero().squeeze(1).tolist()
    names = tuple(split.names[index] for index in indices) if split.names else None
    return replace(split, images=split.images[chosen], labels=split.labels[chosen], names=names)
