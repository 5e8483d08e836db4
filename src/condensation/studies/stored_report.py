"""Text and charts of a report, kept in its JSON if the study names code of the user, so that printing it imports nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from condensation.core.plain import to_dict
from condensation.core.records import as_record
from condensation.core.storage import read_json
from condensation.core.trust import UntrustedCode, given_names
from condensation.report.page.charts import Chart, RowChart
from condensation.report.page.parts import Part
from condensation.studies.study_report import Block, Figure, StudyReport

KEY = "report"  # of this text in the JSON report
CHARTS: dict[str, type[Part]] = {kind.__name__: kind for kind in (Chart, RowChart)}


@dataclass(frozen=True)
class StoredText:
    """Text and charts of a `StudyReport`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    places: dict[str, str]
    blocks: tuple[Block, ...] = ()
    missing: str = ""
    text_columns: tuple[str, ...] = ()
    sections: tuple[bool, ...] = ()
    screen_columns: int | None = None
    markdown_notes: tuple[str, ...] = ()
    screen_notes: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    best: tuple[tuple[int, int], ...] = ()
    jobs: int | None = None
    charts: tuple[dict[str, dict[str, Any]], ...] = ()
    """Fields of each chart by the name of its class."""
    sets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Paths inside the folder of the study."""


def text_of(report: StudyReport, folder: Path) -> dict[str, Any]:
    """Return the entry of the JSON report with text and charts of ``report``; empty if the settings name no code."""
    if not given_names(report.json.get("settings", {})):
        return {}
    kept = {name: getattr(report, name) for name in StoredText.__dataclass_fields__ if name not in ("charts", "sets", "best")}
    charts = [{type(chart).__name__: to_dict(chart)} for chart in report.charts() if type(chart).__name__ in CHARTS]
    sets = {
        label: [path.relative_to(folder).as_posix() for path in paths]
        for label, paths in report.sets.items()
        if all(path.is_relative_to(folder) for path in paths)
    }
    return {KEY: {**to_dict(kept), "best": sorted(map(list, report.best)), "charts": charts, "sets": sets}}


def stored_report(folder: Path, name: str, error: UntrustedCode) -> StudyReport | None:
    """Return the report of the study ``name`` in ``folder`` as it was last written; None if its JSON holds no text.

    Drawing its figures, which needs the code that the settings name, raises ``error``.
    """
    path = folder / f"{name}.json"
    saved = read_json(path) if path.exists() else {}
    if not isinstance(saved, Mapping) or not isinstance(saved.get(KEY), Mapping) or not isinstance(saved.get("settings"), Mapping):
        return None
    text = as_record(saved[KEY], StoredText, f"{path}: {KEY}")
    charts = [
        as_record(content, CHARTS[kind], f"{path}: {KEY}.charts")
        for each in text.charts
        for kind, content in each.items()
        if kind in CHARTS
    ]
    others = {key: getattr(text, key) for key in StoredText.__dataclass_fields__ if key not in ("charts", "sets", "best", "places")}
    places = {label: place for label, place in text.places.items() if _is_inside(place)}
    return StudyReport(
        **others,
        name=name,
        json={key: value for key, value in saved.items() if key != KEY},
        places=places,
        best=frozenset(text.best),
        figures={place: _undrawn(error) for place in places.values() if place.endswith(".png")},
        charts=lambda: charts,
        sets={label: [folder / path for path in paths] for label, paths in text.sets.items() if all(map(_is_inside, paths))},
    )


def _is_inside(place: str) -> bool:
    path = PurePosixPath(place)
    return not path.is_absolute() and ".." not in path.parts


def _undrawn(error: UntrustedCode) -> Callable[[], Figure]:
    def draw() -> Figure:
        raise error

    return draw
