"""Search for images that occur twice."""

import numpy as np
import torch
from torch import Tensor

from condensation.core.stored_images import in_blocks

WORD = 8  # bytes hashed at once


def find_duplicates(train: Tensor, test: Tensor) -> Tensor:
    """Return the indices of the ``test`` images that equal a ``train`` image; both are (n, c, h, w) uint8."""
    train_hashes, test_hashes = (
        np.concatenate([hash_rows(block.contiguous().flatten(1).numpy()) for block in in_blocks(images)]) for images in (train, test)
    )
    hashes, indices = np.unique(train_hashes, return_index=True)
    matches = np.minimum(np.searchsorted(hashes, test_hashes), len(hashes) - 1)
    candidates = (hashes[matches] == test_hashes).nonzero()[0].tolist()
    # Equal hashes may be a coincidence, so compare the pixels with the first image of that hash.
    return torch.tensor([i for i in candidates if torch.equal(train[int(indices[matches[i]])], test[i])], dtype=torch.int64)


def find_repeated(images: Tensor) -> Tensor:
    """Return the indices of the ``images`` (n, c, h, w) uint8 that equal an earlier one."""
    hashes = np.concatenate([hash_rows(block.contiguous().flatten(1).numpy()) for block in in_blocks(images)])
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    earlier = first[inverse.reshape(-1)]
    candidates = (earlier < np.arange(len(hashes))).nonzero()[0].tolist()
    return torch.tensor([i for i in candidates if torch.equal(images[int(earlier[i])], images[i])], dtype=torch.int64)


def hash_rows(rows: np.ndarray) -> np.ndarray:
    """Return a hash (n,) uint64 per row of ``rows`` (n, bytes): the sum of its words times random odd weights."""
    whole = rows.shape[1] // WORD * WORD
    weights = np.random.default_rng(0).integers(1, 2**63, whole // WORD + rows.shape[1] - whole, dtype=np.uint64) * 2 + 1
    words = np.ascontiguousarray(rows[:, :whole]).view(np.uint64)
    rest = rows[:, whole:].astype(np.uint64) @ weights[whole // WORD :]
    return np.asarray(words @ weights[: whole // WORD] + rest)
