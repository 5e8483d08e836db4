"""Report of runs, sets and studies as one page."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from condensation.artifacts.set_file import SET, part_of
from condensation.cli.pages.accuracies import ACCURACY, accuracy_chart, deviation_text
from condensation.cli.pages.cost import duration
from condensation.cli.pages.places import nothing_in, require_reportable
from condensation.cli.pages.run_article import Pictures, SavedRun, run_article
from condensation.cli.pages.study_article import study_article
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.trust import Trust
from condensation.report.page.parts import Article, DataTable, Notes, Page, Section
from condensation.report.page.render import ROOM, write_page
from condensation.runs.files import SETTINGS
from condensation.studies.registry import STUDIES
from condensation.studies.study import Study
from condensation.studies.study_folder import record_in

logger = logging.getLogger(__name__)
MOST = 12  # runs and studies shown in detail


@dataclass(frozen=True)
class Found:
    """A run, a set or a study."""

    path: Path
    study: Study[Any] | None = None


def write_report(
    paths: Sequence[Path], out: Path | None = None, *, pictures: Pictures = Pictures(), trust: Trust = False
) -> tuple[Path, list[str]]:
    """Write one page about the runs, sets and studies at ``paths``; return its path and what is missing or damaged.

    A folder of runs and studies stands for all of them. By default the page is ``report.html`` in the folder, beside the set file, or in
    the current folder if there are several paths. Raise CondensationError if a path holds nothing to report, or the page cannot be
    written; only an earlier page of ours is overwritten.
    """
    out = require_reportable(paths, out)
    page = report_page([found for path in paths for found in found_at(path)], pictures, trust)
    write_page(page, out)
    return out, [line for article in page.articles for line in article.problems]


def write_report_of_run(folder: Path, real: ImageSet | None) -> Path | None:
    """Write the page of a run that has just ended, with the ``real`` images if they are at hand; a problem is logged in one line."""
    try:
        return write_report([folder], pictures=Pictures(at_hand=real))[0]
    except Exception as error:  # the run itself is finished
        logger.warning(
            "The run is complete; its report could not be written: %s", str(error).splitlines()[0] if str(error) else repr(error)
        )
        return None


def found_at(path: Path) -> list[Found]:
    """Return the run, set or study at ``path``, or all of them in that folder. Raise CondensationError if there are none."""
    found = [*_of_folder(path)] if path.is_dir() else [Found(path)]
    if not found and path.is_dir():
        found = [each for inner in sorted(path.iterdir()) if inner.is_dir() for each in _of_folder(inner)]
    if not found:
        raise nothing_in(path)
    return found


def _of_folder(folder: Path) -> list[Found]:
    settings: Mapping[str, Any] = {}
    with suppress(CondensationError):  # damaged settings are named where they are read
        settings = record_in(folder, SETTINGS).settings if (folder / SETTINGS).exists() else {}
    for study in STUDIES.values():
        if study.settings_type.mark in settings or (folder / f"{study.name}.json").exists():
            return [Found(folder, study)]
    return [Found(folder)] if (folder / SETTINGS).exists() or (folder / SET).exists() else []


def report_page(found: Sequence[Found], pictures: Pictures = Pictures(), trust: Trust = False) -> Page:
    """Return the page about runs, sets and studies; several begin with a comparison."""
    runs = {each.path: SavedRun.read(each.path, trust) for each in found if not each.study}
    detailed = found if len(found) <= MOST else [each for each in found if each.study][:MOST]
    room = ROOM // max(1, len(detailed))
    articles = [_compared(list(runs.values()), len(found) > MOST)] if len(runs) > 1 else []
    for each in detailed:
        name = str(each.path) if len(found) > 1 else ""
        if each.study:
            report = each.study.read(each.path, trust=trust)
            articles.append(study_article(each.study, report, each.path, room, pictures, name))
        else:
            articles.append(run_article(runs[each.path], room, pictures, name))
    title = articles[0].title if len(found) == 1 else f"{len(found)} results"
    return Page(title, articles, f"condensation {version('condensation')}")


def _compared(runs: Sequence[SavedRun], only: bool) -> Article:
    """Return the comparison of runs and sets; ``only`` if their details are left out."""
    columns = ("", "data", "method", "images per class", ACCURACY, "deviation", "networks", "random images, %", "condensing")
    rows, drawn = [], {}
    for run in runs:
        first = next(iter(run.scores.sets.values()), None) if run.scores else None
        random = run.scores.random if run.scores else None
        ipc, source = run.settings.get("ipc", "-"), str(part_of(run.settings, "data").get("source", "-"))
        score = (f"{first.mean:.1f}", deviation_text(first), str(first.count)) if first else ("-", "-", "-")
        seconds = duration(run.log[-1].seconds) if run.log else "-"
        label = str(run.path)
        rows.append((label, source, run.method or "-", str(ipc), *score, f"{random.mean:.1f}" if random else "-", seconds))
        if first:
            drawn[label] = (first.mean, first.deviation, None)
    notes = ["Accuracies are comparable on the same test images and with the same evaluation alone."]
    notes += [f"Details are shown of at most {MOST}: name fewer."] if only else []
    parts = [DataTable("Runs and sets", columns, rows, ("", "data", "method")), Notes(notes), *([accuracy_chart(drawn)] if drawn else [])]
    problems = [f"{run.path}: {line}" for run in runs for line in run.problems] if only else []
    return Article("Comparison", [Section("Accuracies", parts)], problems)
