"""Runs below a folder and stored scores, read from files alone."""

import json
import shutil

import pytest

from condensation.core.errors import CondensationError
from condensation.evaluation.scores import Scores
from condensation.runs.list_runs import DAMAGED, FINISHED, NOT_BEGUN, NOT_EVALUATED, STOPPED, runs_below
from condensation.runs.stored_scores import compared, stored_scores
from tests.golden.cases import BROKEN, HERE, RUN


@pytest.fixture
def runs(tmp_path):
    """Return a folder of runs, each in another state."""
    shutil.copytree(HERE / RUN, tmp_path / "a" / "finished")
    shutil.copytree(HERE / BROKEN, tmp_path / "broken")
    shutil.copytree(HERE / RUN, tmp_path / "not evaluated")
    (tmp_path / "not evaluated" / "scores.json").unlink()
    shutil.copytree(HERE / "studies" / "table", tmp_path / "table")  # a study, whose folder has settings too
    for name, text in (("rejected", (HERE / RUN / "settings.json").read_text()), ("damaged", "{")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "settings.json").write_text(text)
    return tmp_path


def test_runs_are_listed_with_their_states(runs):
    listed = {str(each.folder.relative_to(runs)): each for each in runs_below(runs) if "table" not in each.folder.parts}
    assert {name: each.state for name, each in listed.items()} == {
        "a/finished": FINISHED,
        "broken": STOPPED,
        "damaged": DAMAGED,
        "not evaluated": NOT_EVALUATED,
        "rejected": NOT_BEGUN,
    }
    scores, run = Scores.read(HERE / RUN / "scores.json"), listed["a/finished"]
    assert (run.data, run.method, run.ipc, run.seed, run.steps) == ("digits", "dm", "1", 0, 3)
    assert (run.score, run.random) == (scores.sets["dm"], scores.sets["random"])
    log = json.loads((HERE / RUN / "log.jsonl").read_text().splitlines()[-1])
    assert run.minutes * 60 == pytest.approx(log["seconds"] + sum(score.seconds for score in scores.sets.values()))
    assert listed["broken"].step == 2
    assert "settings.json" in listed["damaged"].problem


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(CondensationError):
        list(runs_below(tmp_path / "nothing"))


def changed(folder, **settings):
    """Change settings of the evaluation or the test set in the scores of a run."""
    path = folder / "scores.json"
    content = json.loads(path.read_text())
    for key, value in settings.items():
        group = content["evaluation"]["recipe"] if key == "epochs" else content["test"]
        group[key] = value
    path.write_text(json.dumps(content))


def test_scores_are_compared_with_the_first(runs):
    run = runs / "a" / "finished"
    rows = compared([run, run], every=True)
    assert [row.stored.name for row in rows] == ["dm", "random"] * 2
    assert rows[0].difference is None
    assert rows[1].difference.value == pytest.approx(rows[1].stored.score.mean - rows[0].stored.score.mean, abs=1e-3)
    assert rows[2].difference.value == 0


@pytest.mark.parametrize("settings", [{"epochs": 7}, {"images": 8}, {"name": "others"}])
def test_two_recipes_or_test_sets_are_not_compared(runs, tmp_path, settings):
    shutil.copytree(runs / "a", tmp_path / "b")
    changed(tmp_path / "b" / "finished", **settings)
    row = compared([runs / "a" / "finished", tmp_path / "b" / "finished"])[1]
    assert row.difference is None
    assert str(*settings.values()) in row.measured_differently


def test_images_of_another_size_are_not_compared(runs, tmp_path):
    shutil.copytree(runs / "a", tmp_path / "b")
    path = tmp_path / "b" / "finished" / "settings.json"
    path.write_text(path.read_text().replace('"size": null', '"size": 16'))
    row = compared([runs / "a" / "finished", tmp_path / "b" / "finished"])[1]
    assert (row.difference, "data.size" in row.measured_differently) == (None, True)


def test_a_file_of_scores_is_read_like_a_run(runs):
    run = runs / "a" / "finished"
    alone = compared([run, run / "scores.json"])[1]
    assert alone.difference.value == 0
    with pytest.raises(CondensationError):
        stored_scores(runs / "broken")
