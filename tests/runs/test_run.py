import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from condensation.artifacts.condensed_set import CondensedSet
from condensation.augment.dsa import DSA
from condensation.core import storage
from condensation.core.checkpoint import Checkpoint
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.progress import Progress
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.methods.best_of import BestOf
from condensation.methods.dc import SiameseDC
from condensation.methods.dm import DM
from condensation.methods.random import Random
from condensation.methods.step_info import StepInfo, Stopped
from condensation.networks.convnet import ConvNet
from condensation.networks.samplers import Fresh
from condensation.runs.loss_log import LossLog
from condensation.runs.run import run
from condensation.runs.settings import RunSettings, describe, describe_set
from condensation.training.train import Recipe

SMALL = ConvNet(width=8)
METHOD = DM(steps=6, batch_per_class=4, networks=Fresh(SMALL), augmentation=DSA(operations=("crop",)))
EVALUATION = EvaluationSettings(networks=1, network=SMALL, recipe=Recipe(epochs=2))
SETTINGS = RunSettings(DataSettings("digits"), METHOD, ipc=1, evaluation=EVALUATION, compute=Compute("cpu", "float32"))
UNEVALUATED = replace(SETTINGS, evaluation=EvaluationSettings(networks=0))
FILES = {"settings.json", "log.jsonl", "checkpoint.safetensors", "set.safetensors", "grid.png", "scores.json"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    run(SETTINGS, folder)
    return folder


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stop_after(step):
    def stop(info):
        if info.step == step:
            raise Stopped("enough")

    return stop


def never(*_):
    raise AssertionError("work was done")


def refusal(settings, folder, **options):
    before = content(folder) if folder.is_dir() else None
    with pytest.raises(CondensationError) as caught:
        run(settings, folder, observers=[never], **options)
    assert before is None or content(folder) == before
    return caught.value


def test_all_is_in_the_folder(finished):
    assert content(finished).keys() == FILES


def test_the_same_run_gives_the_same_bytes(finished, tmp_path):
    run(SETTINGS, tmp_path)
    for name in ("set.safetensors", "grid.png"):
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()


def test_another_seed_gives_another_set(finished, tmp_path):
    made = run(replace(UNEVALUATED, seed=1), tmp_path).condensed
    assert not torch.equal(made.images.images, CondensedSet.load(finished).images.images)


def test_the_set_knows_how_it_was_made(finished):
    card = CondensedSet.load(finished).card
    assert (card["settings"]["method"]["steps"], card["data"]["name"], card["data"]["images"]) == (6, "digits", 1438)
    assert set(card["scores"]["sets"]) == {"dm", "random"}


def test_times_are_in_the_scores_alone(finished):
    scores = json.loads((finished / "scores.json").read_text())
    assert all(score["seconds"] >= 0 for score in scores["sets"].values())
    assert "seconds" not in json.dumps(CondensedSet.load(finished).card)


def test_a_run_without_evaluation_has_no_scores(tmp_path):
    assert run(UNEVALUATED, tmp_path).scores is None
    assert content(tmp_path).keys() == FILES - {"scores.json"}


def test_random_images_are_a_run_too(tmp_path):
    result = run(replace(SETTINGS, method=Random()), tmp_path)
    assert set(result.scores.sets) == {"random"}


def test_the_baseline_is_what_random_would_give(finished, tmp_path):
    alone = run(replace(SETTINGS, method=Random()), tmp_path).scores.sets["random"]
    beside = json.loads((finished / "scores.json").read_text())["sets"]["random"]
    assert [list(values) for values in alone.values] == beside["values"]


def test_classes_may_get_different_numbers(tmp_path):
    ipc = {str(digit): 1 + digit % 2 for digit in range(10)}
    made = run(replace(UNEVALUATED, ipc=ipc), tmp_path).condensed
    assert made.images.counts == {digit: 1 + digit % 2 for digit in range(10)}


def test_titles_say_how_many_images_classes_have():
    assert describe_set("DM", [10, 5, 10], 1000) == "DM, 5 to 10 images per class, 1,000 steps"
    assert describe_set("DM", [10, 10], 0) == "DM, 10 images per class"
    assert describe_set("DM", [1], 0) == "DM, 1 image per class"
    assert describe(replace(SETTINGS, method=SiameseDC(steps=5))) == "DSA, 1 image per class, 5 steps"
    assert describe_set("DM", [], 0) == "DM, different numbers of images per class"


def test_an_unknown_class_is_named(tmp_path):
    assert refusal(replace(SETTINGS, ipc={"ten": 1}), tmp_path).setting == "ipc.ten"


def test_the_same_run_again_is_refused(finished):
    error = refusal(SETTINGS, finished)
    assert error.setting == "resume"
    assert "is finished" in error.message


def test_other_settings_are_refused_by_name(finished):
    assert "method.lr is 1.0 there, 2.0 here" in refusal(replace(SETTINGS, method=replace(METHOD, lr=2.0)), finished).message


def test_other_settings_are_refused_when_resuming_too(finished):
    assert "seed is 0 there, 1 here" in refusal(replace(SETTINGS, seed=1), finished, resume=True).message


def test_the_compute_settings_may_change(finished):
    assert run(replace(SETTINGS, compute=Compute("cpu", "float64")), finished, resume=True).scores


def test_a_foreign_folder_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert refusal(SETTINGS, tmp_path).setting == "out"


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert refusal(SETTINGS, tmp_path / "file").setting == "out"


@pytest.mark.parametrize("there", [False, True])
def test_there_must_be_something_to_resume(tmp_path, there):
    folder = tmp_path / "folder"
    if there:
        folder.mkdir()
    assert refusal(SETTINGS, folder, resume=True).setting == "resume"
    assert folder.exists() == there


@pytest.mark.parametrize("damaged", [b"{", b"[]", b'{"settings": 3}', b"{}"])
def test_damaged_settings_are_refused(tmp_path, damaged):
    (tmp_path / "settings.json").write_bytes(damaged)
    (tmp_path / "checkpoint.safetensors").touch()
    assert "settings.json" in refusal(SETTINGS, tmp_path).message


def test_a_finished_run_is_not_done_again(finished):
    before = content(finished)
    result = run(SETTINGS, finished, resume=True, observers=[never], progress=Progress(never, never))
    assert result.scores.to_json() == json.loads(before["scores.json"])
    assert content(finished) == before


def test_a_run_refused_before_its_first_step_is_not_in_the_way(tmp_path):
    batch_norm = replace(METHOD, networks=Fresh(replace(SMALL, norm="batch")))
    with pytest.raises(CondensationError) as caught:
        run(replace(UNEVALUATED, method=batch_norm, compute=Compute("cpu", "float32", chunk=4)), tmp_path / "run")
    assert caught.value.setting == "compute.chunk"
    assert not (tmp_path / "run").exists()
    assert run(UNEVALUATED, tmp_path / "run").condensed


def test_a_network_that_does_not_fit_is_noticed_before_the_work(tmp_path):
    deep = replace(SETTINGS, evaluation=replace(EVALUATION, network=replace(SMALL, depth=9)))
    assert "depth 9" in refusal(deep, tmp_path / "run").message.lower()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("every", [0.0, 1e9])
def test_a_stopped_run_resumes_to_the_same_bytes(finished, tmp_path, every):
    with pytest.raises(Stopped):
        run(SETTINGS, tmp_path, observers=[stop_after(3)], checkpoint_every=every)
    run(SETTINGS, tmp_path, resume=True)
    assert (tmp_path / "set.safetensors").read_bytes() == (finished / "set.safetensors").read_bytes()


def test_the_log_of_a_resumed_run_has_each_step_once(tmp_path):
    with pytest.raises(Stopped):
        run(UNEVALUATED, tmp_path, observers=[stop_after(3)])
    run(UNEVALUATED, tmp_path, resume=True)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [line["seconds"] for line in lines] == sorted(line["seconds"] for line in lines)


TWO_PHASES = BestOf(DM(steps=25), sets=4, mixtures=59)  # 100 steps that make the sets, then 22 that choose


def test_each_phase_of_a_run_has_its_lines_in_the_log(tmp_path):
    log = LossLog(tmp_path / "log", lines=10)
    for step in range(1, 123):
        log(StepInfo(step, TWO_PHASES, 1.0, None))
    steps = [json.loads(line)["step"] for line in (tmp_path / "log").read_text().splitlines()]
    assert steps == [*range(10, 100, 10), *range(100, 123, 2)]


@pytest.mark.parametrize("end", ['{"step": 4, "lo', "null\n", '{"loss": 3}\n', "\ufffd"])
def test_a_log_cut_short_is_repaired(tmp_path, end):
    line = '{"step": 3, "loss": 1.0, "seconds": 2.5}\n'
    (tmp_path / "log").write_text(line + end)
    LossLog(tmp_path / "log")._begin(3)
    assert (tmp_path / "log").read_text() == line


def test_a_run_stopped_during_its_evaluation_keeps_its_set(finished, tmp_path):
    def stop(done, total):
        raise Stopped("enough")

    with pytest.raises(Stopped) as stopped:
        run(SETTINGS, tmp_path, progress=Progress(evaluating=stop))
    assert stopped.value.step is None
    assert len(CondensedSet.load(tmp_path).images) == 10
    assert "was interrupted" in refusal(SETTINGS, tmp_path).message
    run(SETTINGS, tmp_path, resume=True, observers=[never])
    assert (tmp_path / "set.safetensors").read_bytes() == (finished / "set.safetensors").read_bytes()


def test_a_run_whose_images_have_changed_is_not_resumed(tmp_path):
    def stop(done, total):
        raise Stopped("enough")

    with pytest.raises(Stopped):
        run(SETTINGS, tmp_path, progress=Progress(evaluating=stop))
    made = CondensedSet.load(tmp_path)
    replace(made, card={**made.card, "data": {"fingerprint": "0" * 32}}).save(tmp_path / "set.safetensors")
    with pytest.raises(CondensationError) as caught:
        run(SETTINGS, tmp_path, resume=True)
    assert caught.value.setting == "out"


def test_temporary_files_of_a_killed_run_are_removed(tmp_path):
    with pytest.raises(Stopped):
        run(UNEVALUATED, tmp_path, observers=[stop_after(3)])
    (tmp_path / f".checkpoint.safetensors.x{storage.UNFINISHED}").touch()
    run(UNEVALUATED, tmp_path, resume=True)
    assert content(tmp_path).keys() == FILES - {"scores.json"}


def test_a_full_disk_keeps_the_last_state(finished, tmp_path, monkeypatch):
    real, seen = os.replace, []

    def fills_up(*paths):
        seen.append(paths)
        if len(seen) > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(*paths)

    monkeypatch.setattr(os, "replace", fills_up)
    with pytest.raises(CondensationError, match=r"checkpoint\.safetensors: No space left on device"):
        run(SETTINGS, tmp_path, checkpoint_every=0)
    monkeypatch.undo()
    assert content(tmp_path).keys() == {"settings.json", "log.jsonl", "checkpoint.safetensors"}
    steps = []
    run(SETTINGS, tmp_path, resume=True, observers=[lambda info: steps.append(info.step)])
    assert steps[0] == 2
    assert (tmp_path / "set.safetensors").read_bytes() == (finished / "set.safetensors").read_bytes()


def test_a_full_disk_tells_how_to_resume(tmp_path, monkeypatch):
    real = Path.open

    def no_room(path, *arguments, **settings):
        if path.name == "log.jsonl":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, *arguments, **settings)

    monkeypatch.setattr(Path, "open", no_room)
    with pytest.raises(CondensationError, match=r"log\.jsonl: No space left on device") as caught:
        run(UNEVALUATED, tmp_path)
    assert "resume=True" in caught.value.hint


