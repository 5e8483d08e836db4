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
    settings = content.get("settings")
    if isinstance(settings, Mapping) and settings.get("preset") == "fast" and "format" not in content:  # a study of the first format
        content = {**content, "settings": {**settings, "preset": "classic"}}
    names = {old: new for (old, beside), new in RENAMED.items() if old in content and (not beside or beside in content)}
    if "class_names" in content:  # the card of a set, whose field keeps its name
        names.pop("mirrored", None)
    return {names.get(key, key): with_new_names(value) for key, value in content.items()}


def with_new_settings(content: Any) -> Any:
    """Return settings of a file with those of DM that earlier versions lacked, which have other values in some presets."""
    if not isinstance(content, Mapping):
        return content
    complete = "classes_at_a_time" in content and "kernel" in content  # as a run saves them, not a choice of the user
    new = {"form": None, "calibration": 0.0} if complete else {}
    return {**new, **{key: with_new_settings(value) for key, value in content.items()}}


# Settings that older files lack, with the value that their absence means. Those that are off (None or false) need no entry.
ADDED: dict[str, Any] = {
    "always": [],
    "calibration": 0.0,
    "curve": 0,
    "cutmix": 0.0,
    "first_epochs": 0.0,
    "optimizer": "sgd",
    "schedule": "drop",
    "show_real": True,
}
