"""Networks that follow others: running averages of weights, and what is left as it is for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def update_ema(average: nn.Module, network: nn.Module, kept: float, buffer_decay: float | None = None) -> None:
    """Let ``average`` keep that part of itself, and take the rest from ``network``, which has the same layers.

    Statistics that are no parameters keep ``buffer_decay``, or as much as these; whole numbers, such as counts of batches, are taken.
    """
    buffer_decay = kept if buffer_decay is None else buffer_decay
    with torch.no_grad():
        for parameter, theirs in zip(average.parameters(), network.parameters(), strict=True):
            parameter.lerp_(theirs, 1 - kept)
        for buffer, new in zip(average.buffers(), network.buffers(), strict=True):
            if not buffer.is_floating_point():
                buffer.copy_(new)
            elif buffer_decay < 1:
                buffer.lerp_(new, 1 - buffer_decay)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """A while in which gradients pass through ``network`` but none of its parameters gets one."""
    wanted = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)
