"""What a run will take: from earlier runs, or from a trial."""

from dataclasses import replace

import pytest
import torch

from condensation import DM, KIP, BestOf, Compute, ConvNet, DataSettings, EvaluationSettings, Fresh, Random, Recipe, RunSettings, Trained
from condensation.cli.views.plan import duration, expected, plan_lines
from condensation.runs.estimate import Plan, PlannedPart, plan_run
from condensation.runs.timings import MOST, Timing, recall, remember

SMALL = ConvNet(width=4)
METHOD = DM(steps=20, batch_per_class=4, networks=Fresh(SMALL))
EVALUATION = EvaluationSettings(2, SMALL, Recipe(epochs=5))
SETTINGS = RunSettings(DataSettings("digits"), METHOD, ipc=1, evaluation=EVALUATION, compute=Compute("cpu", "float32", compile="never"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Use an empty cache folder."""
    monkeypatch.setenv("CONDENSATION_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def data():
    return SETTINGS.data.load()


def test_a_trial_tells_how_long_each_part_takes(data, cache):
    before = torch.get_rng_state()
    plan = plan_run(SETTINGS, data)
    assert [part.name for part in plan.parts] == ["condensing", "evaluating"]
    assert all(0 < part.seconds < 300 and not part.measured for part in plan.parts)
    assert torch.equal(before, torch.get_rng_state())
    assert not list(cache.iterdir())
    assert plan.disk > 10 * 64 * 4


def test_an_earlier_run_tells_it_better_for_any_number_of_steps(data, cache):
    key = plan_run(SETTINGS, data).parts[0].key
    remember({key: Timing(each=0.5, first=12.0, units=20)})
    for steps in (20, 50):
        part = plan_run(replace(SETTINGS, method=replace(METHOD, steps=steps)), data).parts[0]
        assert (part.seconds, part.compiling, part.measured) == (12.0 + 0.5 * steps, 12.0, True)
    other = plan_run(replace(SETTINGS, ipc=2), data).parts[0]
    assert not other.measured


def test_the_parts_are_those_of_the_run(data, cache):
    def names(**changes):
        return [part.name for part in plan_run(replace(SETTINGS, **changes), data).parts]

    unevaluated = EvaluationSettings(0)
    assert names(method=Random(), evaluation=unevaluated) == []
    assert names(method=BestOf(METHOD, sets=2, mixtures=4), evaluation=unevaluated) == ["condensing", "choosing"]
    assert names(method=KIP(steps=3, batch=20), evaluation=unevaluated) == ["condensing"]
    trained = replace(METHOD, networks=Trained(networks=1, epochs=1, spec=SMALL), calibration=1.0)
    assert names(method=trained, evaluation=unevaluated) == ["training", "condensing"]


def test_times_of_many_runs_are_kept_up_to_a_limit(cache):
    remember({str(number): Timing(1.0) for number in range(MOST + 5)})
    assert list(recall()) == [str(number) for number in range(5, MOST + 5)]
    (cache / "timings.json").write_text("[")
    assert recall() == {}


def test_a_plan_in_words(data, cache):
    plan = plan_run(SETTINGS, data)
    assert expected(plan).keys() == {"condensing", "evaluating"}
    (line,) = plan_lines(plan)
    assert "20 steps" in line
    assert "4 networks of 5 epochs" in line
    assert [duration(seconds) for seconds in (None, 0.1, 20, 200, 9000)] == ["time unknown", "1 s", "20 s", "3 min", "2.5 h"]


def test_the_plan_of_a_resumed_run_is_what_is_left(data, cache):
    keys = [part.key for part in plan_run(SETTINGS, data).parts]
    remember({keys[0]: Timing(each=2.0, units=20), keys[1]: Timing(each=1.0, units=20)})
    left = plan_run(SETTINGS, data, done=15, evaluated=3).parts
    assert [(part.text, part.seconds) for part in left] == [
        ("condensing steps 16 to 20", 10.0),
        ("evaluating by 1 network of 5 epochs", 5.0),
    ]
    assert [(part.name, part.seconds) for part in plan_run(SETTINGS, data, done=20).parts] == [("evaluating", 20.0)]


def test_a_plan_with_an_unknown_part_names_no_total_without_it():
    known = PlannedPart("condensing", "condensing 20 steps", "", 30.0, 0.0, False)
    unknown = PlannedPart("choosing", "choosing 4 steps", "", None, 0.0, False)
    assert " About 30 s in all" in plan_lines(Plan((known,), 0, 0))[0]
    (line,) = plan_lines(Plan((known, unknown), 0, 0))
    assert " At least 30 s in all" in line
    assert "About" not in line
