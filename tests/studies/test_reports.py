"""What all studies have in common: reports are read without writing, from the JSON report where runs are gone."""

import json
import shutil
from pathlib import Path

import pytest

from condensation.core.errors import CondensationError
from condensation.core.storage import UNFINISHED, entries
from condensation.studies.registry import STUDIES
from condensation.studies.study import write_report
from tests.golden.cases import steady, without_new

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
TABLES = sorted(path.stem for path in (ROOT / "results" / "table").glob("*.json"))
WORK = ("runs", "sets", "cells", "memories", "steps", "networks", "pool", "space.json", "arms", "local", "averages", "shadows")


def copy_of(name, tmp_path):
    """Copy the frozen folder of a study, made by an earlier version."""
    return Path(shutil.copytree(GOLDEN / "studies" / name, tmp_path / name))


def without_work(folder):
    """Remove all that a study has computed, and keep its settings and its report."""
    for part in WORK:
        shutil.rmtree(folder / part, ignore_errors=True)
        (folder / part).unlink(missing_ok=True)
    return folder


def content_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def as_json(report):
    return steady(json.loads(json.dumps(report.json)))


def is_as_frozen(content, name):
    return without_new(content, frozen(name)) == frozen(name)


def frozen(name):
    from condensation.core.renamed import with_new_names

    return steady(with_new_names(json.loads((GOLDEN / "printed" / f"{name}.json").read_text())))


@pytest.mark.parametrize("name", STUDIES)
def test_printing_changes_no_file(name, tmp_path, condense):
    folder = copy_of(name, tmp_path)
    before = content_of(folder)
    code, text, errors = condense(name, folder)
    assert (code, errors) == (0, "")
    assert text
    assert content_of(folder) == before


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_without_its_runs_is_printed_from_its_report(name, tmp_path, condense):
    whole, folder = copy_of(name, tmp_path), without_work(Path(shutil.copytree(GOLDEN / "studies" / name, tmp_path / "copy")))
    before = content_of(folder)
    assert set(map(str, before)) <= {"settings.json", f"{name}.json", f"{name}.md", f"{name}.png", "images.png", "split-0.json", "roc.png"}
    report = STUDIES[name].read(folder)
    assert report.rows == STUDIES[name].read(whole).rows
    assert is_as_frozen(as_json(report), name)
    code, text, _ = condense(name, folder)
    assert code == 0
    assert "Missing" not in text
    assert content_of(folder) == before


@pytest.mark.parametrize("name", STUDIES)
def test_the_settings_of_a_report_serve_where_the_settings_file_is_gone(name, tmp_path):
    folder = without_work(copy_of(name, tmp_path))
    (folder / "settings.json").unlink()
    assert is_as_frozen(as_json(STUDIES[name].read(folder)), name)


@pytest.mark.parametrize("name", STUDIES)
def test_writing_replaces_no_result_by_none(name, tmp_path):
    folder = without_work(copy_of(name, tmp_path))
    write_report(STUDIES[name].read(folder), folder)
    assert is_as_frozen(steady(json.loads((folder / f"{name}.json").read_text())), name)


def test_results_of_another_method_are_not_taken_from_a_report(tmp_path):
    folder = without_work(copy_of("table", tmp_path))
    content = json.loads((folder / "settings.json").read_text())
    dm = next(row for row in content["settings"]["rows"] if row["label"] == "DM")
    dm["method"]["steps"] = 4
    (folder / "settings.json").write_text(json.dumps(content))
    cells = STUDIES["table"].read(folder).json["cells"]
    assert {cell["method"]: bool(cell["values"]) for cell in cells} == {"Random": True, "Random, DSA": True, "DM": False}


def test_one_lost_run_is_filled_in_from_the_report(tmp_path):
    folder = copy_of("table", tmp_path)
    shutil.rmtree(folder / "runs" / "dm-ipc1-seed0")
    assert is_as_frozen(as_json(STUDIES["table"].read(folder)), "table")


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_of_the_repository_are_printed_with_their_scores(name, condense, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(ROOT / "results" / "table" / f"{name}.json", folder / "table.json")
    before = content_of(folder)
    saved = {(cell["method"], cell["ipc"]): cell["values"] for cell in json.loads(before[Path("table.json")])["cells"]}
    cells = STUDIES["table"].read(folder).json["cells"]
    assert {(cell["method"], cell["ipc"]): cell["values"] for cell in cells} == saved
    assert any(saved.values())
    assert condense("table", folder)[0] == 0
    assert content_of(folder) == before


# -- folders that a kill left, or that are damaged


@pytest.mark.parametrize("leftover", [(), (f".settings.json.x{UNFINISHED}",)])
def test_a_study_killed_in_its_first_write_is_new(tmp_path, leftover):
    for name in leftover:
        (tmp_path / name).touch()
    assert not entries(tmp_path)
    (tmp_path / "thesis.tex").touch()
    assert entries(tmp_path) == [tmp_path / "thesis.tex"]


def test_a_killed_study_resumes(tmp_path, condense):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / f".settings.json.x{UNFINISHED}").touch()
    small = ("--networks", 1, "--epochs", 1, "evaluation.network.width=4", "compute.precision=float32")
    code, _, errors = condense("table", "-d", "digits", "-m", "random", "-i", 1, "--seeds", 1, *small, "-o", tmp_path / "t")
    assert code == 0, errors
    assert not list((tmp_path / "t").glob(f"*{UNFINISHED}"))


DEEP = "[" * 100_000 + "]" * 100_000
DAMAGED = {
    "table": "runs/dm-ipc1-seed0/scores.json",
    "transfer": "cells/random-seed0-on-mlp.json",
    "continual": "steps/dm-order0-after-step1.json",
    "federated": "arms/alone-split0.json",
    "nas": "space.json",
    "pools": "runs/all-ipc1-seed0/scores.json",
    "theory": "networks/0.json",
    "privacy": "shadows/dm-noise-0.safetensors",
}


@pytest.mark.parametrize("content", ['{"sets": 3}', "[1, 2]", "{", DEEP, '{"networks": {"a": 1}, "values": "x"}'])
@pytest.mark.parametrize(("name", "file"), DAMAGED.items())
def test_error_names_a_damaged_record_in_one_line(name, file, content, tmp_path):
    folder = copy_of(name, tmp_path)
    (folder / file).write_text(content)
    with pytest.raises(CondensationError) as error:
        STUDIES[name].read(folder)
    assert Path(file).name in error.value.message
    assert "\n" not in error.value.message


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("content", ["[]", '{"settings": 3}', DEEP])
def test_damaged_settings_are_named(name, content, tmp_path):
    folder = copy_of(name, tmp_path)
    (folder / "settings.json").write_text(content)
    with pytest.raises(CondensationError, match=r"settings\.json"):
        STUDIES[name].read(folder)


@pytest.mark.parametrize("name", ["table", "transfer", "continual", "nas", "theory"])
def test_a_damaged_report_does_not_hide_complete_runs(name, tmp_path):
    folder = copy_of(name, tmp_path)
    (folder / f"{name}.json").write_text("{")
    assert is_as_frozen(as_json(STUDIES[name].read(folder)), name)
    without_work(folder)
    with pytest.raises(CondensationError, match=rf"{name}\.json"):
        STUDIES[name].read(folder)


def test_failures_are_read_by_type(tmp_path):
    folder = copy_of("table", tmp_path)
    (folder / "runs" / "failures.json").write_text('{"dm-ipc1-seed0": {"traceback": ""}}')
    with pytest.raises(CondensationError, match="reason is missing"):
        STUDIES["table"].read(folder)
