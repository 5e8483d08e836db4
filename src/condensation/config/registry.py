"""Names that settings accept: registered names, and user code as ``module:name`` or ``path/to/file.py:name``."""

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any

from condensation.augment.base import Augmentation, Seeded
from condensation.augment.diffaugment import DiffAugment
from condensation.augment.dsa import DSA
from condensation.core.errors import CondensationError, unknown
from condensation.core.form import FORMS, Form
from condensation.core.user_code import FORM, import_object
from condensation.generators.autoencoder import Autoencoder
from condensation.matching.kernels import KERNELS, Kernel
from condensation.methods.base import Method
from condensation.methods.registry import METHODS
from condensation.networks.base import NetworkSampler, NetworkSpec
from condensation.networks.near import Near
from condensation.networks.ntk.base import NTK
from condensation.networks.ntk.registry import NTKS
from condensation.networks.registry import NETWORKS
from condensation.networks.samplers import Between, Fresh, Pool
from condensation.networks.user_module import UserModule
from condensation.training.train import RECIPES, Recipe
from condensation.training.trained import Trained

# Type of a setting: its values by name. The other settings of the group modify the value.
FAMILIES: dict[Any, dict[str, Any]] = {
    Method: {name: method() for name, method in METHODS.items()},
    NetworkSpec: NETWORKS,
    NetworkSampler: {sampler.name: sampler for sampler in (Fresh(), Pool(), Between(), Near(), Trained())},
    Augmentation: {augmentation.name: augmentation for augmentation in (DSA(), DiffAugment())},
    Kernel: KERNELS,
    Autoencoder: {Autoencoder.name: Autoencoder()},
    NTK: NTKS,
    Form: FORMS,
    Recipe: {name: recipe() for name, recipe in RECIPES.items()},
}
NOUNS: dict[Any, str] = {NetworkSpec: "network", NetworkSampler: "network sampler", NTK: "tangent kernel"}  # others: the name
# Families that accept any callable, and the adapter that turns it into a member.
ADAPTERS: dict[Any, Callable[[str], Any]] = {NetworkSpec: UserModule, Augmentation: Seeded}


def lookup(kind: Any, name: object, setting: str = "") -> Any:
    """Return the value of family ``kind`` called ``name``; for a user class with required settings, the class.

    Raise CondensationError if there is none.
    """
    if isinstance(name, str) and ":" in name:
        return _user_value(kind, name, setting)
    if isinstance(name, str) and name.endswith(".py"):
        raise CondensationError(f"{name} is a file.", hint=f"Name the function or class in it: {name}:NAME.", setting=setting)
    if not isinstance(name, str) or name not in FAMILIES[kind]:
        raise unknown(_noun(kind), name, FAMILIES[kind], setting=setting)
    return FAMILIES[kind][name]


def _user_value(kind: Any, name: str, setting: str) -> Any:
    value = import_object(name, setting)
    if inspect.isabstract(value):
        missing = ", ".join(sorted(value.__abstractmethods__))
        raise CondensationError(f"{name} does not define {missing}.", hint=f"Define {missing} in the class.", setting=setting)
    if _is_member(value, kind):
        return _default_of(value) if isinstance(value, type) else value
    if kind in ADAPTERS and callable(value):
        return ADAPTERS[kind](name)
    given = f"the class {value.__name__}" if isinstance(value, type) else f"of type {type(value).__name__}"
    message = f"Expected {'a callable' if kind in ADAPTERS else f'a {kind.__name__}'} as {_noun(kind)}; {name} is {given}."
    raise CondensationError(message, hint=f"Write {FORM}, or one of: {', '.join(FAMILIES[kind])}.", setting=setting)


def _noun(kind: Any) -> str:
    return NOUNS.get(kind, str(kind.__name__).lower())


def _is_member(value: Any, kind: Any) -> bool:
    """Return whether a value or class belongs to a family; augmentations are recognized by their methods."""
    if kind is Augmentation:
        return hasattr(value, "per_class") and hasattr(value, "per_image")
    return issubclass(value, kind) if isinstance(value, type) else isinstance(value, kind)


def _default_of(kind: type) -> Any:
    """Return an instance with default settings, or the class itself if it is a dataclass with required settings."""
    try:
        return kind()
    except TypeError:
        if is_dataclass(kind):
            return kind
        raise
