"""Exponential moving averages of networks, and temporary freezing of networks."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def update_ema(average: nn.Module, network: nn.Module, decay: float, buffer_decay: float | None = None) -> None:
    """Update ``average`` in place: decay * average + (1 - decay) * network; float buffers use ``buffer_decay``, by default ``decay``."""
    buffer_decay = decay if buffer_decay is None else buffer_decay
    with torch.no_grad():
        for parameter, new in zip(average.parameters(), network.parameters(), strict=True):
            parameter.lerp_(new, 1 - decay)
        for buffer, new_buffer in zip(average.buffers(), network.buffers(), strict=True):
            if not buffer.is_floating_point():
                buffer.copy_(new_buffer)
            elif buffer_decay < 1:
                buffer.lerp_(new_buffer, 1 - buffer_decay)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Freeze the parameters of ``network``; gradients still pass through it."""
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
