"""A part of the training images set aside as a test part, where a person has none."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from condensation.core.errors import CondensationError
from condensation.core.rng import Rng
from condensation.data.dataset import Part

TEST_SHARE = 5  # one in five images of each class
SEED = 0


def set_aside(train: Part, names: Sequence[str]) -> tuple[Part, Part, str, dict[str, Any]]:
    """A fifth of each class, at least one image, as the test part; the same images whenever it is asked.

    Returns:
        The rest, the test part, a sentence, and for a card what decides the split and a digest of which images it set aside.
    """
    chosen = torch.zeros(len(train.labels), dtype=torch.bool)
    for label, name in enumerate(names):
        places = (train.labels == label).nonzero().squeeze(1)
        if len(places) < 2:
            raise CondensationError(f"Class {name!r} has one image, so none can be set aside for a test.\nAdd images, or give a test part.")
        count = max(1, round(len(places) / TEST_SHARE))
        chosen[places[Rng(SEED).child("test", label).permutation(len(places))[:count]]] = True
    count = int(chosen.sum())
    note = f"There was no test part: {count} of {len(chosen)} images, a fifth of each class, were set aside at random (seed {SEED})."
    rest, test = _only(train, ~chosen), _only(train, chosen)
    about = {"set_aside": count, "of": len(chosen), "share_of_each_class": 1 / TEST_SHARE, "seed": SEED, "digest": digest(test, chosen)}
    return rest, test, note, about


def digest(test: Part, chosen: torch.Tensor) -> str:
    """Which images were set aside: a digest of their names within the data, or of their places where they have none."""
    names = [name.removeprefix(test.origin) for name in test.names] if test.names else chosen.nonzero().squeeze(1).tolist()
    return hashlib.blake2b(repr(names).encode(), digest_size=16).hexdigest()


def _only(part: Part, chosen: torch.Tensor) -> Part:
    places = chosen.nonzero().squeeze(1).tolist()
    names = tuple(part.names[place] for place in places) if part.names else None
    return replace(part, images=part.images[chosen], labels=part.labels[chosen], names=names)
