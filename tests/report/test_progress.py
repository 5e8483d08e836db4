import io
import signal
import time
from dataclasses import replace
from functools import cache

import pytest
from rich.console import Console

from condensation.methods.best_of import BestOf
from condensation.methods.dm import DM
from condensation.methods.step_info import StepInfo, Stopped
from condensation.report.progress import HeadedReporter, LineReporter, LiveReporter, Reporter, reporter
from condensation.report.stopping import StopOnSignal, StoppableReporter


def info(step, steps=100, loss=1.5):
    return StepInfo(step, DM(steps=steps), loss, None)


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that the test advances."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_lines_are_15_seconds_apart(capsys, clock):
    lines = LineReporter(every=15)
    for step in range(101):
        lines.condensing(info(step))
        clock[0] += 1
    said = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in said] == ["0/100", "15/100", "30/100", "45/100", "60/100", "75/100", "90/100", "100/100"]


def test_a_line_has_loss_speed_and_time_left(capsys, clock):
    lines = LineReporter(every=0)
    for step in range(3):
        lines.condensing(info(step))
        clock[0] += 0.5
    clock[0] += 0.5
    lines.condensing(info(4))
    assert capsys.readouterr().err.splitlines()[-1] == "condensing 4/100  loss 1.5  2.0/s  0:48 left"


def test_the_first_step_does_not_count_towards_the_speed(capsys, clock):
    lines = LineReporter(every=0)
    lines.condensing(info(0))
    clock[0] += 60  # compiling
    lines.condensing(info(1))
    clock[0] += 1
    lines.condensing(info(2))
    assert "1.0/s  1:38 left" in capsys.readouterr().err


def test_steps_before_a_resume_do_not_count_towards_the_speed(capsys, clock):
    lines = LineReporter(every=0)
    for step in (50, 51, 52):
        lines.condensing(info(step))
        clock[0] += 1
    assert "52/100  loss 1.5  1.0/s  0:48 left" in capsys.readouterr().err


def test_a_method_without_steps_prints_nothing(capsys):
    LineReporter().condensing(info(0, 0))
    with reporter(Console(file=io.StringIO(), force_terminal=True), quiet=False) as live:
        live.condensing(info(0, 0))
    assert capsys.readouterr().err == ""


def test_evaluation_has_its_own_lines(capsys):
    LineReporter(every=0).evaluating(3, 6)
    assert capsys.readouterr().err == "evaluating 3/6\n"


def test_quiet_prints_nothing(capsys):
    with reporter(Console(stderr=True), quiet=True) as shown:
        shown.condensing(info(1))
        shown.evaluating(1, 2)
    assert capsys.readouterr() == ("", "")


def test_the_reporter_suits_the_output():
    for terminal, quiet, kind in ((True, False, LiveReporter), (False, False, LineReporter), (True, True, Reporter)):
        with reporter(Console(force_terminal=terminal, file=io.StringIO()), quiet=quiet) as shown:
            assert type(shown) is kind


def test_a_terminal_gets_a_bar():
    screen = io.StringIO()
    with reporter(Console(file=screen, force_terminal=True, width=120), quiet=False) as live:
        for step in (40, 41, 42):
            live.condensing(info(step))
    assert "42/100" in screen.getvalue()
    assert "loss 1.5" in screen.getvalue()


def test_a_run_of_several_parts_gets_a_bar_for_each():
    screen = io.StringIO()
    with reporter(Console(file=screen, force_terminal=True, width=120), quiet=False) as live:
        two_phases = BestOf(DM(steps=15), sets=2, mixtures=140)  # 30 steps that make the sets, then 70 that choose
        live.condensing(replace(info(29), method=two_phases))
        live.condensing(replace(info(30), method=two_phases))
    assert "30/30" in screen.getvalue()
    assert "0/70" in screen.getvalue()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_between_two_steps(number):
    with StopOnSignal() as stop:
        stop.check()
        signal.raise_signal(number)
        with pytest.raises(Stopped):
            stop.check(info(1))


def test_a_second_signal_ends_at_once():
    with StopOnSignal():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_signal_handlers_are_restored():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopOnSignal():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_reading_is_shown_after_two_seconds(capsys, clock):
    lines = LineReporter(every=15)
    for done in range(1, 41):
        lines.reading(done, 40)
        clock[0] += 1
    said = capsys.readouterr().err.splitlines()
    assert [line.split()[2] for line in said] == ["4/40", "19/40", "34/40", "40/40"]
    quick = LineReporter(every=15)
    for done in range(1, 41):
        quick.reading(done, 40)
    assert capsys.readouterr().err == ""


def test_a_bar_shows_reading(clock):
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with reporter(console, quiet=False) as live:
        live.reading(3, 7)
    assert "reading images" in console.file.getvalue()
    assert "3/7" in console.file.getvalue()


def test_a_heading_is_printed_once_before_the_first_progress(capsys):
    screen = Console(file=io.StringIO())
    shown = HeadedReporter(LineReporter(every=0), cache(lambda: screen.print("digits: DM")))
    assert screen.file.getvalue() == ""
    shown.condensing(info(0))
    shown.evaluating(1, 2)
    assert screen.file.getvalue() == "digits: DM\n"
    assert capsys.readouterr().err.splitlines() == ["condensing 0/100  loss 1.5", "evaluating 1/2"]


@pytest.mark.parametrize("part", ["reading", "training", "evaluating"])
def test_a_stoppable_reporter_shows_progress_then_stops(capsys, part):
    with StopOnSignal() as stop:
        shown = StoppableReporter(LineReporter(every=0), stop)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Stopped):
            getattr(shown, part)(2, 2)


def test_speed_begins_again_with_another_network(capsys, clock):
    """A counter that goes back has begun again: its speed is never negative."""
    lines = LineReporter(every=0)
    for done in (0, 1, 2, 40, 0, 1, 2):
        lines.training(done, 40)
        clock[0] += 1
    said = capsys.readouterr().err.splitlines()
    assert not [line for line in said if "-" in line]
    assert said[-1] == "training 2/40  1.0/s  0:38 left"
