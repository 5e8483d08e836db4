"""Intermediate sets of a run and their accuracies."""

import json
from dataclasses import replace

import pytest
import torch

from condensation.artifacts.condensed_set import CondensedSet
from condensation.cli.pages.run_article import SavedRun, run_article
from condensation.core.errors import CondensationError
from condensation.evaluation.scores import Scores
from condensation.methods.loop import condense
from condensation.methods.random import Random
from condensation.methods.step_info import Stopped
from condensation.report.page.charts import Chart
from condensation.runs.curve import curve_points, curve_steps
from condensation.runs.run import run
from tests.runs.test_run import METHOD, SETTINGS, stop_after

CURVE = replace(SETTINGS, curve=3)  # after steps 0, 2 and 4 of 6


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("curve") / "run"
    run(CURVE, folder)
    return folder


def sets_in(folder):
    return {path.name: path.read_bytes() for path in (folder / "curve").iterdir()}


def test_steps_are_at_equal_distances_before_the_last():
    assert curve_steps(10, 3) == [0, 3, 6]
    assert curve_steps(2, 5) == [0, 1]
    assert curve_steps(0, 5) == []
    assert curve_steps(5, 0) == []


def test_each_set_is_that_of_its_step(finished):
    shorter = replace(METHOD, steps=4)
    data = SETTINGS.data.load().train
    expected = condense(shorter, data, 1, compute=SETTINGS.compute)
    kept = CondensedSet.load(finished / "curve" / "step-4.safetensors")
    assert torch.equal(kept.images.images, expected.images)
    assert kept.card["step"] == 4


def test_the_accuracies_are_stored_apart_from_those_of_the_run(finished):
    assert list(Scores.read(finished / "scores.json").sets) == ["dm", "random"]
    curve = Scores.read(finished / "curve.json")
    assert [step for step, _ in curve_points(curve)] == [0, 2, 4]
    assert all(score.count == 1 and score.recipe is None for score in curve.sets.values())


def test_an_interrupted_run_has_the_same_curve(finished, tmp_path):
    with pytest.raises(Stopped):
        run(CURVE, tmp_path, observers=[stop_after(3)])
    run(CURVE, tmp_path, resume=True)
    assert sets_in(tmp_path).keys() == sets_in(finished).keys()
    means = [json.loads((folder / "curve.json").read_text())["sets"] for folder in (tmp_path, finished)]
    assert [score["values"] for score in means[0].values()] == [score["values"] for score in means[1].values()]


def test_a_longer_run_has_the_kept_sets_among_its_own_steps(tmp_path):
    run(CURVE, tmp_path)
    longer = replace(CURVE, method=replace(METHOD, steps=12))
    run(longer, tmp_path, resume=True)
    assert [step for step, _ in curve_points(Scores.read(tmp_path / "curve.json"))] == [0, 4, 8]


def test_methods_without_steps_have_no_curve(tmp_path):
    run(replace(CURVE, method=Random()), tmp_path)
    assert not (tmp_path / "curve.json").exists()


def test_a_negative_number_of_sets_is_refused():
    with pytest.raises(CondensationError) as caught:
        replace(SETTINGS, curve=-1)
    assert caught.value.setting == "curve"


def test_the_page_of_a_run_draws_the_curve_up_to_the_set_itself(finished):
    article = run_article(SavedRun.read(finished), 100_000)
    (chart,) = next(section.parts for section in article.sections if section.title == "Learning curve")
    assert isinstance(chart, Chart)
    scores = Scores.read(finished / "scores.json").sets
    assert [step for step, _ in chart.series[0].points] == [0, 2, 4, 6]
    assert chart.series[0].points[-1][1] == scores["dm"].mean
    assert {accuracy for _, accuracy in chart.series[1].points} == {scores["random"].mean}


def test_a_run_can_be_shown_without_real_images(tmp_path):
    run(replace(SETTINGS, show_real=False, curve=0), tmp_path / "private")
    run(SETTINGS, tmp_path / "usual")
    pictures = [(tmp_path / name / "grid.png").stat().st_size for name in ("private", "usual")]
    assert pictures[0] < pictures[1]
    first = run_article(SavedRun.read(tmp_path / "private"), 100_000).sections[0]
    assert not any("real" in str(getattr(part, "rows", "")) for part in first.parts)