@pytest.mark.parametrize("name", ["checkpoint.safetensors", "set.safetensors"])
def test_a_damaged_file_is_named(tmp_path, name):
    with pytest.raises(Stopped):
        run(UNEVALUATED, tmp_path, observers=[stop_after(3)])
    (tmp_path / name).write_bytes(b"not what it was")
    with pytest.raises(CondensationError, match=f"{name} is damaged"):
        run(UNEVALUATED, tmp_path, resume=True)


def test_an_interval_below_zero_is_refused(tmp_path):
    with pytest.raises(CondensationError, match="-1"):
        run(SETTINGS, tmp_path / "a", checkpoint_every=-1)
    assert not (tmp_path / "a").exists()


def test_the_interval_reaches_the_checkpoint(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(Checkpoint, "due", lambda self: bool(seen.append(self.every)))
    run(UNEVALUATED, tmp_path, checkpoint_every=7.0)
    assert set(seen) == {7.0}


# -- some classes of a data set


def test_a_run_on_some_classes_makes_and_evaluates_these_only(tmp_path):
    some = replace(SETTINGS, data=replace(SETTINGS.data, classes=("7", "2")))
    result = run(some, tmp_path)
    assert result.condensed.images.counts == {2: 1, 7: 1}
    assert result.condensed.images.num_classes == 10
    assert list(result.scores.sets["dm"].per_class) == ["2", "7"]


def test_a_run_of_a_version_without_classes_is_resumed(finished):
    kept = json.loads((finished / "settings.json").read_text())
    assert kept["settings"]["data"].pop("classes") is None
    before = (finished / "settings.json").read_text()
    (finished / "settings.json").write_text(json.dumps(kept))
    assert run(SETTINGS, finished, resume=True, observers=[never]).scores
    (finished / "settings.json").write_text(before)


# -- two runs in one folder


def test_a_second_run_in_the_folder_is_refused_and_changes_nothing(tmp_path):
    """Both pass the checks before either has written a checkpoint; the second must not replace settings.json."""
    refused = []

    def second(info):
        if info.loss is None:
            before = content(tmp_path)
            with pytest.raises(CondensationError) as caught:
                run(replace(UNEVALUATED, seed=1), tmp_path, observers=[never])
            refused.append(caught.value)
            assert content(tmp_path) == before

    run(UNEVALUATED, tmp_path, observers=[second], checkpoint_every=1e9)
    assert [error.setting for error in refused] == ["out"]
    assert json.loads((tmp_path / "settings.json").read_text())["settings"]["seed"] == 0
    assert content(tmp_path).keys() == FILES - {"scores.json"}


@pytest.mark.slow
def test_processes_that_begin_together_leave_one_run(tmp_path):
    code = f"""
import sys
from dataclasses import replace
from pathlib import Path
from tests.runs.test_run import UNEVALUATED
from condensation.core.errors import CondensationError
from condensation.runs.run import run
settings = replace(UNEVALUATED, seed=int(sys.argv[1]))
data = settings.data.load()
print("ready", flush=True)
sys.stdin.readline()
try:
    run(settings, {str(tmp_path / "run")!r}, data=data)
except CondensationError as error:
    print(error.setting)
else:
    print("finished")
"""
    here = Path(__file__).parents[2]
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(seed)], cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for seed in (0, 1)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    results = [process.communicate("go\n")[0].strip() for process in processes]
    (winner,) = [seed for seed, result in enumerate(results) if result == "finished"]
    assert results[1 - winner] == "out"
    assert json.loads((tmp_path / "run" / "settings.json").read_text())["settings"]["seed"] == winner
    assert CondensedSet.load(tmp_path / "run").card["settings"]["seed"] == winner


