"""Bitwise comparison of two states of a method."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def same_state(first: Any, second: Any) -> bool:
    """Return whether nested dicts and lists hold the same tensors and numbers."""
    if isinstance(first, dict):
        return isinstance(second, dict) and first.keys() == second.keys() and all(same_state(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same_state, first, second))
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    return bool(first == second)
