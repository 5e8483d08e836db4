import io
import signal
import time
from dataclasses import replace

import pytest
from rich.console import Console

from condensation.methods.loop import StepInfo, Stopped
from condensation.report.progress import LineReporter, Live, Silent, StopOnSignal, reporter


def moment(step, steps=100, loss=1.5):
    return StepInfo(step, steps, loss, None, ("condensing", step, steps))


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves on."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_lines_come_now_and_then(capsys, clock):
    lines = LineReporter(every=15)
    for step in range(101):
        lines.condensing(moment(step))
        clock[0] += 1
    said = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in said] == ["0/100", "15/100", "30/100", "45/100", "60/100", "75/100", "90/100", "100/100"]


def test_lines_tell_loss_speed_and_time_left(capsys, clock):
    lines = LineReporter(every=0)
    for step in range(3):
        lines.condensing(moment(step))
        clock[0] += 0.5
    clock[0] += 0.5
    lines.condensing(moment(4))
    assert capsys.readouterr().err.splitlines()[-1] == "condensing 4/100  loss 1.5  2.0/s  0:48 left"


def test_the_first_step_does_not_count_into_the_speed(capsys, clock):
    lines = LineReporter(every=0)
    lines.condensing(moment(0))
    clock[0] += 60  # compiling
    lines.condensing(moment(1))
    clock[0] += 1
    lines.condensing(moment(2))
    assert "1.0/s  1:38 left" in capsys.readouterr().err


def test_steps_before_a_restart_do_not_count_into_the_speed(capsys, clock):
    lines = LineReporter(every=0)
    for step in (50, 51, 52):
        lines.condensing(moment(step))
        clock[0] += 1
    assert "52/100  loss 1.5  1.0/s  0:48 left" in capsys.readouterr().err


def test_a_method_without_steps_says_nothing(capsys):
    LineReporter().condensing(moment(0, 0))
    Live(Console(file=io.StringIO())).condensing(moment(0, 0))
    assert capsys.readouterr().err == ""


def test_judging_has_lines_of_its_own(capsys):
    LineReporter(every=0).judging(3, 6)
    assert capsys.readouterr().err == "judging 3/6\n"


def test_silence(capsys):
    with reporter(Console(stderr=True), quiet=True) as shown:
        shown.condensing(moment(1))
        shown.judging(1, 2)
    assert capsys.readouterr() == ("", "")


def test_the_reporter_suits_the_output():
    assert isinstance(reporter(Console(force_terminal=True, file=io.StringIO()), quiet=False), Live)
    assert isinstance(reporter(Console(force_terminal=False, file=io.StringIO()), quiet=False), LineReporter)
    assert type(reporter(Console(force_terminal=True, file=io.StringIO()), quiet=True)) is Silent


def test_a_terminal_gets_a_bar():
    screen = io.StringIO()
    with Live(Console(file=screen, force_terminal=True, width=120)) as live:
        for step in (40, 41, 42):
            live.condensing(moment(step))
        live.judging(6, 6)
    assert "42/100" in screen.getvalue()
    assert "loss 1.5" in screen.getvalue()
    assert "judging" in screen.getvalue()


def test_a_run_of_several_parts_gets_a_bar_for_each():
    screen = io.StringIO()
    with Live(Console(file=screen, force_terminal=True, width=120)) as live:
        live.condensing(replace(moment(29), phase=("condensing", 29, 30)))
        live.condensing(replace(moment(30), phase=("choosing", 0, 70)))
    assert "30/30" in screen.getvalue()
    assert "0/70" in screen.getvalue()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_between_two_steps(number):
    with StopOnSignal() as stop:
        stop.check()
        signal.raise_signal(number)
        with pytest.raises(Stopped):
            stop.check(moment(1))


def test_a_second_signal_ends_at_once():
    with StopOnSignal():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_signals_are_given_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopOnSignal():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_reading_is_told_of_once_it_takes_long(capsys, clock):
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
    with Live(console) as live:
        live.reading(3, 7)
    assert "reading images" in console.file.getvalue()
    assert "3/7" in console.file.getvalue()