def test_the_lock_of_a_killed_run_is_not_in_the_way(tmp_path):
    (tmp_path / ".lock").touch()
    run(UNEVALUATED, tmp_path)
    assert content(tmp_path).keys() == FILES - {"scores.json"}


# -- arguments


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [("method", "dm", "Method"), ("method", DM, "DM()"), ("data", "digits", "DataSettings"), ("compute", "cpu", "Compute")],
)
def test_a_name_or_class_in_place_of_an_object_is_refused(name, value, hint):
    with pytest.raises(CondensationError) as caught:
        RunSettings(**{name: value})
    assert caught.value.setting == name
    assert hint in caught.value.hint


def test_the_compute_settings_are_resolved_once(tmp_path, monkeypatch):
    seen = []
    resolve = Compute.resolve
    monkeypatch.setattr(Compute, "resolve", lambda self: (seen.append(self.device), resolve(self))[1])
    run(replace(SETTINGS, compute=Compute("auto", "float32")), tmp_path)
    assert seen.count("auto") == 1


def test_a_finished_run_is_made_longer(finished, tmp_path):
    shorter = replace(SETTINGS, method=replace(METHOD, steps=2))
    run(shorter, tmp_path)
    assert refusal(SETTINGS, tmp_path).setting == "resume"
    steps = []
    result = run(SETTINGS, tmp_path, resume=True, observers=[lambda info: steps.append(info.step)])
    assert steps == [2, 3, 4, 5, 6]
    for name in ("set.safetensors", "grid.png"):
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()
    assert result.scores.sets["dm"].mean == json.loads((finished / "scores.json").read_text())["sets"]["dm"]["mean"]
    assert refusal(shorter, tmp_path, resume=True).setting == "out"  # no run is made shorter


