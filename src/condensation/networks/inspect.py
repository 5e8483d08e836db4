"""Properties of a module observed in one forward pass: the layers that run, their outputs, and whether it draws random numbers."""

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
    """Record of one forward pass in training mode."""

    runs: dict[nn.Module, int] = field(default_factory=dict)  # number of runs of each layer
    outputs: dict[nn.Module, Any] = field(default_factory=dict)  # the last output of each layer
    last_linear: nn.Module | None = None
    draws_numbers: bool = False


def trace_forward(module: nn.Module, images: Tensor, num_classes: int, name: str) -> ForwardTrace:
    """Return a trace of ``module`` classifying ``images``. Raise CondensationError if it does not return logits (n, classes)."""
    trace = ForwardTrace()

    def record(layer: nn.Module, inputs: Any, output: Any) -> None:
        trace.runs[layer] = trace.runs.get(layer, 0) + 1
        trace.outputs[layer] = output
        if isinstance(layer, nn.Linear):
            trace.last_linear = layer

    handles = [layer.register_forward_hook(record) for layer in module.modules()]
    before = _generator_states()
    try:
        with user_errors(image_error(name, images)), torch.no_grad():
            logits = module.train()(images)
    finally:
        for handle in handles:
            handle.remove()
    trace.draws_numbers = _generator_states() != before
    expected = (len(images), num_classes)
    if not isinstance(logits, Tensor) or tuple(logits.shape) != expected:
        result = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise CondensationError(f"{name} returns {result} for {len(images)} images; expected logits of shape {expected} (images, classes).")
    return trace


def image_error(name: str, images: Tensor) -> str:
    """Return the beginning of the error for a network that fails on ``images``."""
    return f"{name} does not accept images of {'x'.join(map(str, images.shape[1:]))}"


@dataclass(frozen=True)
class Layer:
    """A layer whose output can be the embedding."""

    name: str
    kind: str
    shape: tuple[int, ...]  # of the output for one image
    runs: int  # in one forward pass; the embedding is the last output


def outline(spec: NetworkSpec, image_shape: Shape, num_classes: int) -> list[Layer]:
    """Return the layers of a network that run and return a tensor with one row per image."""
    with Rng(0).child("outline").globally():
        module = spec.raw_module(image_shape, num_classes)
        images = torch.randn(2, *image_shape)
        trace = trace_forward(module, images, num_classes, str(getattr(spec, "name", type(spec).__name__)))
    layers = []
    for key, layer in module.named_modules():
        output = trace.outputs.get(layer)
        if key and isinstance(output, Tensor) and output.ndim and len(output) == len(images):
            layers.append(Layer(key, type(layer).__name__, tuple(output.shape[1:]), trace.runs[layer]))
    return layers


def _generator_states() -> tuple[object, ...]:
    """Return the states of the global generators of torch, NumPy and Python."""
    _, keys, position, *_ = np.random.get_state()
    return bytes(torch.get_rng_state().numpy()), bytes(keys), position, random.getstate()  # type: ignore[arg-type]
