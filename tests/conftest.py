"""Fixtures of all tests: the command, one thread, and no data or cache of the user.

On many threads, small tensors are about eight times slower.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def no_user_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the data sets and the image cache of the user, which `load` would find."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("user")))
        patch.setenv("CONDENSATION_CACHE", "none")
        patch.delenv("CONDENSATION_DATA", raising=False)
        yield


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to an empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def condense(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the command in this process: exit code, standard output, standard error."""
    from condensation.cli import main as cli

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["condense", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code is None or isinstance(end.value.code, int)
        return end.value.code or 0, *capsys.readouterr()

    return command
