"""What a setting may be called: the names there are, and a person's own code, ``module:name`` or ``path/to/file.py:name``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any

from condensation.augment.base import Augmentation, Seeded
from condensation.augment.diffaugment import DiffAugment
from condensation.augment.dsa import DSA
from condensation.core.errors import CondensationError, unknown
from condensation.core.user_code import FORM, import_object
from condensation.generators.autoencoder import Autoencoder
from condensation.matching.kernels import KERNELS, Kernel
from condensation.methods.base import Method
from condensation.methods.registry import METHODS
from condensation.networks.base import NetworkSpec
from condensation.networks.registry import NETWORKS
from condensation.networks.samplers import Fresh, NetworkSampler, Pool
from condensation.networks.user_module import UserModule
from condensation.ntk.base import NTK
from condensation.ntk.registry import NTKS
from condensation.training.train import Recipe

# What a setting of each of these types may be called; each name stands for a value that the other settings then change.
FAMILIES: dict[Any, dict[str, Any]] = {
    Method: {name: method() for name, method in METHODS.items()},
    NetworkSpec: NETWORKS,
    NetworkSampler: {sampler.name: sampler for sampler in (Fresh(), Pool())},
    Augmentation: {augmentation.name: augmentation for augmentation in (DSA(), DiffAugment())},
    Kernel: KERNELS,
    Autoencoder: {Autoencoder.name: Autoencoder()},
    NTK: NTKS,
    Recipe: {"clean": Recipe(), "paper": Recipe.paper()},
}
# What messages call one of each.
WORDS: dict[Any, str] = {
    Method: "method",
    NetworkSpec: "network",
    NetworkSampler: "way to draw networks",
    Augmentation: "augmentation",
    Kernel: "kernel",
    Autoencoder: "autoencoder",
    NTK: "tangent kernel",
    Recipe: "recipe",
}
# What makes a value of a family of any callable that is none itself, and the field that holds the callable.
ADAPTERS: dict[Any, Callable[[str], Any]] = {NetworkSpec: UserModule, Augmentation: Seeded}


def lookup(kind: Any, name: object) -> Any:
    """The value of family ``kind`` that goes by ``name``; of a person's own class whose settings have no defaults, the class.

    Raises:
        CondensationError: if there is none.
    """
    if isinstance(name, str) and ":" in name:
        return _own(kind, name)
    if isinstance(name, str) and name.endswith(".py"):
        raise CondensationError(f"{name} is a file; say which function or class of it is meant: {name}:NAME.")
    if not isinstance(name, str) or name not in FAMILIES[kind]:
        raise unknown(WORDS[kind], name, FAMILIES[kind])
    return FAMILIES[kind][name]


def _own(kind: Any, name: str) -> Any:
    found = import_object(name)
    fits: Callable[[Any], bool] = _augments if kind is Augmentation else lambda value: _is_a(value, kind)
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise CondensationError(f"{name} is not whole: {missing} {'are' if ',' in missing else 'is'} missing.")
    if fits(found):
        return _made(found) if isinstance(found, type) else found
    if kind in ADAPTERS and callable(found):
        return ADAPTERS[kind](name)
    what = f"the class {found.__name__}" if isinstance(found, type) else f"of type {type(found).__name__}"
    wanted = "callable" if kind in ADAPTERS else f"a {kind.__name__}"
    raise CondensationError(
        f"{name} is {what}; as {WORDS[kind]} it must be {wanted}.\nWrite {FORM}, or one of: {', '.join(FAMILIES[kind])}."
    )


def _is_a(value: Any, kind: Any) -> bool:
    return issubclass(value, kind) if isinstance(value, type) else isinstance(value, kind)


def _augments(value: Any) -> bool:
    return hasattr(value, "per_class") and hasattr(value, "per_image")


def _made(own: type) -> Any:
    """The value that the class makes by default, or the class itself if it is a dataclass that cannot without more settings."""
    try:
        return own()
    except TypeError:
        if is_dataclass(own):
            return own
        raise
