"""Write docs/results.md and its pictures from the files in results/."""

from collections.abc import Iterable, Mapping
from textwrap import fill
from typing import Any

from condensation.core.storage import read_json
from condensation.data.load import dataset_title
from condensation.methods.registry import method_title
from condensation.studies.published_numbers import UNVERIFIED, published_ranks, source_notes
from condensation.studies.study import png
from experiments.measured import RESULTS, Measured, counted_number, machine, measured
from experiments.pictures import against_published, curves
from experiments.plan import ROOT

PAGE, IMAGES = ROOT / "docs" / "results.md", ROOT / "docs" / "images"
NEAR = 1.5  # points from the published mean
WIDTH = 138  # of a line of text
QUESTIONS = {
    "accuracy": "Accuracy of a ConvNet trained on the set",
    "transfer": "Other networks trained on the set",
    "continual": "Continual learning, after the last step",
    "pools": "Sets condensed with trained networks",
}


def write() -> None:
    """Write the page and its pictures."""
    rows = measured()
    best = cells(rows)
    (IMAGES / "results.png").write_bytes(png(against_published(best, NEAR)))
    (IMAGES / "results-curves.png").write_bytes(png(curves([row for row in rows if row.curve])))
    PAGE.write_text(page(rows, best), encoding="utf-8")


def cells(rows: Iterable[Measured]) -> list[Measured]:
    """Return one row for each published number: the one of most condensing steps; of these, the one whose settings differ least from it."""
    chosen: dict[tuple[object, ...], Measured] = {}
    for row in sorted(rows, key=lambda row: (-row.steps, len(row.differences), -row.score["count"])):
        if row.published and row.alike:
            chosen.setdefault((row.question, row.data, row.ipc, row.column), row)
    return sorted(chosen.values(), key=lambda row: (list(QUESTIONS).index(row.question), row.data, row.ipc, row.column))


def page(rows: list[Measured], best: list[Measured]) -> str:
    """Return the text of the page."""
    far = [row for row in best if abs(row.apart or 0) > NEAR]
    shown = [row for row in rows if row.published or row.source.startswith("run/")]
    sources = {source: place for place, source in enumerate(sorted({row.source for row in rows}), 1)}
    parts = [
        "# Results",
        fill(
            f"{len(best)} published numbers are measured here, and {len(best) - len(far)} of the measured ones are within {NEAR} points. "
            "Test images decide nothing: the last set of a run is evaluated.",
            WIDTH,
        ),
        "![Measured against published accuracy; the diagonal is equality](images/results.png)",
        fill(
            "If a number is measured several times, the picture shows the measurement of most condensing steps and, of these, the one "
            "whose settings differ least from the published ones.",
            WIDTH,
        ),
        fill(
            "`make results` runs the [experiments](../experiments/plan.py) that have no result yet, and writes this page. Each is a "
            "settings file of one command; each result holds its settings, commit, day and machine. The [notes](notes/results.md) tell "
            "which numbers are not comparable.",
            WIDTH,
        ),
        f"## Further than {NEAR} points from the published number",
        missing(far),
        "## Accuracy against steps",
        fill("Each point is a short evaluation, which has fewer networks and epochs than the tables below and is lower.", WIDTH),
        "![Accuracy against steps; dashed: published](images/results-curves.png)",
    ]
    for question, heading in QUESTIONS.items():
        part = [row for row in shown if row.question == question]
        if part:
            parts += [f"## {heading}", table(part, sources)]
    parts += ["## Architecture search", ranks(), "## Where each was measured", made(rows, sources), notes(shown)]
    return "\n\n".join(parts) + "\n"


def missing(rows: list[Measured]) -> str:
    """Return what differs in the settings of measurements that are far from the published numbers."""
    lines = ["| data set | images per class | method | difference | settings that differ |", "| --- " * 5 + "|"]
    for row in rows:
        settings = "; ".join(row.differences) or "those of the preset `classic`, unless the result tells otherwise"
        lines.append(f"| {dataset_title(row.data)} | {row.ipc} | {title(row)} | {row.apart:+.1f} | {settings} |")
    return "\n".join(lines)


def table(rows: list[Measured], sources: Mapping[str, int]) -> str:
    """Return measured rows beside the published numbers."""
    lines = ["| data set | images per class | method | measured (networks) | published | difference | minutes | from |", "| --- " * 8 + "|"]
    for row in rows:
        apart = "" if row.apart is None or not row.alike else f"{row.apart:+.1f}"
        minutes = f"{row.seconds / 60:.1f}" if row.seconds else ""
        name, source = title(row), f"[{sources[row.source]}](../results/{row.source})"
        cell = counted_number(row.score)
        lines.append(
            f"| {dataset_title(row.data)} | {row.ipc} | {name} | {cell} | {row.published or ''} | {apart} | {minutes} | {source} |"
        )
    return "\n".join(lines)


def title(row: Measured) -> str:
    """Return the method with what tells its rows apart."""
    name = method_title(row.method)
    return row.variant if row.variant.lower().startswith(name.lower()) else f"{name}: {row.variant}" if row.variant else name


def ranks() -> str:
    """Return the rank correlations of architecture searches with those of training on all images."""
    lines = ["| data set | networks | proxy | Spearman (95 % interval) | published | from |", "| --- " * 6 + "|"]
    for path in sorted((RESULTS / "nas").glob("*.json")):
        content: dict[str, Any] = read_json(path)
        data = content["data"]["name"]
        for verdict in content["verdicts"]:
            rank, known = verdict["over_all"]["spearman"], published_ranks(data).get(verdict["label"])
            if rank:
                text = f"{known.mean:.2f}{'?' if known.source == UNVERIFIED else ''}" if known else ""
                cells = [
                    *(dataset_title(data), verdict["networks"], verdict["label"]),
                    *(f"{rank['value']:.2f} ({rank['low']:.2f} to {rank['high']:.2f})", text, f"[{path.stem}](../results/nas/{path.name})"),
                ]
                lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def made(rows: list[Measured], sources: Mapping[str, int]) -> str:
    """Return where each result was measured."""
    lines = ["| from | result | minutes | machine | date | commit |", "| --- " * 6 + "|"]
    for source, about in sorted({row.source: row.about for row in rows}.items()):
        minutes = "" if about.get("minutes") is None else f"{about['minutes']:.0f}"
        name = source.removesuffix(".json")
        lines.append(f"| {sources[source]} | {name} | {minutes} | {machine(about)} | {about['date']} | {about['commit']} |")
    return "\n".join(lines)


def notes(rows: list[Measured]) -> str:
    """Return how to read the tables, and the sources of the published numbers."""
    lines = [
        "Accuracies are in percent: mean ± deviation over networks.",
        "Minutes in front of a result are those of condensing; those of a whole result include its evaluation. Other processes often ran.",
        *source_notes(row.published for row in rows),
    ]
    return "\n".join(fill(f"- {line}", WIDTH, subsequent_indent="  ") for line in lines)
