"""Numbers of images per class (ipc), and what becomes of classes that have fewer real images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet

SmallClasses = Literal["error", "all"]  # if a class has fewer images than ipc: an error, or all of its images


def images_per_class(real: ImageSet, ipc: int | Mapping[int, int], small_classes: SmallClasses = "error") -> dict[int, int]:
    """How many synthetic images each class of ``real`` gets.

    Args:
        real: The images that are condensed.
        ipc: How many images of each class, or of each label.
        small_classes: What becomes of a class that has fewer real images: ``error``, or ``all``, as many as it has.

    Raises:
        CondensationError: if that is not at least one and at most what the class has (the official code silently gives
            fewer), or if there is only one class.
    """
    if small_classes not in get_args(SmallClasses):
        raise CondensationError(f"small_classes is {small_classes!r}; it can be {' or '.join(get_args(SmallClasses))}.")
    if len(real.classes) < 2:
        raise CondensationError(f"There is only one class, {real.class_names[real.classes[0]]!r}: condensing needs at least two.")
    if not isinstance(ipc, Mapping):
        wanted = dict.fromkeys(real.classes, int(ipc))
    else:
        strange = sorted(set(ipc) - set(real.classes))
        if strange:
            raise CondensationError(f"ipc names a class {strange[0]}; there are images of {', '.join(map(str, real.classes))}.")
        wanted = {label: ipc.get(label, 0) for label in real.classes}
    for label, count in wanted.items():
        if count < 1:
            raise CondensationError(f"Asked for {count} images of class {real.class_names[label]!r}; ipc must be at least 1.")
    if small_classes == "all":
        return {label: min(count, real.counts[label]) for label, count in wanted.items()}
    label = min(real.classes, key=lambda label: real.counts[label] - wanted[label])
    if wanted[label] > real.counts[label]:
        raise CondensationError(
            f"Asked for {wanted[label]} images a class; class {real.class_names[label]!r} has {real.counts[label]}.\n"
            f"Use an ipc of at most {real.counts[label]}, leave that class out, or take all images of such classes: --small-classes all."
        )
    return wanted


def small_classes_note(real: ImageSet, wanted: Mapping[int, int]) -> str:
    """A sentence on the classes of ``real`` of which ``wanted`` takes all images though others get more; "" if there is none."""
    most = max(wanted.values())
    short = [f"{real.class_names[label]} {count}" for label, count in wanted.items() if count < most and count == real.counts[label]]
    shown = ", ".join(short[:10]) + (f" and {len(short) - 10} more" if len(short) > 10 else "")
    return f"Of classes with fewer than {most} training images, all are taken: {shown}." if short else ""
