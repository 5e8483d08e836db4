"""Studies as files for a paper: LaTeX, CSV and vector figures."""

import csv
import re
from dataclasses import replace

import pytest

from condensation.studies.paper import FORMATS, comma_separated, latex, write_paper
from condensation.studies.registry import STUDIES
from condensation.studies.study import StudyReport
from tests.studies.test_reports import GOLDEN, copy_of

REPORT = StudyReport(
    title="100 % & more_less",
    columns=("ipc", "method", "measured"),
    rows=(("1", "dm", "48.9 ± 0.6"), ("1", "own $x^2$", "50.0"), ("10", "dm", "<61.0 ± 0.2")),
    notes=("a note\nof two lines",),
    json={},
    figures={},
    places={},
    text_columns=("method",),
    sections=(False, True, True),
    names={"dm": "DM"},
    best=frozenset({(1, 2)}),
    name="table",
)


def rows_of(text):
    return [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r"\\")]


def test_latex_escapes_names_and_marks_the_best():
    text = latex(REPORT)
    assert rows_of(text) == [
        ["ipc", "method", "measured"],
        ["1", "DM", r"48.9 $\pm$ 0.6"],
        ["1", r"own \$x\textasciicircum{}2\$", r"\textbf{50.0}"],
        ["10", "DM", r"\textless{}61.0 $\pm$ 0.2"],
    ]
    assert r"\caption{100 \% \& more\_less}" in text
    assert r"\begin{tabular}{rlr}" in text
    assert text.count(r"\midrule") == 2  # below the head, and between the sections
    assert r"% a note\nof two lines" in text


def test_csv_has_a_column_for_each_deviation():
    lines = comma_separated(REPORT).splitlines()
    assert list(csv.reader(lines)) == [
        ["ipc", "method", "measured", "measured deviation"],
        ["1", "dm", "48.9", "0.6"],
        ["1", "own $x^2$", "50.0", ""],
        ["10", "dm", "<61.0 ± 0.2", ""],
    ]


@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name == "table" else pytest.mark.slow) for name in STUDIES])
def test_every_study_is_written_in_every_format(name, tmp_path):
    report = STUDIES[name].read(GOLDEN / "studies" / name)
    files = {path.suffix: path for path in write_paper(report, tmp_path, FORMATS)}
    assert files.keys() == {".tex", ".csv", ".md", ".pdf", ".svg"}
    tabular = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", files[".tex"].read_text())
    assert list(map(len, tabular)) == [len(report.columns), *(len(block.columns) for block in report.blocks)]
    assert {len(row) for row in rows_of(files[".tex"].read_text())} == set(map(len, tabular))
    assert len(list(csv.reader(files[".csv"].read_text().splitlines()))) == 1 + len(report.rows)
    drawing, picture = files[".pdf"].read_bytes(), files[".svg"].read_text()
    assert drawing.startswith(b"%PDF")
    assert b"/Type3" not in drawing  # fonts that journals refuse
    assert picture.lstrip().startswith(("<?xml", "<svg"))
    again = write_paper(STUDIES[name].read(GOLDEN / "studies" / name), tmp_path / "again", ("pdf",))
    assert again[0].read_bytes() == (tmp_path / again[0].name).read_bytes()


def test_a_table_names_its_methods_and_marks_the_best_of_each_ipc():
    report = STUDIES["table"].read(GOLDEN / "studies" / "table")
    measured = [float(row[2].partition(" ")[0]) for row in report.rows]
    for ipc in {row[0] for row in report.rows}:
        numbers = [number for number, row in enumerate(report.rows) if row[0] == ipc]
        assert (max(numbers, key=measured.__getitem__), 2) in report.best
    assert len(report.best) == 2
    to_best = {row[7] for row in report.rows}
    assert "" in to_best
    assert all(text.startswith("-") for text in to_best - {""})
    assert {"Random", "DM"} <= {cell for row in rows_of(latex(report)) for cell in row}


def test_the_command_writes_beside_the_study_and_refuses_other_formats(condense, tmp_path):
    folder = copy_of("table", tmp_path)
    code, text, _ = condense("table", folder, "--to", "latex,csv")
    assert code == 0
    assert str(folder / "table.tex") in text
    assert (folder / "table.csv").exists()
    code, _, errors = condense("table", folder, "--to", "word")
    assert code == 2
    assert "latex, csv, md, pdf, svg" in errors


def test_a_report_without_rows_or_figures_is_written(tmp_path):
    empty = replace(REPORT, rows=(), sections=(), best=frozenset())
    assert [path.name for path in write_paper(empty, tmp_path, FORMATS)] == ["table.tex", "table.csv", "table.md"]


def test_every_column_of_a_table_has_a_name_and_times_are_typeset():
    report = STUDIES["table"].read(GOLDEN / "studies" / "table")
    head, *rows = csv.reader(comma_separated(report).splitlines())
    assert all(head)
    assert len(set(head)) == len(head)
    assert head[-2:] == ["to best (95 % interval)", "to best (95 % interval), half width"]
    assert all(len(row) == len(head) for row in rows)
    assert r"1 $\times$ 2" in latex(report)
    assert "1 x 2" not in latex(report)
