"""Old names of settings in files, so that the artefacts of earlier versions can be read."""

from collections.abc import Mapping
from typing import Any

# (old name, another setting in the same table, or "" for any table): new name
RENAMED = {
    ("smaller", ""): "small_classes",
    ("restart_at_drop", ""): "reset_momentum",
    ("judged_on", ""): "eval_per_class",
    ("judged_by", ""): "eval_network",
    ("drop_after", "epochs"): "lr_drop_epoch",
    ("drop_after", "iterations"): "lr_drop_step",
    ("mirrored", "source"): "flip_invariant",
    ("mirrored", "seed"): "flip_invariant",
}


def with_new_names(content: Any) -> Any:
    """Return plain ``content`` of a file with the settings of earlier versions under their current names."""
    if isinstance(content, list):
        return [with_new_names(value) for value in content]
    if not isinstance(content, Mapping):
        return content
    names = {old: new for (old, beside), new in RENAMED.items() if old in content and (not beside or beside in content)}
    if "class_names" in content:  # the card of a set, whose field keeps its name
        names.pop("mirrored", None)
    return {names.get(key, key): with_new_names(value) for key, value in content.items()}


# Settings that older files lack, with the value that their absence means. Those that are off (None or false) need no entry.
ADDED: dict[str, Any] = {"always": [], "calibration": 0.0, "cutmix": 0.0, "first_epochs": 0.0, "optimizer": "sgd", "schedule": "drop"}
