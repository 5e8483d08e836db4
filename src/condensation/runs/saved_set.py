"""Title of a saved set and its real images, as its card tells them."""

from dataclasses import replace

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import part_of
from condensation.config.build import from_dict
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.user_code import short_name
from condensation.data.settings import DataSettings
from condensation.methods.registry import METHODS, method_title
from condensation.runs.private_sets import is_private
from condensation.runs.settings import describe_set


def title_of(condensed: CondensedSet, default: str) -> str:
    """Return data, method and steps from the card, without building its settings, which could import code of the user."""
    title = str(part_of(condensed.card, "data").get("name", default))
    try:
        settings = condensed.card["settings"]
        name, steps = str(settings["method"]["name"]), settings["method"].get("steps", 0)
        method = method_title(name) if name in METHODS else short_name(name)
        return f"{title}, {describe_set(method, condensed.images.counts.values(), int(steps))}"
    except (AttributeError, KeyError, TypeError, ValueError):  # made in Python without settings, or by another version
        return title


def real_images(condensed: CondensedSet, folder: str | None = None) -> tuple[ImageSet | None, str]:
    """Return the training images of the set, named data being in ``folder``; or None and the reason why they are not available."""
    if is_private(condensed):
        return None, "the set has differential privacy, which real images beside it would end."
    content = part_of(condensed.card, "settings").get("data")
    if content is None:
        return None, "the card of the set does not name its data."
    try:
        settings = from_dict(DataSettings, content)
        real = replace(settings, folder=folder or settings.folder).load().train
    except CondensationError as error:
        return None, error.message
    if real.fingerprint() != part_of(condensed.card, "data").get("fingerprint", real.fingerprint()):
        part = part_of(condensed.card, "data").get("part")  # of a study that divides its data
        return (
            None,
            f"the set was made from {part} of {settings.source}." if part else f"{settings.source} has changed since the set was made.",
        )
    return real, ""
