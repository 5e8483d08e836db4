"""A study on a page: its table, charts, notes, pictures of its sets, settings, cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from condensation.artifacts.condensed_set import CondensedSet
from condensation.cli.pages.cost import duration, machine_facts
from condensation.cli.pages.run_article import Pictures
from condensation.cli.pages.run_settings import settings_table
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.memory import readable
from condensation.core.text import counted
from condensation.evaluation.scores import Scores
from condensation.report.page.gallery import gallery
from condensation.report.page.parts import Article, DataTable, Facts, Notes, Row, Section
from condensation.runs.files import LOG, SCORES
from condensation.runs.loss_log import read_log
from condensation.runs.private_sets import is_private
from condensation.runs.saved_set import real_images
from condensation.studies.study import Study, StudyReport


def study_article(
    study: Study[Any], report: StudyReport, folder: Path, room: int, pictures: Pictures = Pictures(), name: str = ""
) -> Article:
    """Return what is shown of a study, in which pictures have at most ``room`` characters."""
    rows, columns, text = (named(report, each) for each in (report.rows, [report.columns], [report.text_columns]))
    table = DataTable(report.title, columns[0], rows, text[0], report.sections, report.best)
    blocks = [DataTable(block.title, block.columns, block.rows, block.text_columns) for block in report.blocks]
    lines = (*report.notes, *report.markdown_notes)
    sections = [
        Section("Results", [table, *blocks, *report.charts(), Notes(lines)]),
        *_pictures(report, room, pictures),
        Section("All settings", [settings_table(report.json["settings"])], folded=True),
        *_cost(report, folder / study.runs),
    ]
    problems = [f"Not finished; missing: {report.missing}."] if report.missing else []
    return Article(f"{name}: {report.title}" if name else report.title, sections, problems)


def named(report: StudyReport, rows: Sequence[Row]) -> list[Row]:
    """Return rows with the proper names of what they call by a label."""
    return [tuple(report.names.get(cell, cell) for cell in row) for row in rows]


def _pictures(report: StudyReport, room: int, wanted: Pictures) -> list[Section]:
    """Return the pictures of the first sets of the study that fit together; none if their files are gone."""
    sets: dict[str, ImageSet] = {}
    real, lines, shown = None, [], list[CondensedSet]()
    for label, paths in report.sets.items():
        try:
            saved = [CondensedSet.load(path) for path in paths]
        except CondensationError as error:
            lines.append(f"{label} is not shown: {error.message}")
            continue
        images = _joined([each.images.viewable() for each in saved])
        first = next(iter(sets.values()), images)
        if (images.class_names, images.shape) == (first.class_names, first.shape):
            sets[label] = images
            shown += saved
    if not sets:
        return []
    if wanted.real:
        real, problem = real_images(next(filter(is_private, shown), shown[0]), wanted.folder)
        lines += [f"Without real images: {problem}"] if problem else []
    return [Section("Pictures", [gallery(sets, real, room), *([Notes(lines)] if lines else [])])]


def _joined(parts: Sequence[ImageSet]) -> ImageSet:
    """Return the images of all parts for viewing, which may differ in preprocessing."""
    pixels = [(images.pictures() * 255).round().to(torch.uint8) for images in parts]
    return ImageSet.of(torch.cat(pixels), torch.cat([images.labels for images in parts]), parts[0].class_names)


def _cost(report: StudyReport, runs: Path) -> list[Section]:
    """Return times of the runs that are still there, and the machine of the study."""
    logs = [log for path in sorted(runs.glob(f"*/{LOG}")) if (log := read_log(path))]
    evaluating = 0.0
    for path in sorted(runs.glob(f"*/{SCORES}")):
        evaluating += sum(score.seconds or 0.0 for score in Scores.read(path).sets.values())
    machine: Mapping[str, Any] = {**(report.json.get("machine") or {}), **(report.json.get("versions") or {})}
    peaks = [log[-1].memory["process"] for log in logs if log[-1].memory and "process" in log[-1].memory]
    facts = [
        ("condensing", f"{duration(sum(log[-1].seconds for log in logs))}, {counted(len(logs), 'set')}" if logs else ""),
        ("evaluating the sets", duration(evaluating) if evaluating else ""),
        ("most memory of the process", readable(max(peaks)) if peaks else ""),
        *machine_facts(machine),
    ]
    return [Section("Cost", [Facts(facts)])] if any(value for _, value in facts) else []
