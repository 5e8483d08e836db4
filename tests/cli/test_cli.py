import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import condensation
from condensation.artifacts.condensed_set import CondensedSet
from condensation.cli import main as cli
from condensation.core.images import ImageSet
from condensation.methods.registry import METHODS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FAST = (
    "method.steps=6 method.batch_per_class=4 method.networks.spec.width=8 evaluation.networks=1 evaluation.network.width=8 "
    "evaluation.recipe.epochs=2 compute.precision=float32 compute.compile=never"
).split()
RUN = ("run", "-d", "digits", "-i", "1", *FAST)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(condensation.__file__).parent.parent), "OMP_NUM_THREADS": "1"}


pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def refused(condense):
    """What a command that must be refused says."""

    def command(*arguments):
        code, _, said = condense(*arguments)
        assert code == 2, said
        assert "Traceback" not in said
        assert said.startswith("condense: ")
        assert 1 <= len(said.splitlines()) <= 4
        return said

    return command


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run folder, made once."""
    folder = tmp_path_factory.mktemp("finished") / "a run"
    subprocess.run([sys.executable, "-m", "condensation", *RUN, "-o", folder, "--quiet"], check=True, env=ENVIRONMENT)
    return folder


def colour_data(folder, classes=2, side=8):
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for part in ("train", "test"):
        images = generator.integers(0, 256, (10 * classes, side, side, 3), dtype=np.uint8)
        np.savez(folder / f"{part}.npz", images=images, labels=np.arange(10 * classes) % classes)
    return folder


# -- condense run


def test_run_fills_a_folder(condense, tmp_path):
    code, said, progress = condense(*RUN, "-o", "out")
    assert code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "settings.json",
        "log.jsonl",
        "checkpoint.safetensors",
        "set.safetensors",
        "grid.png",
        "scores.json",
    }
    assert "DM, 1 image per class, 6 steps" in said
    assert "condense evaluate out" in said
    assert "condensing 6/6" in progress


def test_a_run_that_is_refused_says_nothing_else(condense):
    for words in (("-d", "./no/where"), ("-d", "digits", "-i", 0), ("-d", "digits", "-i", 100_000)):
        code, said, error = condense("run", *words, *FAST, "-o", "out")
        assert (code, said) == (2, "")
        assert error.startswith("condense: ")


def test_what_is_run_is_said_once_and_first(condense):
    said = condense(*RUN, "-o", "out")[1]
    assert said.startswith("digits: DM, 1 image per class, 6 steps, seed 0\non cpu")
    assert said.count("seed 0") == 1
    again = condense(*RUN, "-o", "out", "--resume")[1]
    assert "This run is finished; nothing is done again." in again
    assert again.count("seed 0") == 1


def test_what_is_next_after_images_of_ones_own(condense, tmp_path):
    fast = (*FAST, "-i", 1, "evaluation.networks=0")
    assert "condense run --data PATH" in condense("run", "-d", "digits", *fast, "-o", "known")[1]
    colour_data(tmp_path / "mine")
    said = condense("run", "-d", "./mine", *fast, "-o", "own")[1]
    assert "--data PATH" not in said
    assert "condense export own --to png" in said


def test_a_set_with_soft_labels_is_exported_as_arrays(condense, tmp_path):
    colour_data(tmp_path / "mine")
    said = condense("run", "-d", "./mine", "-m", "kip", "-i", 1, "method.steps=1", "method.batch=4", "evaluation.networks=0", "-o", "own")[
        1
    ]
    assert "condense export own --to npz" in said
    assert condense("export", "own", "--to", "npz")[0] == 0
    assert "soft labels cannot be written as png" in condense("export", "own", "--to", "png")[2]


def test_a_warning_is_shown_once():
    once = cli.Once()
    records = [logging.LogRecord("x", logging.WARNING, "", 0, "%s is the same", (name,), None) for name in ("a", "a", "b", "a")]
    assert [once.filter(record) for record in records] == [True, False, True, False]


def test_networks_that_are_drawn_alike_are_warned_of_once(tmp_path):
    Path("same.py").write_text(
        "import torch\n"
        "def net(num_classes):\n"
        "    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, num_classes))\n"
    )
    fast = [word for word in FAST if "width" not in word]
    words = ("run", "-d", "digits", "-i", "1", *fast, "--network", "same.py:net", "-q")
    done = subprocess.run([sys.executable, "-m", "condensation", *words], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stderr.count("draws is the same") == 1


def test_the_help_names_the_data_that_a_run_takes(condense):
    assert "fashion-mini" in condense("run", "--help")[1]
    assert "fashion-mini" not in condense("evaluate", "--help")[1]


def test_python_m_makes_the_same_file(condense, finished):
    assert condense(*RUN, "-o", "out", "-q")[0] == 0
    assert Path("out/set.safetensors").read_bytes() == (finished / "set.safetensors").read_bytes()


def test_another_seed_makes_another_file(condense, finished):
    assert condense(*RUN, "-o", "out", "-q", "--seed", 1)[0] == 0
    assert Path("out/set.safetensors").read_bytes() != (finished / "set.safetensors").read_bytes()


def test_json_is_all_that_is_printed(condense):
    code, said, progress = condense(*RUN, "-o", "out", "--json")
    assert (code, progress) == (0, "")
    assert json.loads(said)["folder"] == "out"
    assert set(json.loads(said)["sets"]) == {"dm", "random"}


def test_quiet_prints_nothing(condense):
    assert condense(*RUN, "-o", "out", "--quiet") == (0, "", "")


def test_the_folder_has_a_name_by_default(condense):
    assert condense(*RUN, "-m", "random", "-q")[0] == 2  # random has no steps
    assert condense("run", "-d", "digits", "-i", 2, "-m", "random", "evaluation.networks=0", "-q") == (0, "", "")
    assert Path("runs/digits-random-ipc2-seed0/set.safetensors").exists()


def test_a_path_gives_the_folder_its_name(condense, tmp_path):
    colour_data(tmp_path / "mine" / "below")
    os.chdir(tmp_path / "mine" / "below")
    assert condense("run", "-d", ".", "-i", 2, "-m", "random", "evaluation.networks=0", "-q") == (0, "", "")
    assert Path("runs/below-random-ipc2-seed0").exists()


def test_print_config_runs_nothing_and_is_a_config(condense, tmp_path):
    code, said, _ = condense(*RUN, "--seed", 5, "--print-config")
    assert code == 0
    assert not list(tmp_path.iterdir())
    (tmp_path / "config.toml").write_text(said)
    assert condense("run", "--config", "config.toml", "--print-config")[1] == said


def test_options_go_before_the_config(condense, tmp_path):
    (tmp_path / "config.toml").write_text('seed = 5\nipc = 3\n[data]\nsource = "digits"\n')
    said = condense("run", "-c", "config.toml", "--seed", 7, "--print-config")[1]
    assert "seed = 7\n" in said
    assert "ipc = 3\n" in said
    assert 'source = "digits"' in said


def test_overrides_go_before_options(condense):
    assert "seed = 9\n" in condense("run", "--seed", 7, "seed=9", "--print-config")[1]


def test_presets_are_where_settings_begin(condense, tmp_path):
    def steps(*words):
        return tomllib.loads(condense("run", *words, "--print-config")[1])["method"]["steps"]

    (tmp_path / "config.toml").write_text("[method]\nsteps = 9\n")
    assert steps() == steps("--preset", "fast") == steps("--method", "dm") < 20_000
    assert steps("--preset", "paper") == steps("--preset", "paper", "-m", "dm") == 20_000
    assert steps("--preset", "paper", "-c", "config.toml") == 9
    assert steps("--preset", "paper", "method.steps=8") == 8


def test_the_settings_of_a_run_repeat_it(condense, finished):
    assert condense("run", "-c", finished / "settings.json", "-o", "out", "-q")[0] == 0
    assert Path("out/set.safetensors").read_bytes() == (finished / "set.safetensors").read_bytes()


def test_a_finished_run_says_so(condense, finished):
    code, said, progress = condense(*RUN, "-o", finished, "--resume")
    assert (code, progress) == (0, "")
    assert "This run is finished; nothing is done again." in said
    assert "trained on" in said
    assert "condense show '" in said  # the folder has a space in its name


def test_colour_images_of_ones_own(condense, tmp_path):
    colour_data(tmp_path / "my [data]")
    code, said, _ = condense("run", "-d", "./my [data]", "-i", 2, *FAST, "-o", "[out]")
    assert code == 0
    assert "./my [data]: DM" in said
    assert "[out]/grid.png" in said


# -- condense evaluate


EVALUATION = ("evaluation.networks=1", "evaluation.network.width=8", "evaluation.recipe.epochs=2")


def test_evaluate_a_set(condense, finished):
    code, said, progress = condense("evaluate", finished, *EVALUATION, "--json")
    assert (code, progress) == (0, "")
    assert json.loads(said)["sets"][str(finished)]["images"] == 10


def test_evaluating_repeats_what_the_run_found(condense, finished):
    found = json.loads((finished / "scores.json").read_text())["sets"]["dm"]["values"]
    again = json.loads(condense("evaluate", finished, *EVALUATION, "compute.precision=float32", "--json")[1])
    assert again["sets"][str(finished)]["values"] == found


def test_random_is_judged_with_and_without_augmentation(condense):
    found = json.loads(condense("evaluate", "-d", "digits", "--random", 2, *EVALUATION, "--json")[1])["sets"]
    assert set(found) == {"random", "random, no augmentation"}
    assert {score["images"] for score in found.values()} == {20}
    assert found["random, no augmentation"]["recipe"]["augmentation"] is None


def test_the_whole_data_can_be_judged(condense, tmp_path):
    colour_data(tmp_path / "mine")
    code, said, _ = condense("evaluate", "-d", "./mine", "--whole", *EVALUATION, "-q")
    assert code == 0
    assert "whole" in said
    assert "By one convnet of 2 epochs, on " in said
    assert "±" not in said
    assert "deviation" not in said


def test_several_sets_at_once(condense, finished):
    second = finished.parent / "second.safetensors"
    second.write_bytes((finished / "set.safetensors").read_bytes())
    found = json.loads(condense("evaluate", finished, second, *EVALUATION, "--json")[1])["sets"]
    assert list(found) == [str(finished), str(second)]
    assert found[str(finished)]["values"] == found[str(second)]["values"]


def test_a_set_may_have_an_equals_sign_in_its_name(condense, finished):
    Path("lr=1.safetensors").write_bytes((finished / "set.safetensors").read_bytes())
    assert json.loads(condense("evaluate", "lr=1.safetensors", *EVALUATION, "--json")[1])["sets"].keys() == {"lr=1.safetensors"}


def test_evaluate_prints_its_settings(condense):
    assert "random = 5\n" in condense("evaluate", "--random", 5, "--print-config")[1]


def test_the_settings_of_a_run_say_how_to_evaluate(condense, finished, tmp_path):
    code, said, _ = condense("evaluate", finished, "--config", finished / "settings.json", "--print-config")
    settings, run = tomllib.loads(said), json.loads((finished / "settings.json").read_text())["settings"]
    assert code == 0
    for name in ("seed", "smaller"):
        assert settings[name] == run[name]
    assert settings["evaluation"]["recipe"]["epochs"] == run["evaluation"]["recipe"]["epochs"]
    assert settings["data"]["source"] == run["data"]["source"]
    assert condense("evaluate", finished, "--config", finished / "settings.json", "-q")[0] == 0


def test_what_judging_has_not_is_an_error_of_a_config_all_the_same(refused, finished):
    Path("s.toml").write_text("randm = 3\n")
    assert "JudgeSettings has no setting 'randm'. Did you mean 'random'?" in refused("evaluate", finished, "--config", "s.toml")
    assert "JudgeSettings has no setting 'method'" in refused("evaluate", finished, "method=dm")


def test_where_data_lie_may_be_said_without_saying_which(condense, finished):
    settings = tomllib.loads(condense("evaluate", finished, "--folder", "elsewhere", "--print-config")[1])
    assert settings["data"]["source"] == "digits"
    assert settings["data"]["folder"] == "elsewhere"


def test_how_to_read_data_does_not_make_a_set_say_which(refused, finished):
    CondensedSet(CondensedSet.load(finished).images).save("bare.safetensors")
    assert "Name the data to test on with --data." in refused("evaluate", "bare.safetensors", "--size", 8)


def test_a_set_judged_on_other_data_is_refused_before_any_work(refused, finished):
    said = refused("evaluate", finished, "-d", "fashion-mini", "evaluation.networks=1000")
    assert "images of 1x8x8, the test set of 1x28x28" in said


def test_a_set_of_other_classes_is_refused(refused, finished):
    made = CondensedSet.load(finished)
    images = ImageSet.of(made.images.images, made.images.labels, [f"n{c}" for c in range(10)], preprocessing=made.preprocessing)
    CondensedSet(images).save("other.safetensors")
    assert "classes (n0, ...)" in refused("evaluate", "other.safetensors", "-d", "digits", "evaluation.networks=1000")


def test_a_set_that_does_not_know_its_data_asks_for_them(refused, finished):
    CondensedSet(CondensedSet.load(finished).images).save("bare.safetensors")
    assert "Name the data to test on with --data." in refused("evaluate", "bare.safetensors")


# -- condense show and the lists


def test_show_a_folder(condense, finished):
    code, said, _ = condense("show", finished, "-o", "here.png")
    assert code == 0
    assert "10 images of 1x8x8, 10 classes, 1 a class; preprocessing: standardize" in said
    with Image.open("here.png") as picture:
        assert picture.format == "PNG"


def test_show_a_file_draws_beside_it(condense, finished):
    Path("a.safetensors").write_bytes((finished / "set.safetensors").read_bytes())
    assert condense("show", "a.safetensors")[0] == 0
    assert Path("a.png").exists()


def test_show_as_json(condense, finished):
    content = json.loads(condense("show", finished, "-o", "a.png", "--json")[1])
    assert (content["picture"], content["preprocessing"]) == ("a.png", "standardize")


def test_show_without_the_data_says_why(condense, tmp_path):
    colour_data(tmp_path / "mine")
    assert condense("run", "-d", "./mine", "-i", 2, *FAST, "-o", "out", "-q")[0] == 0
    (tmp_path / "mine").rename(tmp_path / "gone")
    code, said, _ = condense("show", "out", "-o", "a.png")
    assert code == 0
    assert "Real images are left out: There is no folder or file mine." in said
    assert Path("a.png").exists()


def test_show_notices_that_the_data_have_changed(condense, tmp_path):
    colour_data(tmp_path / "mine")
    assert condense("run", "-d", "./mine", "-i", 2, *FAST, "-o", "out", "-q")[0] == 0
    (tmp_path / "mine").rename(tmp_path / "gone")
    colour_data(tmp_path / "mine", classes=3)
    assert "./mine is no longer the data that the set was made from" in condense("show", "out", "-o", "a.png")[1]


def test_show_a_set_without_a_card(condense, finished):
    CondensedSet(CondensedSet.load(finished).images).save("bare.safetensors")
    code, said, _ = condense("show", "bare.safetensors")
    assert code == 0
    assert "the set does not say which data it was made from" in said


def test_show_a_set_of_a_later_version(condense, finished):
    made = CondensedSet.load(finished)
    card = {**made.card, "settings": {**made.card["settings"], "method": {"name": "yet-to-be-invented"}}}
    CondensedSet(made.images, card).save("later.safetensors")
    assert condense("show", "later.safetensors")[0] == 0


def test_methods_are_listed(condense):
    assert "batch_per_class=256" in condense("methods")[1].replace("\n", "")
    assert set(json.loads(condense("methods", "--json")[1])) == set(METHODS)


def test_networks_are_listed(condense):
    assert json.loads(condense("networks", "--shape", "3x32x32", "--json")[1])["convnet"]["parameters"] == 320010
    code, said, _ = condense("networks", "--shape", "1X8X8", "--classes", 3)
    assert code == 0
    assert "too small" in said.replace("\n", "") or "at least" in said.replace("\n", "")


def test_data_are_listed(condense, tmp_path):
    colour_data(tmp_path / "root" / "mine")
    assert condense("data")[0] == 0
    rows = {row["name"]: row for row in json.loads(condense("data", "--folder", "root", "--json")[1])}
    assert rows["digits"]["where"] == "bundled"
    assert rows["mine"]["where"] == "root/mine"


def test_no_command_explains(condense):
    code, said, _ = condense()
    assert code == 0
    assert "evaluate" in said


def test_the_version(condense):
    assert condense("--version")[:2] == (0, f"condensation {condensation_version()}\n")


def condensation_version():
    from importlib.metadata import version

    return version("condensation")


# -- bad input


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("run -d cifar1", "There is no data set 'cifar1'. Did you mean 'cifar10'?"),
        ("run -d digits -m dmm", "There is no method 'dmm'. Did you mean 'dm'?"),
        ("run -d digits evaluation.network=lenett", "There is no network 'lenett'. Did you mean 'lenet'?"),
        ("run -d digits method.lrr=1", "DM has no setting 'lrr'. Did you mean 'lr'?"),
        ("run -d digits nonsense=1", "RunSettings has no setting 'nonsense'."),
        ("run -d digits nonsense", "'nonsense' is not a setting."),
        ("run -d digits --device gpu", "There is no device 'gpu'."),
        ("run -d digits --device cuda:99", "cuda:99"),
        ("run -d digits -i 5000", "Expected ipc of at most 139, the number of images of class '8'; got 5000."),
        ("run -d digits -i 0", "ipc must be at least 1"),
        ("run -d digits --ipc -1", "ipc must be at least 1"),
        ("run -d digits ipc=0", "ipc must be at least 1"),
        ("networks resnet99", "There is no network 'resnet99'. Did you mean 'resnet18'?"),
        ("run -d digits ipc.0=1", "ipc must be at least 1 for class '1'; it is 0"),
        ("run -d digits --seed x", "Invalid value for '--seed'"),
        ("run -d digits -c nowhere.toml", "There is no settings file nowhere.toml."),
        ("run -d digits -c .", ". cannot be read as TOML"),
        ("run -d ''", "No data set is named."),
        ("run -d ./nowhere", "There is no folder or file nowhere."),
        ("run -d cifar10 --folder nowhere", "There is no folder nowhere."),
        ("run -d digits method.steps=-1", "method.steps is -1"),
        ("run -d digits method.lr=0", "it must be above 0"),
        ("run -d digits evaluation.networks=-1", "evaluation.networks is -1"),
        ("run -d digits evaluation.recipe.epochs=0", "The recipe's epochs is 0"),
        ("run -d digits evaluation.network.depth=9", "A ConvNet of depth 9 is too deep"),
        ("run -d digits --resume", "There is no run to resume"),
        ("run -d digits -o file", "file is a file; --out must name a folder."),
        ("run -d digits -o file/below", "Could not write"),
        ("run -d digits --checkpoint-every -1", "it must be 0 or more"),
        ("run -d file", "file"),
        ("run -d ./file", "There are no data in file."),
        ("run -d digits compute.chunk=4 method.networks.spec.norm=batch", "has batch norm, which must see the whole batch"),
        ("run -d digits --nope", "No such option: --nope"),
        ("run -d digits -o", "requires an argument"),
        ("runn", "No such command 'runn'"),
        ("evaluate", "There is nothing to judge."),
        ("evaluate nowhere", "There is no condensed set at nowhere."),
        ("evaluate file", "file is damaged, or not a condensed set"),
        ("evaluate --random -1", "Invalid value for '--random'"),
        ("evaluate -d digits --random 5000", "got 5000"),
        ("evaluate -d digits --whole evaluation.networks=0", "judging needs at least one network"),
        ("evaluate -d digits --whole nonsense=3", "JudgeSettings has no setting 'nonsense'."),
        ("run -d digits --preset fats", "There is no preset 'fats'. Did you mean 'fast'?"),
        ("show nowhere", "There is no condensed set at nowhere."),
        ("show .", "There is no condensed set at set.safetensors."),
        ("show", "Missing argument 'SET...'."),
        ("networks --shape 3x32", "write channels, height and width like 3x32x32."),
        ("networks --shape 0x8x8", "write channels, height and width like 3x32x32."),
        ("networks --shape -1x8x8", "write channels, height and width like 3x32x32."),
        ("networks --shape ''", "write channels, height and width like 3x32x32."),
        ("networks --classes 1", "Invalid value for '--classes'"),
        ("data --folder nowhere", "There is no folder nowhere."),
    ],
)
def test_bad_input_is_named(refused, arguments, text):
    Path("file").write_text("not a folder")
    command, *words = (word.strip("'") for word in arguments.split())
    # Should one of them be let through, the run is a short one.
    assert text in refused(command, *(FAST if command == "run" and "config" not in words else ()), *words)


def test_an_image_folder_with_one_class(refused):
    Path("mine/cat").mkdir(parents=True)
    for number in range(5):
        Image.new("RGB", (8, 8)).save(f"mine/cat/{number}.png")
    assert "one class" in refused("run", "-d", "./mine", "-i", 1)


def test_a_picture_of_an_unknown_kind(refused, finished):
    assert "Give --out a name that ends in .png" in refused("show", finished, "-o", "a.docx")
    assert "Give --out a name that ends in .png" in refused("show", finished, "-o", "folder")


def test_a_folder_in_the_way_of_a_picture(refused, finished):
    Path("a.png").mkdir()
    said = refused("show", finished, "-o", "a.png")
    assert "Could not write a.png" in said
    assert "Choose another place with --out." in said
    assert "--resume" not in said


def test_a_run_that_cannot_begin_has_nothing_to_resume(refused):
    Path("file").touch()
    said = refused(*RUN, "-o", "file/run")
    assert "Could not write" in said
    assert "Choose another place with --out." in said
    assert "--resume" not in said


def test_a_checkpoint_is_no_set(refused, finished):
    assert "not a condensed set (it says: checkpoint)" in refused("show", finished / "checkpoint.safetensors")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(refused):
    Path("locked").mkdir(mode=0o500)
    assert "Permission denied" in refused(*RUN, "-o", "locked/out")


def test_a_loss_that_is_no_number(refused):
    said = refused(*RUN, "method.lr=1e30", "method.steps=50", "-o", "out", "--checkpoint-every", 0, "-q")
    assert "The loss or a pixel was not a finite number at step" in said
    assert "Try a smaller method.lr (it is 1e+30), in a new folder." in said
    assert Path("out/checkpoint.safetensors").exists()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")])
def test_too_little_memory(refused, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("condensation.cli.views.run.run", fail)
    assert "Not enough memory" in refused(*RUN)


def test_a_second_ctrl_c_says_so(condense, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("condensation.cli.views.run.run", interrupt)
    assert condense(*RUN) == (130, "", "condense: Stopped.\n")


# -- breaking off

LONG = (*RUN, "method.steps=300", "evaluation.networks=0")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The set of the long run, made in one go."""
    folder = tmp_path_factory.mktemp("unbroken") / "out"
    subprocess.run([sys.executable, "-m", "condensation", *LONG, "-o", folder, "-q"], check=True, env=ENVIRONMENT)
    return (folder / "set.safetensors").read_bytes()


