"""Saved sets with differential privacy: what would use real images beside them is refused."""

from collections.abc import Mapping

from condensation.artifacts.condensed_set import CondensedSet
from condensation.core.errors import CondensationError
from condensation.data.dataset import Data


def is_private(condensed: CondensedSet) -> bool:
    """Return whether the card of the set states differential privacy."""
    return bool(condensed.card.get("privacy"))


def require_none_private(sets: Mapping[str, CondensedSet], what: str, setting: str) -> None:
    """Raise CondensationError, which names the set, if one of ``sets`` is private: its guarantee does not cover ``what``."""
    for name, condensed in sets.items():
        if is_private(condensed):
            message = f"{name} has differential privacy, which would not cover the accuracy of {what}."
            raise CondensationError(message, hint=f"Leave out {setting}=..., or name the sets without privacy alone.", setting=setting)


def require_own_test_images(sets: Mapping[str, CondensedSet], data: Data) -> None:
    """Raise CondensationError, which names the set, if one of ``sets`` is private and the test images were held out of training images."""
    for name, condensed in sets.items():
        if is_private(condensed) and "split" in data.details:
            message = f"{name} has differential privacy, which would not cover its accuracy on images held out of the training images."
            raise CondensationError(message, hint="Use data with a test part (data.test=NAME).", setting="data.test")
