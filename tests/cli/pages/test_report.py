"""``condense report``: what a page shows of runs, sets and studies, whole, half done and damaged."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from condensation import CondensedSet, load
from condensation.cli.pages.accuracies import accuracy_section, column_beside, confusion_section
from condensation.cli.pages.places import default_place
from condensation.cli.pages.report import MOST, found_at, report_page, write_report
from condensation.cli.pages.run_article import Pictures, SavedRun
from condensation.cli.pages.run_settings import closest_preset, flat
from condensation.cli.pages.study_article import named
from condensation.core.errors import CondensationError, NotWritten
from condensation.core.plain import to_dict
from condensation.evaluation.scores import Scores
from condensation.methods.registry import method_title
from condensation.report.page.gallery import Gallery
from condensation.report.page.parts import Code, DataTable
from condensation.report.page.render import html
from condensation.runs.presets import preset_for, settings_from
from condensation.studies.registry import STUDIES
from tests.cli.runs import RUN
from tests.report.test_page import HOSTILE, Outline
from tests.studies.test_reports import GOLDEN, copy_of, without_work

pytestmark = pytest.mark.usefixtures("elsewhere")

REAL = re.compile(r"real images? of")


@pytest.fixture
def run(tmp_path):
    """Return a copy of a frozen run on the digits, of an earlier version."""
    return Path(shutil.copytree(GOLDEN / "run", tmp_path / "a run"))


def page_at(*paths, **options):
    return report_page([found for path in paths for found in found_at(path)], **options)


def sections(article):
    return {section.title: section.parts for section in article.sections}


def parts(page, kind):
    return [part for article in page.articles for section in article.sections for part in section.parts if isinstance(part, kind)]


def test_a_run_is_shown_with_all_that_is_known(run):
    page = page_at(run)
    (article,) = page.articles
    assert article.problems == ()
    names = ["Pictures", "Accuracy", "Accuracy of each class", "Loss", "Settings", "All settings", "Cost", "Data and terms", "Train on it"]
    assert list(sections(article)) == names
    scores = Scores.read(run / "scores.json")
    (accuracies,) = [part for part in sections(article)["Accuracy"] if isinstance(part, DataTable)]
    assert [(row[0], row[2]) for row in accuracies.rows] == [
        (method_title(name), f"{score.mean:.1f}") for name, score in scores.sets.items()
    ]
    (gallery,) = parts(page, Gallery)
    assert gallery.classes[0].strips[0].label == "real"
    facts = dict(sections(article)["Data and terms"][0].rows)
    assert facts["terms of the data"] == "CC BY 4.0"
    Outline(html(page))


def test_the_code_on_the_page_trains_a_network(run):
    (code, _) = parts(page_at(run), Code)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(10))
    with torch.random.fork_rng():
        network(CondensedSet.load(run).images.inputs())
        before = network[1].weight.clone()
        exec(re.sub(r"range\(\d+\)", "range(1)", code.text), {"network": network})
    assert not torch.equal(before, network[1].weight)


def test_without_real_images_none_is_on_the_page(run, condense):
    assert condense("report", run, "--no-real")[0] == 0
    text = (run / "report.html").read_text()
    assert "synthetic image" in text
    assert not REAL.search(text)
    assert condense("report", run)[0] == 0
    assert REAL.search((run / "report.html").read_text())


def test_real_images_that_are_gone_are_told(run):
    saved = CondensedSet.load(run)
    card = {**saved.card, "settings": {**saved.card["settings"], "data": {**saved.card["settings"]["data"], "source": "./gone"}}}
    replace(saved, card=card).save(run / "set.safetensors")
    (line,) = [line for line in sections(page_at(run).articles[0])["Pictures"][1].lines if "real" in line]
    assert "gone" in line


def test_a_run_without_a_set_is_shown_as_far_as_it_is(run):
    for name in ("set.safetensors", "scores.json", "grid.png"):
        (run / name).unlink()
    (article,) = page_at(run).articles
    reached = json.loads((run / "log.jsonl").read_text().splitlines()[-1])["step"]
    assert [str(reached) in line for line in article.problems] == [True]
    assert {"Loss", "Settings"} <= sections(article).keys()


def test_a_run_without_its_evaluation_is_marked(run):
    (run / "scores.json").unlink()
    assert len(page_at(run).articles[0].problems) == 1


@pytest.mark.parametrize("content", ["{", '{"sets": 3}', "[" * 100_000])
def test_a_damaged_score_file_is_named_in_one_line(run, content, condense):
    (run / "scores.json").write_text(content)
    code, said, errors = condense("report", run)
    assert code == 0
    assert errors.count("\n") == 1
    assert "scores.json" in errors
    assert "scores.json" in (run / "report.html").read_text()
    assert str(run / "report.html") in said


def test_a_damaged_set_or_log_leaves_the_rest(run):
    (run / "set.safetensors").write_bytes(b"x" * 100)
    (run / "log.jsonl").write_text('{"step": 1, "loss": 2.0, "seconds": 0.5}\nnull\n{"st')
    (article,) = page_at(run).articles
    assert "set.safetensors" in article.problems[0]
    assert {"Accuracy", "Loss"} <= sections(article).keys()
    assert len(SavedRun.read(run).log) == 1


def test_a_set_file_is_shown_beside_itself(run, condense):
    Path("small.safetensors").write_bytes((run / "set.safetensors").read_bytes())
    assert condense("report", "small.safetensors")[0] == 0
    assert "Accuracy" in Path("small.html").read_text()
    CondensedSet(CondensedSet.load(run).images, {"scores": {HOSTILE: 3}, "note": HOSTILE}).save("bare.safetensors")
    assert condense("report", "bare.safetensors")[0] == 0
    assert "<script>alert" not in Path("bare.html").read_text()


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_shown_and_its_rest_is_marked(name, tmp_path, condense):
    folder = copy_of(name, tmp_path)
    assert condense("report", folder)[0] == 0
    report, (article,) = STUDIES[name].read(folder), page_at(folder).articles
    assert sections(article)["Results"][0].rows == named(report, report.rows)
    assert len([part for part in sections(article)["Results"] if hasattr(part, "description")]) >= 1
    assert bool(article.problems) == bool(report.missing)
    outline = Outline((folder / "report.html").read_text())
    assert "viewbox" in [key for tag, each in outline.tags if tag == "svg" for key in each]
    assert ("Pictures" in sections(article)) == bool(report.sets)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert condense(name, folder)[0] == 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_study_half_done_is_marked(tmp_path, condense):
    folder = copy_of("table", tmp_path)
    shutil.rmtree(folder / "runs" / "dm-ipc1-seed0")
    (folder / "table.json").unlink()
    code, _, errors = condense("report", folder)
    assert (code, errors.count("\n")) == (0, 1)
    assert errors.strip() in (folder / "report.html").read_text()


def test_a_study_without_runs_is_shown_from_its_report(tmp_path):
    (article,) = page_at(without_work(copy_of("nas", tmp_path))).articles
    assert not article.problems
    assert "Pictures" not in sections(article)


def test_several_are_compared_on_one_page(run, tmp_path, condense):
    table = copy_of("table", tmp_path)
    code, _, errors = condense("report", run, run / "set.safetensors", table)
    assert (code, errors) == (0, "")
    page = page_at(run, run / "set.safetensors", table)
    assert [article.title.partition(":")[0] for article in page.articles] == [
        "Comparison",
        str(run),
        f"{run / 'set.safetensors'}",
        str(table),
    ]
    (compared, *_) = parts(page, DataTable)
    assert [row[0] for row in compared.rows] == [str(run), str(run / "set.safetensors")]
    assert compared.rows[0][4] == compared.rows[1][4] != "-"
    assert Path("report.html").exists()


def test_a_folder_of_many_runs_is_shown_without_their_details(run, tmp_path):
    for number in range(MOST + 1):
        shutil.copytree(run, tmp_path / "runs" / f"run{number}")
    (article,) = page_at(tmp_path / "runs").articles
    assert len(sections(article)["Accuracies"][0].rows) == MOST + 1
    assert default_place([tmp_path / "runs"]) == tmp_path / "runs" / "report.html"


def test_nothing_to_report(tmp_path, run):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    for path in ("empty", "no", "notes.txt"):
        with pytest.raises(CondensationError) as error:
            write_report([tmp_path / path])
        assert "\n" not in error.value.message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a run", "empty", "notes.txt"]
    with pytest.raises(NotWritten):
        write_report([run], tmp_path / "notes.txt" / "report.html")


def test_nothing_of_others_is_overwritten(run):
    (run / "report.html").write_text("mine")
    with pytest.raises(CondensationError) as error:
        write_report([run])
    assert error.value.setting == "out"
    assert (run / "report.html").read_text() == "mine"


def test_a_run_ends_with_its_report_and_never_fails_for_it(condense, monkeypatch, caplog):
    assert condense(*RUN, "-o", "out")[0] == 0
    assert REAL.search(Path("out/report.html").read_text())

    def fail(page):
        raise RuntimeError("trouble\nwith more")

    monkeypatch.setattr("condensation.report.page.render.html", fail)
    Path("out/report.html").unlink()
    caplog.clear()
    code, said, errors = condense(*RUN, "-o", "out", "--resume")
    assert code == 0
    assert "Report" not in said
    assert [record.getMessage().count("\n") for record in caplog.records] == [0]
    assert errors.count("trouble") <= 1
    assert not Path("out/report.html").exists()


# -- settings and published numbers


def test_differences_from_the_closest_preset():
    usual = settings_from(options={"data.source": "cifar10", "ipc": 10})
    settings = to_dict(settings_from(options={"data.source": "cifar10", "ipc": 10}, overrides=["method.steps=500"], quick=True))
    assert closest_preset(settings) == ("fast", [("method.steps", "500", f"{usual.method.steps:,}")])
    slower = to_dict(settings_from(options={"data.source": "cifar10", "ipc": 10}, overrides=["evaluation.networks=3"], quick=True))
    assert closest_preset(slower) == ("fast", [("evaluation.networks", "3", "2")])
    paper = to_dict(settings_from(preset="paper", options={"data.source": "cifar10", "ipc": 10}))
    assert closest_preset(paper) == ("paper", [])
    assert closest_preset({**settings, "method": {"name": "mine.py:Mine"}}) == (None, [])
    assert dict(flat({"a": {"b": [1, 2], "c": None}, "d": [{"e": True}]})) == {"a.b": "1, 2", "a.c": "none", "d.1.e": "true"}


def test_published_numbers_stand_beside_the_same_method(run):
    content = {"data": {"source": "cifar10"}, "ipc": 10}
    settings = to_dict(preset_for("paper", content))
    settings = {**settings, "data": {**settings["data"], "source": "cifar10"}}
    scores = Scores.read(run / "scores.json")
    scores = replace(scores, evaluation=settings["evaluation"])
    assert column_beside("dm", scores.sets["dm"], scores, settings) == "dm"
    assert column_beside("random", scores.sets["random"], scores, settings) == "random-dsa"
    assert column_beside("dm", scores.sets["dm"], scores, {**settings, "ipc": {"a": 1}}) is None
    table, notes, *_ = accuracy_section(scores, settings, run).parts
    assert [row[-1] for row in table.rows] == ["48.9 ± 0.6", "31.0 ± 0.5", "84.8 ± 0.1"]
    assert not [line for line in notes.lines if "differs" in line]
    changed = {**settings, "method": {**settings["method"], "steps": 500}}
    (line,) = [line for line in accuracy_section(scores, changed, run).parts[1].lines if "differs" in line]
    assert "method.steps 500 (published: 20,000)" in line


def test_confusion_is_a_matrix_or_a_list_of_mistakes(run):
    scores = Scores.read(run / "scores.json")
    few = {"a": {"a": 9, "b": 1}, "b": {"b": 10}}
    many = {f"class {i}": {f"class {i}": 5, f"class {i + 1}": i} for i in range(30)}

    def parts_of(confusion):
        return [part for section in confusion_section(with_confusion(confusion)) for part in section.parts]

    def with_confusion(confusion):
        return replace(scores, sets={"dm": replace(scores.sets["dm"], confusion=confusion)})

    (matrix,), (table,) = parts_of(few), parts_of(many)
    assert (matrix.names, matrix.counts) == (["a", "b"], [[9, 1], [0, 10]])
    assert table.rows[0] == ("class 29", "class 30", "29", "85")
    assert len(table.rows) == 20
    assert parts_of(None) == []


def test_real_images_at_hand_are_used(run):
    data = load("digits")
    (gallery,) = parts(page_at(run, pictures=Pictures(at_hand=data.train)), Gallery)
    assert gallery.classes[0].strips[0].label == "real"
