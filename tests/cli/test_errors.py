"""Bad input, and errors of the library in the words of the command line."""

import logging
import re
from itertools import chain
from pathlib import Path

import pytest
from PIL import Image
from typer.main import get_command

from condensation.cli import main as cli
from condensation.cli.app import app
from condensation.cli.errors import OPTIONS, for_command_line, in_option_names
from condensation.core.errors import CondensationError
from tests.cli.runs import FAST, RUN

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Pass small_classes="all" to use them.', "Pass --small-classes all to use them."),
        ("Continue with resume=True, or choose another folder (out=...).", "Continue with --resume, or choose another folder (--out)."),
        ("Set size=64 or size=48x64.", "Set --size 64 or --size 48x64."),
        ("Pass device='cpu'.", "Pass --device cpu."),
        ("Pass skip_bad=True, data.size=64 or compute.device=cpu.", "Pass --skip-bad, --size 64 or --device cpu."),
        ("Got which=3; preset='paper' and random=5.", "Got --which 3; --preset paper and --random 5."),
        ("Set method.size=3, evaluation.network=mlp or my_seed=4.", "Set method.size=3, evaluation.network=mlp or my_seed=4."),
        ('Name the data: data={"source": "cifar10"}.', "Name the data: --data cifar10."),
        ('Use to="npz" or to="hub".', "Use --to npz or --to hub."),
        ('Ask for source="./my data".', "Ask for --data ./my data."),
    ],
)
def test_parameters_become_options(text, expected):
    assert in_option_names(text) == expected
    assert for_command_line(CondensationError("What is wrong.", hint=text)) == f"What is wrong.\n{expected}"


def test_the_setting_is_named_if_the_message_lacks_it():
    error = CondensationError("Expected at least 1, got 0.", hint="Set it to 1.", setting="evaluation.networks")
    assert for_command_line(error) == "Expected at least 1, got 0. Setting: evaluation.networks.\nSet it to 1."
    for message, setting in (
        ("method.lr is 0.", "method.lr"),
        ("Expected at least 1, got 0.", "ipc"),
        ("Expected 64.", "data.size"),
        ("No layer.", "network.layer"),
    ):
        assert for_command_line(CondensationError(message, setting=setting)) == message


def test_each_option_exists():
    commands = get_command(app).commands.values()
    groups = [command.commands.values() for command in commands if hasattr(command, "commands")]
    options = {option for command in chain(commands, *groups) for parameter in command.params for option in parameter.opts}
    assert set(OPTIONS.values()) <= options


def test_a_warning_is_shown_once():
    once = cli.OnceFilter()
    records = [logging.LogRecord("x", logging.WARNING, "", 0, "%s is the same", (name,), None) for name in ("a", "a", "b", "a")]
    assert [once.filter(record) for record in records] == [True, False, True, False]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("run -d cifar1", "Did you mean 'cifar10'?"),
        ("run -d digits evaluation.network=lenett", "Did you mean 'lenet'?"),
        ("run -d digits method.lrr=1", "'lrr'"),
        ("run -d digits nonsense=1", "'nonsense'"),
        ("run -d digits nonsense", "'nonsense' is not a setting."),
        ("run -d digits --device cuda:99", "cuda:99"),
        ("run -d digits -i 5000", "5000"),
        ("run -d digits ipc=0", "ipc"),
        ("run -d digits ipc.0=1", "'1'"),
        ("run -d digits --seed x", "--seed"),
        ("run -d digits -c nowhere.toml", "nowhere.toml"),
        ("run -d digits -c .", ". cannot be read as TOML"),
        ("run -d ''", "No data set given."),
        ("run -d ./nowhere", "nowhere"),
        ("run -d cifar10 --folder nowhere", "nowhere"),
        ("run -d digits method.steps=-1", "method.steps"),
        ("run -d digits method.lr=0", "lr"),
        ("run -d digits evaluation.networks=-1", "evaluation.networks"),
        ("run -d digits evaluation.recipe.epochs=0", "epochs"),
        ("run -d digits evaluation.network.depth=9", "depth"),
        ("run -d digits --resume", "no run to resume"),
        ("run -d digits -o file", "--out"),
        ("run -d digits -o file/below", "Could not write"),
        ("run -d file", "file"),
        ("run -d ./file", "file"),
        ("run -d digits compute.chunk=4 method.networks.spec.norm=batch", "batch norm"),
        ("run -d digits -o", "-o"),
        ("evaluate", "--random"),
        ("evaluate nowhere", "nowhere"),
        ("evaluate file", "file is damaged"),
        ("evaluate -d digits --random 5000", "5000"),
        ("evaluate -d digits --whole evaluation.networks=0", "evaluation.networks"),
        ("evaluate -d digits --whole nonsense=3", "'nonsense'"),
        ("show nowhere", "nowhere"),
        ("show .", "set.safetensors"),
        ("show", "SET..."),
        ("networks --shape 3x32", "'3x32'"),
        ("networks --shape 0x8x8", "'0x8x8'"),
        ("networks --shape -1x8x8", "'-1x8x8'"),
        ("networks --shape ''", "--shape"),
        ("networks --classes 1", "--classes"),
        ("data --folder nowhere", "nowhere"),
    ],
)
def test_bad_input_is_named(refused, arguments, text):
    Path("file").write_text("not a folder")
    command, *words = (word.strip("'") for word in arguments.split())
    # A short run, in case one is accepted.
    assert text in refused(command, *(FAST if command == "run" and "config" not in words else ()), *words)


def test_an_image_folder_with_one_class_is_refused(refused):
    Path("mine/cat").mkdir(parents=True)
    for number in range(5):
        Image.new("RGB", (8, 8)).save(f"mine/cat/{number}.png")
    assert "class" in refused("run", "-d", "./mine", "-i", 1)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")])
def test_too_little_memory(refused, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("condensation.cli.views.run.run", fail)
    assert "Not enough memory" in refused(*RUN)


def test_a_second_ctrl_c_ends_with_code_130(condense, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("condensation.cli.views.run.run", interrupt)
    assert condense(*RUN) == (130, "", "condense: Stopped.\n")


def test_a_long_value_is_shortened(condense):
    code, _, err = condense(*RUN, f"compute.compile={'9' * 5000}")
    assert code == 2
    assert err.startswith("condense: compute.compile is '999")
    assert max(map(len, err.splitlines())) < 1100


def test_hints_of_the_library_set_no_option_to_false():
    hints = [path for path in (Path(__file__).parents[2] / "src").rglob("*.py") if re.search(r"hint=.*\b\w+=False", path.read_text())]
    assert not hints  # the command has no option for it; "Leave out resume=True" works for both
