"""Images that are in both parts: a test on them says nothing."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

WORD = 8  # bytes that are hashed at once


def in_both(train: Tensor, test: Tensor) -> Tensor:
    """Which images of ``test`` are, pixel for pixel, in ``train`` too: their places. Both are (n, c, h, w) uint8."""
    train_rows, test_rows = (images.contiguous().flatten(1).numpy() for images in (train, test))
    keys, firsts = np.unique(hashes(train_rows), return_index=True)
    wanted = hashes(test_rows)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    alike = (keys[places] == wanted).nonzero()[0]
    # The same hash may be chance, so look; an image as good as never shares it with one that it does not equal and one that it does.
    same = [place for place in alike.tolist() if np.array_equal(train_rows[firsts[places[place]]], test_rows[place])]
    return torch.tensor(same, dtype=torch.int64)


def hashes(rows: np.ndarray) -> np.ndarray:
    """A hash (n,) uint64 of each of ``rows`` (n, bytes): the sum of its words, each times a number of its own."""
    whole = rows.shape[1] // WORD * WORD
    weights = np.random.default_rng(0).integers(1, 2**63, whole // WORD + rows.shape[1] - whole, dtype=np.uint64) * 2 + 1
    words = np.ascontiguousarray(rows[:, :whole]).view(np.uint64)
    rest = rows[:, whole:].astype(np.uint64) @ weights[whole // WORD :]
    return np.asarray(words @ weights[: whole // WORD] + rest)
