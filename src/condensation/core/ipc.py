"""Number of synthetic images per class (ipc), and the treatment of classes with fewer real images."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any, Literal, get_args

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet, require_image_set

SmallClasses = Literal["error", "all"]
"""If a class has fewer images than ipc: raise an error, or use all of its images."""


def images_per_class(
    real: ImageSet, ipc: int | Mapping[int, int], small_classes: SmallClasses = "error", *, bounded: bool = True
) -> dict[int, int]:
    """Return the number of synthetic images of each class of ``real``.

    ``ipc`` is one number for all classes, or a number for each label. Raise CondensationError if it is not an integer, is below 1, or
    exceeds the real images of a class (the official code silently uses fewer), or if there is only one class. Sets of private methods
    are not ``bounded`` by the numbers of real images.
    """
    require_image_set(real)
    if small_classes not in get_args(SmallClasses):
        raise CondensationError(f"Expected 'error' or 'all', got {small_classes!r}.", setting="small_classes")
    if len(real.classes) < 2:
        raise CondensationError(f"There is only one class, {real.class_names[real.classes[0]]!r}; condensation needs at least two.")
    if isinstance(ipc, Mapping):
        if unknown_labels := [label for label in ipc if label not in real.classes]:
            labels = ", ".join(map(str, real.classes))
            raise CondensationError(f"ipc names class {unknown_labels[0]!r}, which has no images; classes: {labels}.", setting="ipc")
        wanted = {label: _checked(ipc.get(label, 0), f" for class {real.class_names[label]!r}") for label in real.classes}
    else:
        wanted = dict.fromkeys(real.classes, _checked(ipc))
    if not bounded:
        return wanted
    if small_classes == "all":
        return {label: min(count, real.counts[label]) for label, count in wanted.items()}
    label = min(real.classes, key=lambda label: real.counts[label] - wanted[label])
    available, name = real.counts[label], real.class_names[label]
    if wanted[label] > available:
        message = f"Expected ipc of at most {available}, the number of images of class {name!r}; got {wanted[label]}."
        hint = f'Use ipc={available}, drop that class, or use all images of such classes: small_classes="all".'
        raise CondensationError(message, hint=hint, setting="ipc")
    return wanted


def _checked(value: Any, place: str = "") -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        hint = "Use ipc=10, or one number for each label: ipc={0: 10, 1: 5}."
        raise CondensationError(f"Expected ipc to be a whole number of at least 1{place}, got {value!r}.", hint=hint, setting="ipc")
    return int(value)


def small_classes_note(real: ImageSet, wanted: Mapping[int, int]) -> str:
    """Return a sentence that lists the classes of ``real`` with fewer images than the largest ``wanted``; "" if there are none."""
    most = max(wanted.values())
    short = [f"{real.class_names[label]} {count}" for label, count in wanted.items() if count < most and count == real.counts[label]]
    shown = ", ".join(short[:10]) + (f" and {len(short) - 10} more" if len(short) > 10 else "")
    return f"Classes with fewer than {most} training images use all of them: {shown}." if short else ""
