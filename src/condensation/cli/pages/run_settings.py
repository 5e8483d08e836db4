"""Settings of a run on a page: those that differ from its preset, and all of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from condensation.config.build import from_dict
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.methods.registry import METHODS
from condensation.report.page.parts import DataTable, Notes, Row, Section
from condensation.runs.presets import PRESETS, preset_for, quickly_evaluated
from condensation.runs.settings import RunSettings

OWN = ("compute.", "data.folder", "data.source", "seed")  # settings that no preset decides


def settings_sections(content: Mapping[str, Any]) -> list[Section]:
    """Return what differs from the closest preset, and all settings of the plain run settings ``content``."""
    everything = Section("All settings", [settings_table(content)], folded=True)
    name, changed = closest_preset(content)
    if name is None:
        return [everything]
    if not changed:
        return [Section("Settings", [Notes([f"All settings are those of the preset {name}."])]), everything]
    columns = ("setting", "here", f"preset {name}")
    table = DataTable(f"Settings that differ from the preset {name}", columns, changed, text_columns=columns)
    return [Section("Settings", [table]), everything]


def settings_table(content: Mapping[str, Any]) -> DataTable:
    """Return the table of all plain settings."""
    return DataTable("Settings by their names", ("setting", "value"), list(flat(content)), text_columns=("setting", "value"))


def closest_preset(content: Mapping[str, Any]) -> tuple[str | None, list[Row]]:
    """Return the preset of ``condense run`` from which the fewest settings differ, and these; None for a method of the user."""
    method, data = content.get("method"), content.get("data")
    name = method.get("name") if isinstance(method, Mapping) else None
    if name not in METHODS or not isinstance(data, Mapping):
        return None, []
    wanted = {"data": {"source": str(data.get("source"))}, "method": name, "ipc": content.get("ipc")}
    here = dict(flat(content))
    changed: dict[str, list[Row]] = {}
    for preset in PRESETS:
        try:
            there = dict(flat(to_dict(from_dict(RunSettings, wanted, quickly_evaluated(preset_for(preset, wanted))))))
        except CondensationError:  # settings of another version
            return None, []
        keys = [key for key in here if not key.startswith(OWN) and here[key] != there.get(key)]  # others were added since
        changed[preset] = [(key, here[key], there.get(key, "-")) for key in keys]
    closest = min(changed, key=lambda preset: len(changed[preset]))
    return closest, changed[closest]


def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the text of each plain setting."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        for number, inner in enumerate(value, 1):
            yield from flat(inner, f"{name}.{number}")
    else:
        yield name, as_text(value)


def as_text(value: Any) -> str:
    """Return a plain value as text."""
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
