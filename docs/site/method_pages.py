"""A page per method: what it does, equations, settings, cost, measured numbers and a picture."""

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from api_pages import cell, table_of_settings
from experiments.measured import Measured, machine, measured, number
from guide_pages import toctree

from condensation.cli.views.methods import description
from condensation.data.catalogue import DATASETS
from condensation.methods.registry import METHODS

HERE = Path(__file__).resolve().parent
PICTURES = HERE.parent / "images" / "methods"


def pages() -> dict[str, str | Path]:
    """Return a page per method, the page that lists them, and their pictures."""
    rows, about = measured(), texts()
    site: dict[str, str | Path] = {}
    for name, kind in METHODS.items():
        site[f"methods/{name}.md"] = page(name, kind, about[name], [row for row in rows if row.method == name])
        site[f"images/methods/{name}.png"] = PICTURES / f"{name}.png"
    lines = [f"| [{about[name]['title']}]({name}.md) | `{name}` | {summary(kind)} |" for name, kind in METHODS.items()]
    parts = [
        "# Methods",
        "Select a method by its name: `condense run --method NAME`.",
        "| method | name | description |\n| --- | --- | --- |",
    ]
    site["methods/index.md"] = "\n\n".join(parts) + "\n" + "\n".join(lines) + "\n\n" + toctree("Methods", list(METHODS))
    return site


def texts() -> dict[str, dict[str, str]]:
    """Return the hand-written parts of the pages."""
    return tomllib.loads((HERE / "methods.toml").read_text(encoding="utf-8"))


def summary(kind: type) -> str:
    """Return the first paragraph of the docstring of a method."""
    return cell(description(kind).partition("\n\n")[0])


def page(name: str, kind: type, text: dict[str, str], rows: list[Measured]) -> str:
    """Return the page of a method."""
    title, public = text["title"], kind.__name__
    parts = [
        *(f"# {title}", markdown(description(kind))),
        f"In Python: [`{public}`](../api/{public}.md), with an example. Guide: [how to use it](../{text['guide']}).",
        *("## When to use it", text["use"], "## Equations", text["equation"].strip(), "## Cost", text["cost"]),
        *("## Picture", f"![Synthetic images of {title} below real images](../images/methods/{name}.png)"),
        f"The result of a short run on bundled images, not of the best settings:\n\n```bash\n{text['command']}\n```",
        *("## Measured", table(rows)),
        *("## Settings", f"Set one with `method.NAME=VALUE`, or as an argument of `{public}`.", table_of_settings(kind)),
    ]
    return "\n\n".join(parts) + "\n"


def markdown(docstring: str) -> str:
    """Return a docstring as Markdown."""
    return re.sub(r"``([^`]*)``", r"`\1`", docstring).replace("*", "\\*")


def table(rows: list[Measured]) -> str:
    """Return the measured accuracies of a method as a table, and what differs from the papers."""
    if not rows:
        return "No measurement of this method is recorded."
    notes = list(dict.fromkeys("; ".join(row.differences) for row in rows if row.differences))
    lines = ["| data set | images per class | variant | accuracy, % (networks) | published | condensing |", "| --- " * 6 + "|"]
    for row in rows:
        known = str(row.published or "") + (
            f" [{notes.index('; '.join(row.differences)) + 1}]" if row.differences and row.published else ""
        )
        time = f"{duration(row.seconds)}, {machine(row.about)}" if row.seconds else ""
        score = f"{number(row.score)} ({row.score['count']})"
        data = DATASETS[row.data].title if row.data in DATASETS else row.data
        lines.append(f"| {data} | {row.ipc} | {cell(row.variant)} | {score} | {known} | {time} |")
    used = sorted({row.source for row in rows})
    parts = ["Test accuracy in percent of networks trained on the set: mean ± deviation (number of networks).", "\n".join(lines)]
    if notes:
        listed = "\n".join(f"{number}. {cell(note)}" for number, note in enumerate(notes, 1))
        parts.append(f"Settings that differ from those of the published number:\n\n{listed}")
    return "\n\n".join([*parts, "From " + ", ".join(f"`results/{source}`" for source in used) + "."])


def duration(seconds: float) -> str:
    """Return a time in seconds, minutes or hours."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
