"""Standard output of any encoding, closed, or full; limits of memory; places that cannot be written."""

import io
import json
import os
import subprocess
import sys

import pytest

from condensation.cli import main as cli
from tests.cli.runs import ENVIRONMENT, FAST
from tests.data.pictures import write_classes

NAMES = ("яблоко", "─ж")


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / "mine", NAMES)


def ends(*words, **how):
    """Return the exit code, standard output and standard error of the command."""
    environment = {**ENVIRONMENT, **how.pop("environment", {})}
    command = [sys.executable, "-m", "condensation", *map(str, words)]
    made = subprocess.run(command, env=environment, stderr=subprocess.PIPE, **{"stdout": subprocess.PIPE, **how})
    return made.returncode, made.stdout or b"", made.stderr


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_characters_that_the_encoding_lacks(mine, encoding):
    code, said, errors = ends("data", "show", "./mine", environment={"PYTHONIOENCODING": encoding})
    assert (code, errors) == (0, b"")
    assert b"8 training and 2 test images of 2 classes" in said
    assert b"??" in said
    code, said, _ = ends("data", "show", "./mine", "--json", environment={"PYTHONIOENCODING": encoding})
    assert set(json.loads(said.decode(encoding))["classes"]) == set(NAMES)


def test_characters_that_the_encoding_lacks_in_this_process(mine, monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "argv", ["condense", "data", "show", "./mine"])
    with pytest.raises(SystemExit):
        cli.main()
    out.flush()
    said = out.buffer.getvalue()
    assert b"8 training and 2 test images of 2 classes" in said
    assert b"??" in said


@pytest.mark.slow
def test_a_run_in_the_locale_c(mine):
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code, said, errors = ends("run", "-d", "./mine", "-i", 1, *FAST, "-o", "out", environment=environment)
    assert code == 0, errors
    assert b"trained on" in said


@pytest.mark.slow
def test_a_closed_pipe():
    read, write = os.pipe()
    os.close(read)
    code, _, errors = ends("methods", "--json", stdout=write)
    os.close(write)
    assert (code, errors) == (1, b"")


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_behind_standard_output():
    with open("/dev/full", "w") as full:
        code, _, errors = ends("methods", stdout=full)
    assert code == 2
    assert errors.startswith(b"condense: ")
    assert b"Traceback" not in errors


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_the_limit_of_the_process_is_respected_before_memory_is_spent(mine):
    import resource

    def lower():
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

    code, said, errors = ends("run", "-d", "./mine", "-i", 1, "--size", 16000, *FAST, "-o", "out", preexec_fn=lower)
    assert (code, said) == (2, b"")
    assert errors.startswith(b"condense: Reading 10 images from mine needs about 5.1 GB of memory, and ")
    assert not os.path.exists("out")
