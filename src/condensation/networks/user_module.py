"""Any `nn.Module` as a network: by name, ``module:function`` or ``path/to/file.py:function``, or as an object."""

import copy
import inspect
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import nn

from condensation.core.errors import CondensationError, did_you_mean, unknown
from condensation.core.images import Shape
from condensation.core.plain import qualified_name
from condensation.core.rng import Rng
from condensation.core.user_code import import_object, user_errors
from condensation.networks.base import Classifier, NetworkSpec, initialize
from condensation.networks.user_module_adapter import UserModuleAdapter, materialize_lazy_layers

logger = logging.getLogger(__name__)

# Parameter names by which a callable receives the image shape and the number of classes. Options may refer to the keys: {channels}.
PARAMETERS = {
    "image_shape": ("image_shape", "input_shape"),  # (channels, height, width)
    "num_classes": ("num_classes", "n_classes", "classes"),
    "channels": ("channels", "in_channels", "in_chans"),
    "image_size": ("image_size", "img_size"),  # the side of a square image, else (height, width)
}


@dataclass(frozen=True)
class UserModule(NetworkSpec):
    """A network defined by the user.

    ``target`` is called with ``options`` and with the parameters of `PARAMETERS` that its signature names. Re-initialization calls it
    again under a seed and copies all parameters and buffers, so any module and any initialization works. A module instance is
    re-initialized layer by layer instead.

    >>> import torch
    >>> from torch import nn
    >>> from condensation import Rng, UserModule
    >>> def small(channels, num_classes):
    ...     return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes))
    >>> network = UserModule(small).build((3, 32, 32), num_classes=10, rng=Rng(0))
    >>> network.embed(torch.rand(2, 3, 32, 32)).shape  # the input of the last linear layer
    torch.Size([2, 4])
    """

    name_field: ClassVar[str | None] = "target"
    target: str | Callable[..., nn.Module]
    """Function, class or module instance, or its name: module:name or path/to/file.py:name."""
    layer: str | None = None
    """Layer whose output is the embedding. None: the module's method embed, or else the input of its last nn.Linear."""
    options: dict[str, object] = field(default_factory=dict, hash=False)
    """Further keyword arguments of target; "{channels}" and other keys of `PARAMETERS` stand for their values."""

    @property
    def label(self) -> str:
        """Name of the target in messages and on cards."""
        return qualified_name(self.target)

    @property
    def factory(self) -> Callable[..., nn.Module]:
        """The callable that ``target`` names. Raise CondensationError if the target does not exist or cannot make a module."""
        target: Any = import_object(self.target) if isinstance(self.target, str) else self.target
        if isinstance(target, NetworkSpec) or (isinstance(target, type) and issubclass(target, NetworkSpec)):
            raise CondensationError(f"{self.label} is already a NetworkSpec.", hint="Use it directly, without UserModule.")
        if not callable(target):
            raise CondensationError(f"Expected a function, a class or a module, got {self.label} of type {type(target).__name__}.")
        return target  # type: ignore[no-any-return]

    def layers(self, image_shape: Shape, num_classes: int) -> Classifier:
        make = self._maker(image_shape, num_classes)
        with Rng(0).child("own").globally():  # the test images must not depend on the global generators
            return UserModuleAdapter(make(Rng(0).child("first")), self.label, self.layer, make, image_shape, num_classes)

    def raw_module(self, image_shape: Shape, num_classes: int) -> nn.Module:
        return self._maker(image_shape, num_classes)(Rng(0).child("first"))

    def build(self, image_shape: Shape, num_classes: int, rng: Rng) -> Classifier:
        network = self.layers(image_shape, num_classes)
        first = [value.clone() for value in network.parameters()]
        network.redraw(rng.child("other"))
        if all(map(torch.equal, first, network.parameters())):
            logger.warning("%s returns the same weights at each call: it sets them, or a seed, itself.", self.label)
        network.redraw(rng)
        return network

    def _maker(self, image_shape: Shape, num_classes: int) -> Callable[[Rng], nn.Module]:
        """Return the function that makes the module from a stream."""
        factory = self.factory
        if isinstance(factory, nn.Module):
            return lambda rng: _reinitialized_copy(factory, rng)
        arguments = self._arguments(factory, image_shape, num_classes)
        shape = "x".join(map(str, image_shape))

        def make(rng: Rng) -> nn.Module:
            with rng.globally():
                with user_errors(f"{self.label} failed for images of {shape} and {num_classes} classes"):
                    module = factory(**arguments)
                if not isinstance(module, nn.Module):
                    raise CondensationError(f"{self.label} returns {type(module).__name__}; expected an nn.Module.")
                materialize_lazy_layers(module, torch.zeros(2, *image_shape), self.label)
            if not any(True for _ in module.parameters()):
                raise CondensationError(f"{self.label} returns a module without parameters, so there is nothing to train.")
            return module.to("cpu", torch.float32)

        return make

    def _arguments(self, factory: Callable[..., nn.Module], image_shape: Shape, num_classes: int) -> dict[str, object]:
        """Return the keyword arguments for ``factory``."""
        channels, height, width = image_shape
        size = height if height == width else (height, width)
        values = {"image_shape": (channels, height, width), "num_classes": num_classes, "channels": channels, "image_size": size}
        try:
            parameters = inspect.signature(factory).parameters
        except (TypeError, ValueError):  # written in C
            raise CondensationError(f"{self.label} has no readable signature.", hint="Wrap it in a Python function.") from None
        kinds = inspect.Parameter
        accepted = [name for name, parameter in parameters.items() if parameter.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)]
        accepts_any = any(parameter.kind is kinds.VAR_KEYWORD for parameter in parameters.values())
        arguments = {name: values[meaning] for meaning, names in PARAMETERS.items() for name in names if name in accepted}
        if accepts_any and not any(name in arguments for name in PARAMETERS["num_classes"]):
            arguments["num_classes"] = num_classes  # the name that timm and torchvision use
        arguments |= {name: _substituted(value, values) for name, value in self.options.items()}
        for name in self.options:
            if name not in accepted and not accepts_any:
                message, hint = f"{self.label} has no option {name!r}.{did_you_mean(name, accepted)}", ", ".join(accepted) or "nothing"
                raise CondensationError(message, hint=f"It accepts {hint}.", setting=f"network.options.{name}")
        for name, parameter in parameters.items():
            variadic = parameter.kind in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL)
            if parameter.default is kinds.empty and not variadic and name not in arguments:
                hint = f"Set options.{name}=VALUE, or rename the parameter to one of {', '.join(PARAMETERS)}."
                raise CondensationError(f"{self.label} needs a value for {name!r}.", hint=hint, setting=f"network.options.{name}")
        return arguments


def _substituted(value: object, values: dict[str, object]) -> object:
    """Return ``value``, with a placeholder such as {channels} replaced by its value."""
    placeholder = re.fullmatch(r"\{(\w+)\}", value) if isinstance(value, str) else None
    if placeholder is None:
        return value
    if placeholder[1] not in values:
        raise unknown("placeholder", placeholder[1], values, setting="network.options")
    return values[placeholder[1]]


def _reinitialized_copy(module: nn.Module, rng: Rng) -> nn.Module:
    """Return a copy of ``module``, initialized layer by layer."""
    module = copy.deepcopy(module).to("cpu", torch.float32)
    initialize(module, rng)
    return module
