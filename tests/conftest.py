"""What tests share: the command, no data or cache of the person, and one thread.

Small tensors on many threads run about eight times slower.
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
def no_data_of_the_person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whoever runs the tests may have got data sets, which `load` would find, and has a cache of images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("user")))
        patch.setenv("CONDENSATION_CACHE", "none")
        yield


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of the test's own, and without a data folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONDENSATION_DATA", raising=False)


@pytest.fixture
def condense(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """The command, run in this process: exit code, standard output, standard error."""
    from condensation.cli import main as cli

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["condense", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code is None or isinstance(end.value.code, int)
        return end.value.code or 0, *capsys.readouterr()

    return command
