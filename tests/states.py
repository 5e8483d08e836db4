"""Whether two states of a method are the same to the last bit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def same_state(one: Any, other: Any) -> bool:
    """Nested dicts and lists of tensors and numbers, compared."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same_state(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same_state, one, other))
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    return bool(one == other)