def started(arguments, there):
    """A process that has come so far that ``there`` says yes."""
    process = subprocess.Popen([sys.executable, "-m", "condensation", *arguments], stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    until = time.monotonic() + 200
    while not there() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    return process


def logged(lines):
    return lambda: Path("out/log.jsonl").exists() and len(Path("out/log.jsonl").read_bytes().splitlines()) >= lines


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_the_state(condense, unbroken, number):
    process = started([*LONG, "-o", "out", "-q", "--checkpoint-every", "1000"], logged(20))
    process.send_signal(number)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 130
    assert "Stopped. The state after step" in said
    assert "Go on with the same command and --resume (the folder is out)." in said
    assert not Path("out/set.safetensors").exists()
    assert condense(*LONG, "-o", "out", "-q", "--resume") == (0, "", "")
    assert Path("out/set.safetensors").read_bytes() == unbroken


def test_a_kill_loses_nothing_that_was_kept(condense, unbroken):
    process = started([*LONG, "-o", "out", "-q", "--checkpoint-every", "0.02"], logged(20))
    time.sleep(np.random.default_rng().uniform(0, 0.5))
    process.kill()
    process.communicate(timeout=200)
    assert process.returncode == -signal.SIGKILL
    assert condense(*LONG, "-o", "out", "-q", "--resume") == (0, "", "")
    assert Path("out/set.safetensors").read_bytes() == unbroken
    steps = [json.loads(line)["step"] for line in Path("out/log.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 301))
    assert not list(Path("out").glob(".*"))


def test_ctrl_c_while_judging_keeps_the_set(condense):
    arguments = [*RUN, "evaluation.recipe.epochs=1000000", "-o", "out"]
    process = started([*arguments, "-q"], Path("out/grid.png").exists)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 130
    assert "All images are kept; judging was broken off." in said
    assert condense("show", "out", "-o", "a.png")[0] == 0
