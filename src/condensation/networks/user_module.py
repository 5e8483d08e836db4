"""Any `nn.Module` as a network: by name, ``module:function`` or ``path/to/file.py:function``, or as an object."""

from __future__ import annotations

import copy
import inspect
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import nn

from condensation.core.errors import CondensationError, did_you_mean
from condensation.core.images import Shape
from condensation.core.rng import Rng
from condensation.core.user_code import import_object, qualified_name, user_errors
from condensation.networks.base import Classifier, NetworkSpec, initialize
from condensation.networks.user_module_adapter import UserModuleAdapter, materialise

logger = logging.getLogger(__name__)

# What the callable is told, by the names of its parameters; the first name of each row can stand for it in options, as {channels}.
PARAMETERS = {
    "image_shape": ("image_shape", "input_shape"),  # (channels, height, width)
    "num_classes": ("num_classes", "n_classes", "classes"),
    "channels": ("channels", "in_channels", "in_chans"),
    "image_size": ("image_size", "img_size"),  # the side of a square image, else (height, width)
}


@dataclass(frozen=True)
class UserModule(NetworkSpec):
    """A network of a person's own.

    ``target`` is called with what the names of its parameters ask for (image_shape, num_classes, channels, image_size; see
    `PARAMETERS`) and with ``options``. A network is drawn by calling it anew, under a seed, and copying all parameters and
    buffers: so it may hold anything, and initialise as it likes. A module that is already made is initialised
    layer by layer instead.
    """

    name_field: ClassVar[str | None] = "target"
    target: str | Callable[..., nn.Module]
    layer: str | None = None  # whose output is the embedding; None: the module's `embed`, else what goes into its last nn.Linear
    options: dict[str, object] = field(default_factory=dict, hash=False)

    @property
    def label(self) -> str:
        """Name in messages and on cards."""
        return qualified_name(self.target)

    @property
    def factory(self) -> Callable[..., nn.Module]:
        """What ``target`` names.

        Raises:
            CondensationError: if it names nothing, or nothing that can make a module.
        """
        found: Any = import_object(self.target) if isinstance(self.target, str) else self.target
        if isinstance(found, NetworkSpec) or (isinstance(found, type) and issubclass(found, NetworkSpec)):
            raise CondensationError(f"{self.label} is a NetworkSpec already.\nTake it as it is, not as an Own network.")
        if not callable(found):
            raise CondensationError(f"{self.label} is of type {type(found).__name__}; a network is made by a function or a class.")
        return found  # type: ignore[no-any-return]

    def layers(self, image_shape: Shape, num_classes: int) -> Classifier:
        make = self._maker(image_shape, num_classes)
        with Rng(0).child("own").globally():  # what is seen depends on no generator
            return UserModuleAdapter(make(Rng(0).child("first")), self.label, self.layer, make, image_shape, num_classes)

    def raw_module(self, image_shape: Shape, num_classes: int) -> nn.Module:
        return self._maker(image_shape, num_classes)(Rng(0).child("first"))

    def build(self, image_shape: Shape, num_classes: int, rng: Rng) -> Classifier:
        network = self.layers(image_shape, num_classes)
        before = [value.clone() for value in network.parameters()]
        network.redraw(rng.child("other"))
        if all(map(torch.equal, before, network.parameters())):
            logger.warning("Each network that %s draws is the same: it sets its weights, or a seed, by itself.", self.label)
        network.redraw(rng)
        return network

    def _maker(self, image_shape: Shape, num_classes: int) -> Callable[[Rng], nn.Module]:
        code = self.factory
        if isinstance(code, nn.Module):
            return lambda rng: _redrawn(code, rng)
        arguments = self._arguments(code, image_shape, num_classes)
        shape = "x".join(map(str, image_shape))

        def make(rng: Rng) -> nn.Module:
            with rng.globally():
                with user_errors(f"{self.label} failed for images of {shape} and {num_classes} classes"):
                    module = code(**arguments)
                if not isinstance(module, nn.Module):
                    raise CondensationError(f"{self.label} gives {type(module).__name__}; it must give an nn.Module.")
                materialise(module, torch.zeros(2, *image_shape), self.label)
            if not any(True for _ in module.parameters()):
                raise CondensationError(f"{self.label} gives a module without parameters, so there is nothing to draw or to train.")
            return module.to("cpu", torch.float32)

        return make

    def _arguments(self, code: Callable[..., nn.Module], image_shape: Shape, num_classes: int) -> dict[str, object]:
        """What ``code`` is called with."""
        values = _values(image_shape, num_classes)
        try:
            parameters = inspect.signature(code).parameters
        except (TypeError, ValueError):  # written in C
            raise CondensationError(f"{self.label} does not say what it takes.\nWrite a function around it.") from None
        kinds = inspect.Parameter
        takes = {name: one for name, one in parameters.items() if one.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)}
        takes_any = any(one.kind is kinds.VAR_KEYWORD for one in parameters.values())
        given = {name: values[meaning] for meaning, names in PARAMETERS.items() for name in names if name in takes}
        if takes_any and not any(name in given for name in PARAMETERS["num_classes"]):
            given["num_classes"] = num_classes  # as the functions of timm and torchvision take it
        given |= {name: _filled(value, values) for name, value in self.options.items()}
        for name in self.options:
            if name not in takes and not takes_any:
                raise CondensationError(
                    f"{self.label} has no option {name!r}.{did_you_mean(name, takes)}\nIt takes {', '.join(takes) or 'nothing'}."
                )
        for name, one in parameters.items():
            if one.default is kinds.empty and one.kind not in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL) and name not in given:
                raise CondensationError(
                    f"{self.label} needs {name!r}, which nothing says.\n"
                    f"Say it with options.{name}=VALUE, or call it one of: {', '.join(PARAMETERS)}."
                )
        return given


def _values(image_shape: Shape, num_classes: int) -> dict[str, object]:
    channels, height, width = image_shape
    size = height if height == width else (height, width)
    return {"image_shape": (channels, height, width), "num_classes": num_classes, "channels": channels, "image_size": size}


def _filled(value: object, values: dict[str, object]) -> object:
    """``value``, or what it stands for: {channels}, {num_classes}, ..."""
    stands_for = re.fullmatch(r"\{(\w+)\}", value) if isinstance(value, str) else None
    if stands_for is None:
        return value
    if stands_for[1] not in values:
        raise CondensationError(f"{value} stands for nothing.{did_you_mean(stands_for[1], values)}\nThere is: {', '.join(values)}.")
    return values[stands_for[1]]


def _redrawn(made: nn.Module, rng: Rng) -> nn.Module:
    """Another module like ``made``, initialised layer by layer."""
    module = copy.deepcopy(made).to("cpu", torch.float32)
    initialize(module, rng)
    return module
