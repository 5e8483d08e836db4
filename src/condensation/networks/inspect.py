"""What one forward pass shows of a module: which layers run, what they give, whether it draws numbers of its own."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from condensation.core.errors import CondensationError
from condensation.core.images import Shape
from condensation.core.rng import Rng
from condensation.core.user_code import user_errors
from condensation.networks.base import NetworkSpec


@dataclass
class ForwardTrace:
    """What one forward pass in training mode showed."""

    runs: dict[nn.Module, int] = field(default_factory=dict)  # how often each layer ran
    outputs: dict[nn.Module, Any] = field(default_factory=dict)  # what it gave the last time
    last_linear: nn.Module | None = None
    draws_numbers: bool = False


def look(module: nn.Module, images: Tensor, num_classes: int, name: str) -> ForwardTrace:
    """Let ``module`` classify ``images``, and see which layers run.

    Raises:
        CondensationError: if it cannot, or gives something else than logits (n, classes).
    """
    found = ForwardTrace()

    def seen(layer: nn.Module, inputs: Any, output: Any) -> None:
        found.runs[layer] = found.runs.get(layer, 0) + 1
        found.outputs[layer] = output
        if isinstance(layer, nn.Linear):
            found.last_linear = layer

    handles = [layer.register_forward_hook(seen) for layer in module.modules()]
    before = _positions()
    try:
        with user_errors(refused(name, images)), torch.no_grad():
            logits = module.train()(images)
    finally:
        for handle in handles:
            handle.remove()
    found.draws_numbers = _positions() != before
    if not isinstance(logits, Tensor):
        raise CondensationError(f"{name} gives a {type(logits).__name__} for images; it must give logits, a tensor (n, classes).")
    if tuple(logits.shape) != (len(images), num_classes):
        raise CondensationError(
            f"{name} gives {tuple(logits.shape)} for {len(images)} images of {num_classes} classes; "
            f"it must give logits {(len(images), num_classes)}."
        )
    return found


def refused(name: str, images: Tensor) -> str:
    """How an error begins that ``images`` brought about."""
    return f"{name} does not take images of {'x'.join(map(str, images.shape[1:]))}"


@dataclass(frozen=True)
class Layer:
    """A place to embed at."""

    name: str
    kind: str
    shape: tuple[int, ...]  # of what it gives for one image
    runs: int  # in one pass; what counts is the last


def outline(spec: NetworkSpec, image_shape: Shape, num_classes: int) -> list[Layer]:
    """The layers of a network that run and give a tensor, a row for each image."""
    with Rng(0).child("outline").globally():
        module = spec.raw_module(image_shape, num_classes)
        images = torch.randn(2, *image_shape)
        found = look(module, images, num_classes, str(getattr(spec, "name", type(spec).__name__)))
    layers = []
    for key, layer in module.named_modules():
        output = found.outputs.get(layer)
        if key and isinstance(output, Tensor) and output.ndim and len(output) == len(images):
            layers.append(Layer(key, type(layer).__name__, tuple(output.shape[1:]), found.runs[layer]))
    return layers


def _positions() -> tuple[object, ...]:
    """Where the global generators stand."""
    _, keys, position, *_ = np.random.get_state()
    return bytes(torch.get_rng_state().numpy()), bytes(keys), position, random.getstate()  # type: ignore[arg-type]
