"""Adapter that turns any module into a `Classifier`: a layer provides the embedding, and a new copy provides new weights."""

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
from condensation.networks.inspect import ForwardTrace, image_error, trace_forward

Make = Callable[[Rng], nn.Module]  # makes the module with new weights
MAX_LISTED = 12  # layers in a message
LAYER, OTHER_LAYER = "network.layer", "Choose another layer."


class _EmbeddingReached(BaseException):
    """Signal that ends a forward pass at the embedding layer; as a BaseException, it is not caught by a user's `except Exception`."""

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass
class Tap:
    """Hook that captures the input or output of a layer at its last run in a forward pass."""

    runs: int  # of the layer in a forward pass
    active: bool = False
    remaining: int = 0  # runs left in this pass
    value: Any = None

    def capture(self, value: Any) -> None:
        """Keep ``value``, the input or output of the layer, if this is its last run."""
        if not self.active:
            return
        self.remaining -= 1
        if self.remaining == 0:
            # Later layers are not needed: end the pass, or let the compiler remove them.
            if not torch.compiler.is_compiling():
                raise _EmbeddingReached(value)
            # A copy, because later layers may change it in place.
            self.value = value.clone() if isinstance(value, Tensor) else value


class UserModuleAdapter(Classifier):
    """A user's ``module``, embedded by the output of ``layer``, by its method ``embed``, or by the input of its last nn.Linear."""

    lets_gradients_through = True

    def __init__(self, module: nn.Module, name: str, layer: str | None, make: Make, image_shape: Shape, num_classes: int) -> None:
        super().__init__()
        self.module, self.name, self.layer = module, name, layer
        self._make = make
        self._tap: Tap | None = None
        images = torch.randn(2, *image_shape)
        trace = trace_forward(module, images, num_classes, name)
        self.draws_numbers = trace.draws_numbers
        if layer is not None:
            self._embed_at(_find_layer(module, layer, name), trace, inputs=False)
        elif not callable(getattr(module, "embed", None)):
            if trace.last_linear is None:
                hint = f"Set layer to the one whose output is the embedding. {_list_layers(module)}"
                raise CondensationError(f"{name} has no nn.Linear, whose input would be the embedding.", hint=hint, setting=LAYER)
            self._embed_at(trace.last_linear, trace, inputs=True)
        self._check_embedding(images)

    def _embed_at(self, layer: nn.Module, trace: ForwardTrace, inputs: bool) -> None:
        runs = trace.runs.get(layer, 0)
        if not runs:
            raise CondensationError(f"The layer {self.layer!r} of {self.name} does not run.", hint=OTHER_LAYER, setting=LAYER)
        self._tap = Tap(runs)
        capture = self._tap.capture
        if inputs:
            layer.register_forward_pre_hook(lambda layer, inputs: capture(inputs[0]))
        else:
            layer.register_forward_hook(lambda layer, inputs, output: capture(output))

    def embed(self, images: Tensor) -> Tensor:
        if images.requires_grad and not self.lets_gradients_through:
            message = f"The embedding of {self.name} has no gradient with respect to the images."
            raise CondensationError(message, hint="Compute it without torch.no_grad and detach, or choose another layer.", setting=LAYER)
        features = self.module.embed(images) if self._tap is None else self._captured(self._tap, images)  # type: ignore[operator]
        if not isinstance(features, Tensor):
            message = f"The embedding of {self.name} is a {type(features).__name__}; expected a tensor."
            raise CondensationError(message, hint=OTHER_LAYER, setting=LAYER)
        return features.flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.module(images)  # type: ignore[no-any-return]

    def _captured(self, tap: Tap, images: Tensor) -> Any:
        tap.active, tap.remaining = True, tap.runs
        try:
            self.module(images)
        except _EmbeddingReached as reached:
            return reached.value
        finally:
            tap.active = False
        value, tap.value = tap.value, None
        return value

    def _check_embedding(self, images: Tensor) -> None:
        """Check the shape of the embedding, and whether it depends on the other images of the batch."""
        images = images.clone().requires_grad_()
        with user_errors(image_error(self.name, images)):
            features = self.embed(images)
        if features.ndim != 2 or len(features) != len(images) or not features.shape[1]:
            message = f"{self.name} embeds {len(images)} images as {tuple(features.shape)}; expected one row per image."
            raise CondensationError(message, hint=OTHER_LAYER, setting=LAYER)
        self.lets_gradients_through = features.requires_grad
        if features.requires_grad:
            weights = torch.linspace(1, 2, features.shape[1], dtype=features.dtype)
            (gradient,) = torch.autograd.grad((features[0] * weights).sum(), images, allow_unused=True)
            self.mixes_images = gradient is not None and bool(gradient[1:].any())
            self.lets_gradients_through = gradient is not None

    def redraw(self, rng: Rng) -> None:
        """Re-initialize parameters and buffers from ``rng``, in place, with those of a new module."""
        current, new = state_of(self.module), state_of(self._make(rng))
        if {key: value.shape for key, value in new.items()} != {key: value.shape for key, value in current.items()}:
            hint = "Let the architecture depend on the arguments only."
            raise CondensationError(f"{self.name} returns a different architecture at each call.", hint=hint)
        with torch.no_grad():
            for key, value in current.items():
                value.copy_(new[key])


def state_of(module: nn.Module) -> dict[str, Tensor]:
    """Return all parameters and buffers, including buffers that state_dict leaves out."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def materialize_lazy_layers(module: nn.Module, images: Tensor, name: str) -> None:
    """Fix the sizes of lazy layers with a forward pass of ``images``."""
    if any(isinstance(parameter, UninitializedParameter) for parameter in module.parameters()):
        with user_errors(image_error(name, images)), torch.no_grad():
            module(images)


def _find_layer(module: nn.Module, layer: str, name: str) -> nn.Module:
    layers: dict[str, nn.Module] = dict(module.named_modules())
    layers.pop("")
    if layer not in layers:
        raise CondensationError(f"{name} has no layer {layer!r}.{did_you_mean(layer, layers)}", hint=_list_layers(module), setting=LAYER)
    return layers[layer]


def _list_layers(module: nn.Module) -> str:
    names = [key for key, _ in module.named_modules() if key]
    more = f", and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return f"It has {', '.join(names[:MAX_LISTED])}{more}." if names else "It has no layers."
