"""Summary of what was read, for the user and for cards."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from condensation.core.stored_images import StoredImages
from condensation.core.text import counted
from condensation.data.dataset import Data, format_shape
from condensation.data.fit_preprocessing import value_counts

UNREADABLE = "unreadable, skipped"


def read_facts(data: Data) -> dict[str, Any]:
    """Return images, classes and origin of each part, pixels, and the number of files passed over by reason (None without files)."""
    parts = {"train": data.train, "test": data.test}
    ranges = [_range(images.images) for images in parts.values()]
    # Names alone, since a card may be published. The origin of bundled data is a file of this package.
    origins = ("", "") if data.origins is None or data.format == "bundled" else data.origins
    passed_over = None
    if data.files:
        skipped = {UNREADABLE: len(data.files.skipped)} if data.files.skipped else {}
        passed_over = {**data.files.ignored, **skipped}
    return {
        "parts": {
            name: {"images": len(images), "classes": len(images.classes), "from": origin and Path(origin).resolve().name}
            for (name, images), origin in zip(parts.items(), origins, strict=True)
        },
        "shape": list(data.train.shape),
        "range": [min(low for low, _ in ranges), max(high for _, high in ranges)],
        "passed_over": passed_over,
    }


def _range(images: Tensor) -> tuple[int, int]:
    """Return the least and the greatest value of pixels; those of stored images are known from their histogram."""
    if isinstance(images, StoredImages):
        values = value_counts(images).sum(0).nonzero()
        return int(values.min()), int(values.max())
    return int(images.min()), int(images.max())


def read_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return `read_facts`, without what they lack, as at most three lines."""
    lines = []
    if parts := facts["parts"]:
        train, test = parts["train"], parts["test"]
        places = " and ".join(dict.fromkeys(filter(None, (train["from"], test["from"]))))
        fewer = f" ({test['classes']:,} in the test images)" if test["classes"] != train["classes"] else ""
        classes = "class" if train["classes"] == 1 else "classes"
        lines.append(
            f"Read: {train['images']:,} training and {counted(test['images'], 'test image')} of {train['classes']:,} {classes}{fewer}"
            + (f" from {places}" if places else "")
        )
    if facts.get("passed_over") is not None:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in facts["passed_over"].items())
        lines.append(f"Passed over: {reasons or 'nothing'}")
    channels, height, width = facts["shape"]
    values = f", values {facts['range'][0]} to {facts['range'][1]}" if "range" in facts else ""
    colours = "greyscale" if channels == 1 else "colour"
    return [*lines, f"Read as: {format_shape((height, width))} (height x width), {colours}{values}"]
