"""Time left of a run of several parts, and the one bar that shows it."""

import io
import logging
import time

import pytest
from rich.console import Console

from condensation.core.compute import COMPILING
from condensation.report.progress import reporter
from condensation.report.schedule import Schedule
from condensation.report.stopping import stoppable
from condensation.runs.run_log import run_log


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that the test advances."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_what_is_left_is_expected_first_and_measured_later(clock):
    schedule = Schedule()
    schedule.expect({"condensing": 30.0, "evaluating": 60.0})
    assert (schedule.left, schedule.fraction) == (90.0, 0.0)
    schedule.update("condensing", 0, 100)
    clock[0] += 20  # the first step compiles: what was expected passes
    assert schedule.left == 70.0
    schedule.update("condensing", 1, 100)
    for step in range(2, 12):
        clock[0] += 1
        schedule.update("condensing", step, 100)
    assert schedule.left == pytest.approx(89 + 60)  # a second a step, then the evaluation as expected
    clock[0] += 0.5
    assert schedule.left == pytest.approx(88.5 + 60)  # it moves between steps too
    schedule.update("evaluating", 1, 4)
    assert schedule.left == pytest.approx(60.0, abs=1)


def test_the_bar_never_moves_back(clock):
    schedule = Schedule()
    schedule.expect({"condensing": 10.0})
    schedule.update("condensing", 0, 1000)
    clock[0] += 9
    before = schedule.fraction
    assert before == pytest.approx(0.9)
    schedule.update("condensing", 1, 1000)
    clock[0] += 9
    schedule.update("condensing", 2, 1000)  # far slower than expected
    assert schedule.fraction == before


def test_without_expectations_nothing_is_said_before_it_is_measured(clock):
    schedule = Schedule()
    assert schedule.left is None
    schedule.update("condensing", 0, 10)
    assert schedule.left is None
    for step in (1, 2, 3):
        schedule.update("condensing", step, 10)
        clock[0] += 1
    assert schedule.left == pytest.approx(7 - 1)


def test_the_first_step_is_measured_apart(clock):
    schedule = Schedule()
    for step, seconds in enumerate((0, 20, 2, 2, 2)):
        clock[0] += seconds
        schedule.update("condensing", step, 4)
    part = schedule.parts["condensing"]
    assert part.each == 2.0
    assert part.first[1] - part.began == 20.0


def test_one_bar_shows_the_parts_and_compiling(clock):
    screen, schedule = Console(file=io.StringIO(), force_terminal=True, width=140), Schedule()
    schedule.expect({"condensing": 30.0, "evaluating": 90.0})
    with reporter(screen, quiet=False, schedule=schedule) as live:
        live.show("condensing", 3, 10, "loss 1.5")
        live.compiling()
        live.show("evaluating", 1, 4)
    said = screen.file.getvalue()
    assert all(text in said for text in ("condensing 3/10", "loss 1.5", "compiling ...", "evaluating 1/4", "left"))


def test_compiling_is_said_where_it_is_logged(capsys):
    with stoppable(quiet=False):
        logging.getLogger("condensation.core.compute").info(COMPILING)
    assert capsys.readouterr().err == "compiling ...\n"


def test_the_log_of_a_run_waits_until_the_run_has_its_folder(tmp_path):
    logger = logging.getLogger("condensation.anything")
    with run_log(tmp_path):
        logger.info("first")
        assert not list(tmp_path.iterdir())
        (tmp_path / "settings.json").write_text("{}")
        logger.warning("second")
    lines = (tmp_path / "run.log").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == ["first", "second"]
    logger.warning("after the run")
    assert len((tmp_path / "run.log").read_text().splitlines()) == 2
