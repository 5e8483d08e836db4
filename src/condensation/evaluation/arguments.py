"""Checks of arguments that Python users give as a name or a class where an object is expected."""

from typing import Any

from condensation.core.errors import CondensationError
from condensation.networks.base import NetworkSpec
from condensation.networks.registry import NETWORKS
from condensation.training.train import Recipe

EXAMPLES = {
    NetworkSpec: 'ConvNet(), NETWORKS["resnet18"], or UserModule(MyModule) for a torch module',
    Recipe: "Recipe() or Recipe.paper()",
}


def check_type(value: Any, kind: type, setting: str) -> None:
    """Check that the argument ``setting`` is of type ``kind``.

    Raises:
        CondensationError: if not; the hint tells which object was probably meant.
    """
    if isinstance(value, kind):
        return
    given = f"the class {value.__name__}" if isinstance(value, type) else repr(value)[:60]
    hint = f"Pass {EXAMPLES.get(kind, f'an object: {kind.__name__}(...)')}."
    if isinstance(value, type) and issubclass(value, kind):
        hint = f"Pass an object: {value.__name__}()."
    elif kind is NetworkSpec and isinstance(value, str) and value in NETWORKS:
        hint = f"Pass NETWORKS[{value!r}]."
    elif kind is Recipe and value == "paper":
        hint = "Pass Recipe.paper()."
    raise CondensationError(f"Expected {setting} of type {kind.__name__}, got {given}.", hint=hint, setting=setting)