def test_a_longer_run_that_is_stopped_is_resumed(finished, tmp_path):
    run(replace(SETTINGS, method=replace(METHOD, steps=2)), tmp_path)
    with pytest.raises(Stopped):
        run(SETTINGS, tmp_path, resume=True, observers=[stop_after(4)])
    assert not (tmp_path / "scores.json").exists()
    run(SETTINGS, tmp_path, resume=True)
    assert (tmp_path / "set.safetensors").read_bytes() == (finished / "set.safetensors").read_bytes()


def test_a_run_whose_steps_depend_on_their_number_is_not_made_longer(tmp_path):
    planned = replace(UNEVALUATED, method=replace(METHOD, steps=2, schedule="cosine"))
    run(planned, tmp_path)
    error = refusal(replace(planned, method=replace(planned.method, steps=4)), tmp_path, resume=True)
    assert "DM" in error.hint
    assert "longer" in error.hint


def stop_at_epoch(number):
    def stop(done, total):
        if done >= number:
            raise Stopped("enough")

    return Progress(evaluating=stop)


def test_an_interrupted_evaluation_continues_with_the_next_network(tmp_path):
    settings = replace(SETTINGS, evaluation=EvaluationSettings(networks=3, network=SMALL, recipe=Recipe(epochs=2)))
    run(settings, tmp_path / "whole")
    folder = tmp_path / "parts"
    with pytest.raises(Stopped):
        run(settings, folder, progress=stop_at_epoch(9))  # in the fifth of six networks
    kept = json.loads((folder / "evaluated.json").read_text())["groups"]
    assert list(kept) == ["0/0", "0/1", "0/2", "1/0"]
    epochs = []
    with pytest.raises(Stopped):
        run(settings, folder, resume=True, progress=stop_at_epoch(11))
    run(settings, folder, resume=True, progress=Progress(evaluating=lambda done, total: epochs.append(done)))
    assert epochs == [11, 12]
    assert {path.name for path in folder.iterdir()} == FILES
    whole, parts = (json.loads((tmp_path / name / "scores.json").read_text()) for name in ("whole", "parts"))
    for scores in (whole, parts):
        for score in scores["sets"].values():
            del score["seconds"]
    assert parts == whole


def test_networks_of_another_evaluation_or_machine_are_trained_again(tmp_path):
    with pytest.raises(Stopped):
        run(SETTINGS, tmp_path, progress=stop_at_epoch(3))
    file = tmp_path / "evaluated.json"
    content = json.loads(file.read_text())
    assert list(content["groups"]) == ["0/0"]
    content["identity"]["machine"]["threads"] = 99
    content["groups"]["0/0"]["accuracies"] = [[[0.0] * 10]]
    file.write_text(json.dumps(content))
    scores = run(SETTINGS, tmp_path, resume=True).scores
    assert scores.sets["dm"].mean > 0


def test_only_steps_that_are_left_meet_another_number_of_threads(tmp_path, caplog):
    with pytest.raises(Stopped):
        run(SETTINGS, tmp_path, progress=stop_at_epoch(1))  # all steps are done
    saved = json.loads((tmp_path / "settings.json").read_text())
    saved["machine"]["threads"] = 99
    (tmp_path / "settings.json").write_text(json.dumps(saved))
    run(SETTINGS, tmp_path, resume=True)
    assert "began elsewhere" not in caplog.text
