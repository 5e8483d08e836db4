"""``condense --help`` and the values that options take."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.main import get_command

from condensation.artifacts.export.export import EXPORTS
from condensation.cli import choices
from condensation.cli.app import PANELS, app
from condensation.methods.registry import METHODS
from condensation.networks.ntk.registry import NTKS
from condensation.networks.registry import NETWORKS
from condensation.runs.presets import PRESETS
from condensation.studies.paper import FORMATS
from tests.cli.runs import ENVIRONMENT

COMMANDS = [[name] for names in PANELS.values() for name in names] + [
    ["data", "get"],
    ["data", "show"],
    ["data", "pack"],
    ["data", "verify"],
]


def test_without_a_command_the_help_is_printed(condense):
    code, said, _ = condense()
    assert code == 0
    assert "evaluate" in said


def test_the_version(condense):
    assert condense("--version")[:2] == (0, f"condensation {version('condensation')}\n")


def test_only_run_has_default_data(condense):
    assert "fashion-mini" in condense("run", "--help")[1]
    assert "fashion-mini" not in condense("evaluate", "--help")[1]


def test_every_command_is_in_a_panel():
    assert sorted(get_command(app).commands) == sorted(name for names in PANELS.values() for name in names)


def test_the_help_begins_with_run(condense):
    said = condense("--help")[1]
    headings = ("─ Condense ─", "│ run ", "─ Evaluate ─", "│ evaluate ", "─ Inspect ─", "│ runs ", "─ Studies ─", "│ table ")
    places = [said.index(text) for text in headings]
    assert places == sorted(places)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_fits_into_80_columns(condense, monkeypatch, command):
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 80)
    code, said, _ = condense(*command, "--help")
    assert code == 0
    assert max(map(len, said.splitlines())) == 80
    assert "…" not in said


def test_options_take_the_names_that_exist():
    assert tuple(METHODS) == choices.METHODS
    assert tuple(NETWORKS) == choices.NETWORKS
    assert tuple(NTKS) == choices.KERNELS
    assert tuple(PRESETS) == choices.PRESETS
    assert tuple(EXPORTS) == choices.EXPORTS
    assert choices.PAPER_FORMATS == FORMATS


WRONG = {
    "run --ipc 0": "--ipc",
    "run --ipc -1": "--ipc",
    "run --method dmm": "Did you mean 'dm'?",
    "run --network lenett": "Did you mean 'lenet'?",
    "run --preset fats": "Did you mean 'fast'?",
    "run --size 0": "--size 64",
    "run --size 8by8": "--size 64",
    "run --fit stretch": "crop, pad",
    "run --small-classes some": "error, all",
    "run --device gpu": "auto, cpu, cuda, mps",
    "run --checkpoint-every -1": "--checkpoint-every",
    "run --nope": "--nope",
    "evaluate --random -1": "--random",
    "evaluate --network lenett": "Did you mean 'lenet'?",
    "ridge --kernel fcc": "Did you mean 'fc'?",
    "teach run --network lenett": "Did you mean 'lenet'?",
    "export set --to gif": "png, npz, parquet, torch, hub",
    "networks resnet99": "Did you mean 'resnet18'?",
    "methods dmm": "Did you mean 'dm'?",
    "runn": "runn",
}


def test_wrong_values_are_refused_without_torch():
    """One process in which torch cannot be imported runs all of them."""
    code = f"""
import contextlib, io, json, sys
sys.modules["torch"] = None
from condensation.cli.main import main
results = {{}}
for line in {list(WRONG)!r}:
    sys.argv = ["condense", *line.split()]
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            main()
        except SystemExit as end:
            results[line] = [end.code, errors.getvalue()]
print(json.dumps(results))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    results = json.loads(done.stdout)
    assert {line: result[0] for line, result in results.items()} == dict.fromkeys(WRONG, 2)
    assert [line for line, text in WRONG.items() if text not in results[line][1]] == []
