"""Names of arrays in files: which of them are images, labels and class names, and of which part."""

from collections.abc import Collection
from dataclasses import dataclass

from condensation.core.errors import CondensationError
from condensation.core.text import listed
from condensation.data.dataset import ReadOptions
from condensation.data.parts import part_kind, require_parts

# The known names, preferred ones first; a part may come before or after: train_images, y_test.
KNOWN = {
    "images": ("images", "image", "imgs", "img", "x", "data", "features", "pixels", "inputs", "arr_0"),
    "labels": ("labels", "label", "y", "targets", "target", "arr_1"),
}
CLASS_NAMES = ("class_names", "label_names", "classes", "names")
HINT = (
    "Known names are images and labels, x and y, data and targets, arr_0 and arr_1, with a part as in train_images or y_test; "
    "data.columns=IMAGES,LABELS (in Python: columns=('IMAGES', 'LABELS')) names others."
)


@dataclass(frozen=True)
class ArrayNames:
    """Names of the arrays of each split, (images, labels), the name of the class names, and a note for the user."""

    train: tuple[str, str]
    test: tuple[str, str] | None
    class_names: str | None
    note: str = ""


def find_arrays(keys: Collection[str], options: ReadOptions, origin: str) -> ArrayNames:
    """Return the arrays of the parts that ``options`` name, else the usual ones. Raise CondensationError if ``keys`` lack one."""
    class_names = next((name for name in CLASS_NAMES if name in keys), None)
    if options.columns:
        if missing := [name for name in options.columns if name not in keys]:
            raise _missing(missing[0], keys, origin)
        return ArrayNames((options.columns[0], options.columns[1]), None, class_names)
    # Of several pairs without names, nothing says which is the training part.
    parts = _parts([key for key in keys if "arr_2" not in keys or not key.startswith("arr_")])
    pairs = {part: (arrays["images"], arrays["labels"]) for part, arrays in parts.items() if len(arrays) == len(KNOWN)}
    if not pairs:
        images = any("images" in arrays for arrays in parts.values())
        raise _missing("labels" if images else "images", keys, origin)
    chosen = require_parts(pairs, options, origin, alone=True)
    test, note = chosen.choose_test([part for part in parts if part not in pairs and part_kind(part)])
    return ArrayNames(pairs[chosen.train], pairs[test] if test else None, class_names, note)


def _parts(keys: Collection[str]) -> dict[str, dict[str, str]]:
    """Return the name of images and labels of each part; arrays without a part belong to ``train``."""
    parts: dict[str, dict[str, str]] = {}
    for kind, names in KNOWN.items():
        for name in names:
            for key in keys:
                before, after = key.lower().removesuffix(name), key.lower().removeprefix(name)
                rest = min(before, after, key=len)
                part = rest.strip("_-. ") or "train"
                if rest != key.lower() and (rest == "" or part_kind(part) or rest.strip("_") != rest):
                    parts.setdefault(part, {}).setdefault(kind, key)
    return parts


def _missing(name: str, keys: Collection[str], origin: str) -> CondensationError:
    present = listed(sorted(keys), 10) or "missing"
    return CondensationError(f"{origin} has no {name!r}; its arrays are {present}.", hint=HINT, setting="data.columns")
