"""``condense run``."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from condensation.artifacts.condensed_set import CondensedSet
from condensation.cli.commands.run import default_folder
from condensation.core.plain import to_dict
from condensation.data.own_output import OWN
from condensation.runs.presets import settings_from
from tests.cli.runs import ENVIRONMENT, FAST, RUN, colour_data
from tests.data.pictures import write_classes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.usefixtures("elsewhere")


def usual_settings(**options):
    """Return the settings of ``condense run``."""
    return settings_from(**options, quick=True)


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
        "report.html",
        "run.log",
    }
    assert "DM, 1 image per class, 6 steps" in said
    assert "condense evaluate out" in said
    assert "condensing 6/6" in progress


def test_a_refused_run_prints_the_error_only(condense):
    for words in (("-d", "./no/where"), ("-d", "digits", "-i", 0), ("-d", "digits", "-i", 100_000)):
        code, said, error = condense("run", *words, *FAST, "-o", "out")
        assert (code, said) == (2, "")
        assert error.startswith("condense: ")


def test_the_heading_is_printed_once_and_first(condense):
    said = condense(*RUN, "-o", "out")[1]
    assert said.startswith("digits: DM, 1 image per class, 6 steps, seed 0\non cpu")
    assert said.count("seed 0") == 1
    again = condense(*RUN, "-o", "out", "--resume")[1]
    assert "This run is already finished." in again
    assert again.count("seed 0") == 1


def test_the_next_command_depends_on_the_data(condense, tmp_path):
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


@pytest.mark.slow
def test_a_warning_is_printed_once_per_run(tmp_path):
    Path("same.py").write_text(
        "import torch\n"
        "def net(num_classes):\n"
        "    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, num_classes))\n"
    )
    fast = [word for word in FAST if "width" not in word]
    words = ("run", "-d", "digits", "-i", "1", *fast, "--network", "same.py:net", "-q")
    done = subprocess.run([sys.executable, "-m", "condensation", *words], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stderr.count("same.py:net") == 1


@pytest.mark.slow
def test_python_m_writes_the_same_file(finished):
    subprocess.run([sys.executable, "-m", "condensation", *RUN, "-o", "out", "-q"], check=True, env=ENVIRONMENT)
    assert Path("out/set.safetensors").read_bytes() == (finished / "set.safetensors").read_bytes()


def test_another_seed_makes_another_file(condense, finished):
    assert condense(*RUN, "-o", "out", "-q", "--seed", 1)[0] == 0
    assert Path("out/set.safetensors").read_bytes() != (finished / "set.safetensors").read_bytes()


def test_json_is_the_whole_output(condense):
    code, said, progress = condense(*RUN, "-o", "out", "--json")
    assert (code, progress) == (0, "")
    assert json.loads(said)["folder"] == "out"
    assert set(json.loads(said)["sets"]) == {"dm", "random"}


def test_quiet_prints_nothing(condense):
    assert condense(*RUN, "-o", "out", "--quiet") == (0, "", "")


def test_the_default_folder_names_data_method_ipc_and_seed(condense):
    assert condense(*RUN, "-m", "random", "-q")[0] == 2  # random has no steps
    assert condense("run", "-d", "digits", "-i", 2, "-m", "random", "-q", "evaluation.networks=0", "baseline=false")[0] == 0
    (folder,) = Path("runs").iterdir()
    assert re.fullmatch(r"digits-random-ipc2-seed0-[0-9a-f]{4}", folder.name)
    assert (folder / "set.safetensors").exists()


def test_the_default_folder_of_a_path_has_its_last_name(condense, tmp_path):
    colour_data(tmp_path / "mine" / "below")
    os.chdir(tmp_path / "mine" / "below")
    assert re.fullmatch(r"below-[0-9a-f]{4}-dm-ipc10-seed0", default_folder(usual_settings(options={"data.source": "."})).name)


def test_paths_with_the_same_last_name_have_their_own_default_folders(tmp_path):
    sources = ["images", str(tmp_path / "first" / "images"), str(tmp_path / "second" / "images")]
    folders = [default_folder(usual_settings(options={"data.source": source})).name for source in sources]
    assert folders[0] == "images-dm-ipc10-seed0"
    assert len(set(folders)) == 3
    assert all(folder.startswith("images-") for folder in folders)
    assert default_folder(usual_settings(options={"data.source": str(Path.cwd() / "images")})).name == folders[0]


def test_each_set_of_settings_has_its_own_default_folder():
    """The same settings have the same folder; compute settings do not count, since a run may be resumed elsewhere."""
    variants = [
        {},
        {"overrides": ["method.lr=0.5"]},
        {"overrides": ["method.lr=0.25"]},
        {"overrides": ["evaluation.networks=1"]},
        {"overrides": ["data.size=4"]},
        {"overrides": ["baseline=false"]},
        {"overrides": ["ipc.0=1"]},
        {"preset": "paper"},
        {"network": "lenet"},
        {"options": {"seed": 1}},
        {"options": {"ipc": 2}},
        {"options": {"method": "random"}},
    ]
    folders = [default_folder(usual_settings(**variant)).name for variant in variants]
    assert len(set(folders)) == len(variants)
    assert folders[0] == "fashion-mini-dm-ipc10-seed0"
    assert folders == [default_folder(usual_settings(**variant)).name for variant in variants]
    assert default_folder(usual_settings(options={"compute.device": "cpu"})).name == folders[0]


def test_the_same_command_resumes_the_run_in_the_default_folder(condense):
    """Two runs that differ in a setting do not meet in one folder."""
    assert condense(*RUN, "-q") == (0, "", "")
    assert condense(*RUN, "method.lr=0.5", "-q") == (0, "", "")
    assert len(list(Path("runs").iterdir())) == 2
    assert "already finished" in condense(*RUN, "--resume")[1]
    assert condense(*RUN)[0] == 2


def test_print_config_prints_a_config_and_runs_nothing(condense, tmp_path):
    code, said, _ = condense(*RUN, "--seed", 5, "--print-config")
    assert code == 0
    assert not list(tmp_path.iterdir())
    (tmp_path / "config.toml").write_text(said)
    assert condense("run", "--config", "config.toml", "--print-config")[1] == said


def test_options_win_over_the_config(condense, tmp_path):
    (tmp_path / "config.toml").write_text('seed = 5\nipc = 3\n[data]\nsource = "digits"\n')
    said = condense("run", "-c", "config.toml", "--seed", 7, "--print-config")[1]
    assert "seed = 7\n" in said
    assert "ipc = 3\n" in said
    assert 'source = "digits"' in said


def test_overrides_win_over_options(condense):
    assert "seed = 9\n" in condense("run", "--seed", 7, "seed=9", "--print-config")[1]


def test_a_preset_wins_over_the_defaults_and_the_config(condense, tmp_path):
    def steps(*words):
        return tomllib.loads(condense("run", *words, "--print-config")[1])["method"]["steps"]

    (tmp_path / "config.toml").write_text("[method]\nsteps = 9\n")
    assert steps() == steps("--preset", "fast") == steps("--method", "dm") < 20_000
    assert steps("--preset", "paper") == steps("--preset", "paper", "-m", "dm") == 20_000
    assert steps("-c", "config.toml") == 9
    assert steps("--preset", "paper", "-c", "config.toml") == 20_000
    assert steps("--preset", "paper", "method.steps=8") == 8


def test_the_settings_of_a_run_repeat_it(condense, finished):
    assert condense("run", "-c", finished / "settings.json", "-o", "out", "-q")[0] == 0
    assert Path("out/set.safetensors").read_bytes() == (finished / "set.safetensors").read_bytes()


def test_a_finished_run_says_so(condense, finished):
    code, said, progress = condense(*RUN, "-o", finished, "--resume")
    assert (code, progress) == (0, "")
    assert "This run is already finished." in said
    assert "trained on" in said
    assert "condense show '" in said  # the folder has a space in its name


def test_brackets_in_paths_are_printed(condense, tmp_path):
    colour_data(tmp_path / "my [data]")
    code, said, _ = condense("run", "-d", "./my [data]", "-i", 2, *FAST, "-o", "[out]")
    assert code == 0
    assert "./my [data]: DM" in said
    assert "[out]/grid.png" in said


def test_a_run_that_cannot_begin_does_not_suggest_resume(refused):
    Path("file").touch()
    said = refused(*RUN, "-o", "file/run")
    assert "Could not write" in said
    assert "--out" in said
    assert "--resume" not in said


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(refused):
    Path("locked").mkdir(mode=0o500)
    assert "Permission denied" in refused(*RUN, "-o", "locked/out")


def test_a_diverged_run_is_stopped(refused):
    said = refused(*RUN, "method.lr=1e30", "method.steps=50", "-o", "out", "--checkpoint-every", 0, "-q")
    assert "method.lr" in said
    assert "1e+30" in said
    assert Path("out/checkpoint.safetensors").exists()


def test_a_run_says_what_it_read_and_its_card_keeps_it(condense, tmp_path):
    write_classes(tmp_path / "mine")
    (tmp_path / "mine" / "stray.png").touch()
    arguments = ("run", "-d", "./mine", "-i", 1, *FAST, "-o", "mine/out")
    said = condense(*arguments)[1].splitlines()
    told = [
        "Read: 12 training and 3 test images of 3 classes from mine",
        "Passed over: 1 outside the class folders",
        "Read as: 8 x 10 (height x width), colour, values 0 to 255",
    ]
    assert said[2:5] == told
    assert sum("held out" in line for line in said) == 1
    assert CondensedSet.load("mine/out").card["data"]["read"]["passed_over"] == {"outside the class folders": 1}
    again = condense(*arguments, "--resume")[1].splitlines()
    assert [line for line in again if line in told] == told
    assert condense(*arguments[:-1], "quiet", "--quiet")[1] == ""
    second = CondensedSet.load("quiet").card["data"]
    assert second["read"]["passed_over"] == {"outside the class folders": 1, OWN: 1}
    assert second["fingerprint"] == CondensedSet.load("mine/out").card["data"]["fingerprint"]


def test_a_place_that_cannot_be_written_is_refused_before_any_work(condense, refused, monkeypatch):
    condense(*RUN, "-o", "finished")
    access = os.access
    monkeypatch.setattr("os.access", lambda place, mode, **how: mode != os.W_OK | os.X_OK and access(place, mode, **how))
    monkeypatch.setattr("condensation.data.settings.DataSettings.load", lambda *_: pytest.fail("the data were read"))
    assert "Permission denied" in refused(*RUN)
    assert "This run is already finished." in condense(*RUN, "-o", "finished", "--resume")[1]


@pytest.mark.parametrize(
    ("arguments", "networks", "epochs"),
    [
        ((), 2, 200),
        (("--evaluate", "quick", "--preset", "paper"), 2, 200),
        (("--preset", "paper"), 20, 1001),
        (("--evaluate", "paper"), 5, 1001),
        (("--evaluate", "clean"), 3, 1000),
        (("--evaluate", "cutmix", "evaluation.networks=1"), 1, 1000),
        (("--evaluate", "none"), 0, 200),
        (("--network", "mlp"), 2, 200),
        (("evaluation.networks=1",), 1, 200),
    ],
)
def test_evaluations_by_name(condense, arguments, networks, epochs):
    code, output, _ = condense("run", "--print-config", *arguments)
    evaluation = tomllib.loads(output)["evaluation"]
    assert (code, evaluation["networks"], evaluation["recipe"]["epochs"]) == (0, networks, epochs)


def test_a_saved_set_is_evaluated_by_the_same_names(condense, refused):
    evaluation = tomllib.loads(condense("evaluate", "--print-config", "--evaluate", "paper")[1])["evaluation"]
    assert (evaluation["networks"], evaluation["recipe"]["epochs"]) == (5, 1001)
    assert "cutmix" in refused("run", "--evaluate", "file.py:own")


def test_a_dry_run_does_nothing_and_the_next_one_knows_more(condense, tmp_path, monkeypatch):
    monkeypatch.setenv("CONDENSATION_CACHE", str(tmp_path / "cache"))
    code, said, _ = condense(*RUN, "-o", "out", "--dry-run", "method.steps=30")
    assert (code, "short trial" in said, "on disk" in said) == (0, True, True)
    assert not (tmp_path / "out").exists()
    assert condense(*RUN, "-o", "out", "method.steps=30", "evaluation.recipe.epochs=30")[0] == 0
    plan = json.loads(condense(*RUN, "-o", "new", "--dry-run", "--json", "method.steps=60", "evaluation.recipe.epochs=30")[1])
    assert [(part["name"], part["measured"]) for part in plan["parts"]] == [("condensing", True), ("evaluating", True)]
    assert plan["seconds"] == pytest.approx(sum(part["seconds"] for part in plan["parts"]))
    assert "digits: DM" in (tmp_path / "out" / "run.log").read_text()


@pytest.mark.parametrize(
    ("words", "epochs", "networks", "epoch_images"),
    [
        (["evaluation.recipe.epochs=60", "evaluation.network.width=32"], 60, 2, 100),
        (["evaluation.networks=5"], 200, 5, 100),
        (["--evaluate", "clean"], 1000, 3, "none"),
        (["--evaluate", "paper", "evaluation.networks=1"], 1001, 1, "none"),
        (["--preset", "paper", "evaluation.recipe.lr=0.5"], 1001, 20, "none"),
        (["--preset", "classic"], 200, 2, 100),
    ],
)
def test_a_setting_of_the_evaluation_changes_that_setting_alone(condense, words, epochs, networks, epoch_images):
    evaluation = tomllib.loads(condense("run", "-d", "digits", *words, "--print-config")[1])["evaluation"]
    assert (evaluation["recipe"]["epochs"], evaluation["networks"]) == (epochs, networks)
    assert evaluation["recipe"]["epoch_images"] == epoch_images


def test_a_run_of_another_preset_is_named(refused, condense):
    words = ("run", "-d", "cifar10", "-i", 10, "-o", "out")
    settings = to_dict(settings_from(preset="classic", options={"data.source": "cifar10", "ipc": 10}, quick=True))
    Path("out").mkdir()
    Path("out/settings.json").write_text(json.dumps({"settings": settings}))
    Path("out/set.safetensors").touch()
    said = refused(*words)
    assert "it has the preset classic, this run the preset fast (method." in said
    assert "add --preset classic" in said
    said = refused(*words, "--preset", "classic", "method.lr=0.7071067811865476")
    assert "preset" not in said.partition("holds another run")[2].partition("there")[0]
    assert ", 0.707107 here" in said


def test_one_line_tells_that_other_processes_use_the_machine(condense, monkeypatch):
    for shared in (True, False):
        monkeypatch.setattr("condensation.cli.views.run.is_shared", lambda threads, shared=shared: shared)
        assert condense(*RUN, "-o", f"out{shared}")[1].count("OMP_NUM_THREADS=1") == int(shared)
        assert condense(*RUN, "-o", "dry", "--dry-run")[1].count("OMP_NUM_THREADS=1") == int(shared)


def test_a_resumed_run_tells_the_time_of_this_call(condense):
    assert "Done in " in condense(*RUN, "-o", "out")[1]
    Path("out/scores.json").unlink()
    assert "Done; this call took " in condense(*RUN, "-o", "out", "--resume")[1]
