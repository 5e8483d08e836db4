"""The campaigns notice faults that are planted, count what they ran, and repeat a trial alone."""

import contextlib
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.campaigns import record, security
from tests.campaigns.command import Command
from tests.campaigns.record import Record
from tests.campaigns.runner import Runner
from tests.campaigns.trial import Fault, Trial, check, results, same

ROOT = Path(__file__).parent.parent
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="campaigns fork"),
]


@pytest.fixture
def trial(tmp_path):
    folder = tmp_path / "trial"
    folder.mkdir()
    return Trial("test", 1, 0, folder, tmp_path / "corpus")


def printing(text):
    return lambda: os.write(2, text)


def connect():
    with contextlib.suppress(OSError):
        socket.create_connection(("192.0.2.1", 80), 1)


def fail():
    raise ValueError("planted")


@pytest.mark.slow
def test_a_correct_command_and_a_correct_refusal_pass(trial):
    assert trial.run(["networks"]).code == 0
    assert trial.run(["networks", "unknown"]).code == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "found"),
    [
        (fail, "traceback"),
        (printing(b"\x1b[31mred"), "control character"),
        (lambda: os._exit(3), "ended with 3"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "ended with -9"),
    ],
)
def test_a_planted_fault_of_the_process_is_found(trial, before, found):
    with pytest.raises(Fault, match=found):
        trial.run(["networks"], before=before)


@pytest.mark.parametrize("text", ["", "Error: no prefix", "condense: " + "line\n" * 9])
def test_a_refusal_without_a_short_message_is_found(trial, text):
    with pytest.raises(Fault, match="message"):
        trial.run(["networks"], before=lambda: (os.write(2, text.encode()), os._exit(2)))


def test_a_file_outside_of_the_folder_is_found(trial, monkeypatch):
    from condensation.cli import main

    monkeypatch.setattr(main, "main", lambda: (trial.folder.parent / "outside").write_text("x"))
    with pytest.raises(Fault, match="changed"):
        trial.run(["networks"])


def test_a_connection_is_found(trial, monkeypatch):
    from condensation.cli import main

    monkeypatch.setattr(main, "main", connect)
    with pytest.raises(Fault, match=r"192\.0\.2\.1"):
        trial.run(["networks"])


def test_a_command_without_an_end_is_found(trial):
    with pytest.raises(Fault, match="without an end"):
        trial.run(["networks"], seconds=0.3, before=signal.pause)


def test_each_file_operation_can_be_the_last(trial, monkeypatch):
    from condensation.cli import main
    from condensation.core import storage

    monkeypatch.setattr(main, "main", lambda: storage.write(Path("file"), b"content"))
    operations = trial.run([]).operations
    assert operations > 3
    (trial.folder / "file").unlink()
    for kill_at in range(1, operations + 1):
        command = trial.command([], kill_at=kill_at).start()
        assert command.result().code == -signal.SIGKILL
        assert not (trial.folder / "file").exists() or (trial.folder / "file").read_bytes() == b"content"


def test_a_lost_a_changed_and_a_left_file_are_found(tmp_path):
    for name in ("expected", "actual"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scores.json").write_text(json.dumps({"mean": 0.5, "seconds": len(name)}))
    expected, actual = tmp_path / "expected", tmp_path / "actual"
    same(results(actual), results(expected), "equal but for clocks")
    (actual / ".left.unfinished").write_text("")
    with pytest.raises(Fault, match="left over"):
        same(results(actual), results(expected), "")
    (expected / ".left.unfinished").write_text("x")
    with pytest.raises(Fault, match="differs"):
        same(results(actual), results(expected), "")
    (actual / ".left.unfinished").unlink()
    with pytest.raises(Fault, match="missing"):
        same(results(actual), results(expected), "")


def test_an_imported_module_is_found(trial, monkeypatch):
    from condensation.cli import main

    monkeypatch.setattr(security, "in_card", lambda trial: [["show"]])
    security.trial(trial)
    monkeypatch.setattr(main, "main", lambda: exec(Path("planted.py").read_text(), {"__file__": "planted.py", "__name__": "planted"}))
    with pytest.raises(Fault, match="planted code"):
        security.trial(trial)


def failing_third(trial):
    trial.part = "even" if trial.number % 2 == 0 else "odd"
    if trial.number == 3:
        raise Fault("planted")


def passing(trial):
    trial.part = "even" if trial.number % 2 == 0 else "odd"


def test_counts_are_added_up_and_a_stopped_campaign_continues(tmp_path, capsys):
    runner = Runner("test", failing_third, 1, tmp_path)
    assert runner.run(2, 1, Record(tmp_path / "trust.json", "test", 1)) == 0
    assert runner.run(6, 1, Record(tmp_path / "trust.json", "test", 1)) == 1
    [entry] = json.loads((tmp_path / "trust.json").read_text())["test"]
    assert {key: entry[key] for key in ("seed", "trials", "parts", "failures")} == {
        **{"seed": 1, "trials": 6, "parts": {"even": 3, "odd": 3}, "failures": [3]},
    }
    assert "test: 6 trials with seed 1 (even 3, odd 3), 1 failures" in capsys.readouterr().out
    assert not runner.trial(3).passed
    assert "FAIL test --seed 1 --only 3 (odd): planted" in capsys.readouterr().out


def test_a_failure_is_repeated_at_a_later_commit(tmp_path, monkeypatch):
    path = tmp_path / "trust.json"
    assert Runner("test", failing_third, 1, tmp_path).run(4, 1, Record(path, "test", 1)) == 1
    monkeypatch.setattr(record, "commit", lambda: "later")
    assert Runner("test", passing, 1, tmp_path).run(6, 1, Record(path, "test", 1)) == 0
    first, second = json.loads(path.read_text())["test"]
    assert [first[key] for key in ("trials", "failures", "fixed")] == [4, [], {"3": "later"}]
    assert [second[key] for key in ("commit", "trials", "failures")] == ["later", 2, []]
    assert f"| test | 6 | 3 even, 3 odd | 0 | 1 | 1 | {first['commit']}, later |" in record.table(path)


def test_the_same_seed_and_number_draw_the_same(tmp_path):
    first, second, other = (Trial("test", 1, number, tmp_path, tmp_path).rng.random() for number in (5, 5, 6))
    assert first == second != other


def test_the_page_shows_the_recorded_counts():
    assert record.table(ROOT / "results" / "trust.json") in (ROOT / "docs" / "trust.md").read_text()


def test_check_accepts_progress_lines(tmp_path):
    result = Command(["--version"], tmp_path, before=printing(b"1 of 2\r2 of 2\n")).start().result()
    check(result, "version")
