"""Results of a study for a paper: tables in LaTeX and CSV, figures as vectors."""

import base64
import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from condensation.core.storage import write
from condensation.core.text import in_line
from condensation.studies.study import Block, Figure, StudyReport, markdown, png, vector

TABLES = {"latex": ".tex", "csv": ".csv", "md": ".md"}
FIGURES = {"pdf": ".pdf", "svg": ".svg"}
FORMATS = (*TABLES, *FIGURES)

_TIMES = re.compile(r"(?<=\w) x (?=\w)")
_DEVIATION = re.compile(r"([+-]?[\d.,]+) ± ([\d.,]+)")
_ESCAPED = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}"}
_ESCAPED |= {character: f"\\{character}" for character in "&%$#_{}"} | {"±": r"$\pm$", "|": r"\textbar{}"}


def write_paper(report: StudyReport, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write ``report`` into ``folder`` in each of ``formats``, and return the files.

    ``latex`` needs the package booktabs; ``csv`` has a column for each deviation. ``pdf`` and ``svg`` are the figures, with their fonts.
    """
    content: dict[str, bytes] = {}
    for name in formats:
        if name in TABLES:
            text = {"latex": latex, "csv": comma_separated, "md": markdown}[name](report)
            content[f"{report.name}{TABLES[name]}"] = text.encode()
        else:
            content |= {Path(file).stem + FIGURES[name]: drawn(draw(), name) for file, draw in report.figures.items()}
    for file, data in content.items():
        write(folder / file, data)
    return [folder / file for file in content]


def latex(report: StudyReport) -> str:
    """Return the table and its further blocks as LaTeX; proper names of methods, the best results in bold, notes as comments."""
    main = Block(report.title, report.columns, report.rows, report.text_columns)
    tables = [_latex_table(main, report), *(_latex_table(block) for block in report.blocks)]
    notes = [f"% {in_line(line)}" for line in (*report.notes, *report.markdown_notes)]
    return "\n".join([r"% needs \usepackage{booktabs}", *tables, *notes]) + "\n"


def comma_separated(report: StudyReport) -> str:
    """Return the table as CSV; ``49.1 ± 0.4`` becomes two columns."""
    split = [any(_DEVIATION.fullmatch(row[place]) for row in report.rows) for place in range(len(report.columns))]
    head = [name for column, both in zip(report.columns, split, strict=True) for name in _split_name(column)[: 1 + both]]
    rows = [[cell for text, both in zip(row, split, strict=True) for cell in _parts(text)[: 1 + both]] for row in report.rows]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *([in_line(cell) for cell in row] for row in rows)])
    return text.getvalue()


def drawn(figure: Figure, kind: str) -> bytes:
    """Return ``figure`` as ``pdf`` or ``svg``; pictures of pixels are embedded."""
    if not isinstance(figure, Image.Image):
        return vector(figure, kind)
    if kind == "svg":
        data = base64.b64encode(png(figure)).decode()
        size = f'width="{figure.width}" height="{figure.height}"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><image {size} href="data:image/png;base64,{data}"/></svg>\n'.encode()
    buffer = io.BytesIO()
    figure.convert("RGB").save(buffer, "PDF", resolution=100.0)
    return buffer.getvalue()


def _latex_table(block: Block, report: StudyReport | None = None) -> str:
    sections = report.sections if report else ()
    names, best = (report.names, report.best) if report else ({}, frozenset())
    lines = []
    for number, row in enumerate(block.rows):
        cells = [_in_latex(names.get(cell, cell)) for cell in row]
        cells = [rf"\textbf{{{cell}}}" if (number, place) in best else cell for place, cell in enumerate(cells)]
        lines.append(" & ".join(cells) + r" \\")
        if number < len(sections) - 1 and sections[number]:
            lines.append(r"\midrule")
    alignment = "".join("l" if column in block.text_columns else "r" for column in block.columns)
    head = " & ".join(map(_in_latex, block.columns)) + r" \\"
    return "\n".join(
        [
            rf"\begin{{table}}{chr(10)}\centering{chr(10)}\caption{{{_in_latex(block.title)}}}",
            rf"\begin{{tabular}}{{{alignment}}}{chr(10)}\toprule",
            head,
            r"\midrule",
            *lines,
            rf"\bottomrule{chr(10)}\end{{tabular}}{chr(10)}\end{{table}}",
        ]
    )


def _in_latex(text: str) -> str:
    return _TIMES.sub(r" $\\times$ ", "".join(_ESCAPED.get(character, character) for character in in_line(text)))


def _split_name(column: str) -> tuple[str, str]:
    """Return the names of the two columns into which ``49.1 ± 0.4`` is divided."""
    return (column, f"{column}, half width") if "interval" in column else (column, f"{column} deviation")


def _parts(text: str) -> tuple[str, str]:
    match = _DEVIATION.fullmatch(text)
    return (match[1], match[2]) if match else (text, "")
