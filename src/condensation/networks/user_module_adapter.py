"""A module of any kind as a `Classifier`: embedded at a layer of it, and given new weights by being made anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from condensation.core.errors import CondensationError, did_you_mean
from condensation.core.images import Shape
from condensation.core.rng import Rng
from condensation.core.user_code import user_errors
from condensation.networks.base import Classifier
from condensation.networks.inspect import ForwardTrace, look, refused

Make = Callable[[Rng], nn.Module]  # the same module again, with other weights
SHOWN = 12  # layers in a message


class _Reached(BaseException):
    """Ends a forward pass at the layer that was wanted; no `except Exception` of a person's own stops it."""

    def __init__(self, output: Any) -> None:
        self.output = output


@dataclass
class Tap:
    """Takes what flows out of a layer, or into it: the last time that it runs in a forward pass."""

    runs: int = 1  # of the layer in a pass
    open: bool = False
    left: int = 0
    taken: Any = None

    def on_output(self, layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """A forward hook."""
        self._pass(output)

    def on_input(self, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        """A forward pre-hook."""
        self._pass(inputs[0])

    def _pass(self, value: Any) -> None:
        if not self.open:
            return
        self.left -= 1
        if self.left == 0:
            # What follows is of no use: a compiler drops it by itself, else it is not begun.
            if not torch.compiler.is_compiling():
                raise _Reached(value)
            # What follows may change it in place.
            self.taken = value.clone() if isinstance(value, Tensor) else value


class UserModuleAdapter(Classifier):
    """A person's own ``module``, embedded by its own ``embed``, or else by what ``layer`` gives.

    Raises:
        CondensationError: if the module does not turn images of ``image_shape`` into ``num_classes`` logits, or has no such layer.
    """

    lets_gradients_through = True

    def __init__(self, module: nn.Module, name: str, layer: str | None, make: Make, image_shape: Shape, num_classes: int) -> None:
        super().__init__()
        self.module, self.name, self.layer = module, name, layer
        self._make = make
        self._tap: Tap | None = None
        images = torch.randn(2, *image_shape)
        found = look(module, images, num_classes, name)
        self.draws_numbers = found.draws_numbers
        if layer is not None:
            self._embed_at(_layer(module, layer, name), found, inputs=False)
        elif not callable(getattr(module, "embed", None)):
            if found.last_linear is None:
                raise CondensationError(f"{name} has no nn.Linear to embed in front of.\nName a layer to embed at. {_layers_of(module)}")
            self._embed_at(found.last_linear, found, inputs=True)
        self._check_embedding(images)

    def _embed_at(self, layer: nn.Module, found: ForwardTrace, inputs: bool) -> None:
        runs = found.runs.get(layer, 0)
        if not runs:
            raise CondensationError(f"The layer {self.layer!r} of {self.name} does not run, so one can't embed at it.")
        self._tap = Tap(runs)
        if inputs:
            layer.register_forward_pre_hook(self._tap.on_input)
        else:
            layer.register_forward_hook(self._tap.on_output)

    def embed(self, images: Tensor) -> Tensor:
        if images.requires_grad and not self.lets_gradients_through:
            raise CondensationError(
                f"No gradient passes from the embedding of {self.name} to the images, so none can be learned through it.\n"
                "Let it compute without torch.no_grad or detach, or name another layer."
            )
        features = self.module.embed(images) if self._tap is None else self._tapped(self._tap, images)  # type: ignore[operator]
        if not isinstance(features, Tensor):
            raise CondensationError(f"The embedding of {self.name} is a {type(features).__name__}, not a tensor.\nName another layer.")
        return features.flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.module(images)
        return logits

    def _tapped(self, tap: Tap, images: Tensor) -> Any:
        tap.open, tap.left = True, tap.runs
        try:
            self.module(images)
        except _Reached as reached:
            return reached.output
        finally:
            tap.open = False
        taken, tap.taken = tap.taken, None
        return taken

    def _check_embedding(self, images: Tensor) -> None:
        """That there is one number or more for each image; and whether an image's embedding depends on the others."""
        images = images.clone().requires_grad_()
        with user_errors(refused(self.name, images)):
            features = self.embed(images)
        if features.ndim != 2 or len(features) != len(images) or not features.shape[1]:
            raise CondensationError(
                f"{self.name} embeds {len(images)} images as {tuple(features.shape)}; the first side must be the images.\n"
                "Name another layer."
            )
        self.lets_gradients_through = features.requires_grad
        if features.requires_grad:
            weights = torch.linspace(1, 2, features.shape[1], dtype=features.dtype)
            (gradient,) = torch.autograd.grad((features[0] * weights).sum(), images, allow_unused=True)
            self.mixes_images = gradient is not None and bool(gradient[1:].any())
            self.lets_gradients_through = gradient is not None

    def redraw(self, rng: Rng) -> None:
        """New weights in place, those that the module has when it is made anew under ``rng``; buffers too."""
        twin = self._make(rng)
        drawn, own = state_of(twin), state_of(self.module)
        if {key: value.shape for key, value in drawn.items()} != {key: value.shape for key, value in own.items()}:
            raise CondensationError(
                f"{self.name} gives another architecture each time that it is called.\nLet its options alone decide the architecture."
            )
        with torch.no_grad():
            for key, value in own.items():
                value.copy_(drawn[key])


def state_of(module: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers, those that are not saved too."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def materialise(module: nn.Module, images: Tensor, name: str) -> None:
    """Let lazy layers, whose sizes follow from what they see, see ``images``."""
    if any(isinstance(parameter, UninitializedParameter) for parameter in module.parameters()):
        with user_errors(refused(name, images)), torch.no_grad():
            module(images)


def _layer(module: nn.Module, layer: str, name: str) -> nn.Module:
    layers: dict[str, nn.Module] = dict(module.named_modules())
    layers.pop("")
    if layer not in layers:
        raise CondensationError(f"{name} has no layer {layer!r}.{did_you_mean(layer, layers)}\n{_layers_of(module)}")
    return layers[layer]


def _layers_of(module: nn.Module) -> str:
    names = [key for key, _ in module.named_modules() if key]
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"It has {', '.join(names[:SHOWN])}{more}." if names else "It has no layers."
