"""Fixtures of the tests of the command."""

import pytest

from tests.cli.runs import RUN, make


@pytest.fixture
def refused(condense):
    """Return a function that runs a command that must fail, and returns its error message."""

    def command(*arguments):
        code, _, errors = condense(*arguments)
        lines = [line for line in errors.splitlines() if not line.startswith(("condensing", "evaluating"))]
        assert code == 2, errors
        assert "Traceback" not in errors
        assert lines[0].startswith("condense: ")
        assert 1 <= len(lines) <= 4
        return "\n".join(lines)

    return command


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Return a run folder, made once."""
    folder = tmp_path_factory.mktemp("finished") / "a run"
    make(*RUN, "-o", folder, "--quiet")
    return folder
