"""Commands in one of the processes that torchrun starts; the run itself is tested in tests/team."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from condensation.cli.main import app
from condensation.core.errors import CondensationError
from condensation.core.lock import is_silent

RUN = ["run", "--data", "digits", "--ipc", "1", "--method", "pixel-mmd", "method.steps=2", "evaluation.networks=0"]


@pytest.fixture(params=["0", "1"])
def rank(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", request.param)
    return str(request.param)


@pytest.mark.parametrize("words", [["evaluate", "x"], ["table"], ["nas", "x"], ["data", "pack", "x"], ["show", "x"]], ids=" ".join)
def test_commands_other_than_run_are_refused_in_the_first_process(rank: str, words: list[str]) -> None:
    error = CliRunner().invoke(app, words).exception
    assert isinstance(error, CondensationError)
    assert f"condense {words[0]}" in error.message
    assert is_silent(error) is (rank == "1")


@pytest.mark.parametrize("words", [["--dry-run"], ["--print-config"]], ids=" ".join)
def test_the_first_process_alone_tells_what_a_run_would_do(rank: str, words: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*RUN, "--out", str(tmp_path / "run"), *words])
    assert result.exit_code == 0
    assert bool(result.output) is (rank == "0")
    assert not (tmp_path / "run").exists()


def test_a_dry_run_of_a_method_that_needs_one_process_is_refused(rank: str, tmp_path: Path) -> None:
    error = CliRunner().invoke(app, ["run", "--data", "digits", "--method", "kip", "--dry-run"]).exception
    assert isinstance(error, CondensationError)
    assert error.setting == "method"
