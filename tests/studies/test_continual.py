import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from condensation.artifacts.condensed_set import CondensedSet
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.data.load import load
from condensation.evaluation.compare import EvaluationSettings
from condensation.evaluation.evaluate import evaluate
from condensation.methods.loop import condense
from condensation.methods.step_info import Stopped
from condensation.networks.convnet import ConvNet
from condensation.runs.run import run
from condensation.studies.continual import curves as reading, run as working
from condensation.studies.continual.curves import curves_in
from condensation.studies.continual.report import continual_figure, continual_notes, continual_rows
from condensation.studies.continual.study import ContinualSettings, MemoryStep, memory_jobs, memory_steps, sequence_of
from condensation.studies.published_numbers import Number
from condensation.studies.registry import CONTINUAL
from condensation.studies.study import write_report
from condensation.studies.tasks import Watch
from condensation.training.train import Recipe
from tests.studies.stopping import stop_at

DM = {"name": "dm", "steps": 3, "batch_per_class": 4}
CPU = Compute("cpu", "float32", compile="never")
SETTINGS = ContinualSettings(
    data="digits",
    methods={"random": "random", "condensed": DM},
    steps=2,
    ipc=2,
    orders=2,
    evaluation=EvaluationSettings(2, ConvNet(width=8), Recipe(epochs=3)),
    compute=CPU,
)
TASKS = replace(SETTINGS, tasks=("digits", "fashion-mini"), data={"size": 8}, methods={"random": "random"}, orders=1)
POINTS = 2 * 2 * 2  # methods, orders, steps


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "continual"
    assert CONTINUAL.run(SETTINGS, folder) == {}
    return folder


def sets_in(folder):
    return {path.parent.name: path.read_bytes() for path in folder.rglob("set.safetensors")}


def results(folder):
    kept = {path.name: json.loads(path.read_text()) for path in (folder / "steps").glob("*-after-step*.json")}
    return sets_in(folder), {name: {key: value for key, value in entry.items() if key != "seconds"} for name, entry in kept.items()}


def work_of(folder):
    return {path: path.stat().st_mtime_ns for path in [*folder.rglob("*.safetensors"), *folder.glob("steps/*")]}


def never(*_):
    raise AssertionError("work was done")


def test_settings_come_back_from_json():
    for settings in (SETTINGS, TASKS):
        assert from_dict(ContinualSettings, json.loads(json.dumps(to_dict(settings)))) == settings


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"steps": 0}, "steps"),
        ({"orders": 0}, "orders"),
        ({"ipc": 0}, "ipc"),
        ({"evaluation": EvaluationSettings(0)}, "evaluation.networks"),
        ({"methods": {}}, "methods"),
        ({"methods": {"dm": "dm", "DM": "dm"}}, "methods"),
        ({"tasks": ("digits",)}, "tasks"),
        ({"tasks": ("digits", "mnist"), "memory": "shared"}, "memory"),
    ],
)
def test_impossible_settings_name_the_setting(change, setting):
    with pytest.raises(CondensationError) as error:
        replace(SETTINGS, **change)
    assert error.value.setting == setting


def test_orders_run_one_after_the_other():
    assert [(part.order, part.step) for part in memory_steps(SETTINGS)] == [(0, 0)] * 2 + [(0, 1)] * 2 + [(1, 0)] * 2 + [(1, 1)] * 2


def test_memory_holds_only_the_new_classes(finished):
    course = sequence_of(SETTINGS)
    for part, job in memory_jobs(SETTINGS, course).items():
        memory = CondensedSet.load(finished / "memories" / job.name)
        assert memory.images.counts == dict.fromkeys(sorted(course.labels(part.order, part.step)), 2)
        assert memory.card["data"]["fingerprint"] == course.new(part.order, part.step).train.fingerprint()


@pytest.mark.parametrize("label", SETTINGS.methods)
def test_memory_equals_that_of_its_run_alone(finished, tmp_path, label):
    part = MemoryStep(label, 1, 1)
    job = memory_jobs(SETTINGS, sequence_of(SETTINGS))[part]
    run(job.settings, tmp_path / "alone")  # reads the data by itself, as the settings say
    assert (tmp_path / "alone" / "set.safetensors").read_bytes() == sets_in(finished)[part.memory]


@pytest.mark.parametrize(("label", "rtol"), [("random", 0), ("condensed", 1e-4)])
def test_condensed_classes_equal_those_of_a_run_on_all_classes(finished, label, rtol):
    """Of random images to the bit; of learned ones but for rounding, as sums over batches of another size round otherwise."""
    part = MemoryStep(label, 0, 1)
    job = memory_jobs(SETTINGS, sequence_of(SETTINGS))[part]
    alone = CondensedSet.load(finished / "memories" / part.memory).images
    whole = condense(job.settings.method, load("digits").train, 2, seed=0, compute=CPU).select(alone.classes)
    assert torch.equal(whole.labels, alone.labels)
    torch.testing.assert_close(whole.images, alone.images, rtol=rtol, atol=rtol)


@pytest.mark.parametrize(("order", "step"), [(0, 0), (1, 1)])
def test_a_point_equals_an_evaluation_on_all_classes_seen(finished, order, step):
    course = sequence_of(SETTINGS)
    seen = sorted(label for earlier in range(step + 1) for label in course.labels(order, earlier))
    memories = [
        CondensedSet.load(finished / "memories" / MemoryStep("condensed", order, earlier).memory).images for earlier in range(step + 1)
    ]
    memory = memories[0].concat(memories[1]) if step else memories[0]
    status = SETTINGS.evaluation
    plainly = evaluate(
        memory, load("digits").test.select(seen), network=status.network, recipe=status.recipe, networks=2, seed=order, compute=CPU
    )
    kept = json.loads((finished / "steps" / f"condensed-order{order}-after-step{step + 1}.json").read_text())
    assert kept["values"] == pytest.approx(plainly.values[0], abs=1e-3)
    assert kept["seen"] == len(seen)
    assert kept["images"] == 2 * len(seen)
    assert [len(names) for names in kept["learned"]] == [5] * (step + 1)


def test_networks_have_an_output_for_every_class(finished):
    kept = json.loads((finished / "steps" / "random-order0-after-step1.json").read_text())
    ((test,),) = [kept["tests"]]
    assert len(test["per_class"]) == 5
    assert sequence_of(SETTINGS).tests(0, 0)[0][1].num_classes == 10


def test_a_curve_counts_every_network_of_every_order(finished):
    result = curves_in(SETTINGS, finished)
    point = result.steps["condensed"][1]
    kept = [json.loads((finished / "steps" / f"condensed-order{order}-after-step2.json").read_text())["values"] for order in range(2)]
    assert (point.mean, point.deviation) == (pytest.approx(np.mean(kept)), pytest.approx(np.std(kept)))
    assert (point.seen, point.values) == (10, tuple(map(tuple, kept)))


def test_orders_differ_in_classes_memories_and_networks(finished):
    kept = [json.loads((finished / "steps" / f"random-order{order}-after-step1.json").read_text()) for order in range(2)]
    assert kept[0]["learned"] != kept[1]["learned"]
    assert kept[0]["values"] != kept[1]["values"]


def test_finished_curves_are_not_made_again(finished):
    before, seen = work_of(finished), []
    assert CONTINUAL.run(SETTINGS, finished, Watch(lambda *event: seen.append(event), [never], never)) == {}
    assert work_of(finished) == before
    assert [(number, count, status) for number, count, _, status in seen] == [(n, 2 * POINTS, "finished") for n in range(1, 2 * POINTS + 1)]


@pytest.mark.parametrize("epochs", [8, pytest.param(1, marks=pytest.mark.slow), pytest.param(22, marks=pytest.mark.slow)])
def test_interrupted_curves_resume_to_the_same_scores(finished, tmp_path, epochs):
    stop = stop_at(epochs)
    with pytest.raises(Stopped):
        CONTINUAL.run(SETTINGS, tmp_path / "c", Watch(on_progress=stop))
    before = work_of(tmp_path / "c")
    CONTINUAL.run(SETTINGS, tmp_path / "c")
    assert before.items() <= work_of(tmp_path / "c").items()
    assert results(tmp_path / "c") == results(finished)


def test_interrupted_memory_resumes(finished, tmp_path):
    def stop(moment):
        if moment.steps and moment.step == 2:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        CONTINUAL.run(SETTINGS, tmp_path / "c", Watch(observers=[stop]))
    steps = []
    CONTINUAL.run(SETTINGS, tmp_path / "c", Watch(observers=[lambda moment: steps.append(moment.step)]))
    assert steps[0] == 2
    assert results(tmp_path / "c") == results(finished)


def test_more_methods_and_orders_are_added(finished, tmp_path):
    CONTINUAL.run(replace(SETTINGS, methods={"random": "random"}, orders=1), tmp_path / "c")
    before = work_of(tmp_path / "c")
    CONTINUAL.run(SETTINGS, tmp_path / "c")
    assert before.items() <= work_of(tmp_path / "c").items()
    assert results(tmp_path / "c") == results(finished)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 5}, "steps is 2 there, 5 here"),
        ({"ipc": 3}, "ipc is 2 there, 3 here"),
        ({"evaluation": replace(SETTINGS.evaluation, networks=3)}, "evaluation.networks is 2 there, 3 here"),
        ({"methods": {"condensed": {**DM, "steps": 4}}}, "holds another run: method.steps is 3 there, 4 here"),
    ],
)
def test_other_settings_in_the_same_folder_raise(finished, change, message):
    with pytest.raises(CondensationError, match=message):
        CONTINUAL.run(replace(SETTINGS, **change), finished)
    assert CONTINUAL.settings_in(finished) == SETTINGS


def test_foreign_folder_raises(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(CondensationError) as error:
        CONTINUAL.run(SETTINGS, tmp_path)
    assert ContinualSettings.noun in error.value.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ipc": 1000}, "got 1000"),
        ({"evaluation": EvaluationSettings(1, ConvNet(depth=9))}, "too deep"),
        ({"methods": {"dm": {**DM, "networks": {"name": "fresh", "spec": {"name": "convnet", "depth": 9}}}}}, "too deep"),
        ({"steps": 6}, "steps is 6"),
        ({"methods": {"mine": {"name": "dn"}}}, "There is no method 'dn'"),
    ],
)
def test_impossible_settings_raise_before_the_work(tmp_path, change, message):
    with pytest.raises(CondensationError, match=message):
        CONTINUAL.run(replace(SETTINGS, **change), tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_failed_memory_does_not_stop_other_curves(tmp_path):
    broken = replace(SETTINGS, orders=1, methods={"wild": {**DM, "lr": 1e30}, "random": "random"})
    assert set(CONTINUAL.run(broken, tmp_path / "c")) == {"wild-order0-step1", "wild-order0-step2"}
    result = curves_in(broken, tmp_path / "c")
    assert [str(point) for point in result.steps["wild"]] == ["failed", "failed"]
    assert all(point.values for point in result.steps["random"])
    assert "wild-order0-step1 failed: The loss or a pixel was not a finite number" in (tmp_path / "c" / "continual.md").read_text()


def test_failed_networks_do_not_stop_others_and_are_tried_again(tmp_path, monkeypatch):
    real, calls = working.evaluate_on_each, []

    def fails(*arguments, **settings):
        calls.append(arguments)
        if len(calls) == 2:
            raise MemoryError
        return real(*arguments, **settings)

    monkeypatch.setattr(working, "evaluate_on_each", fails)
    once = replace(SETTINGS, orders=1)
    assert list(CONTINUAL.run(once, tmp_path / "c")) == ["condensed-order0-after-step1"]
    result = curves_in(once, tmp_path / "c")
    assert {label: [str(point) == "failed" for point in curve] for label, curve in result.steps.items()} == {
        "random": [False, False],
        "condensed": [True, False],
    }
    assert "condensed-order0-after-step1 failed: out of memory" in (tmp_path / "c" / "continual.md").read_text()
    monkeypatch.undo()
    assert CONTINUAL.run(once, tmp_path / "c") == {}
    assert all(point.values for curve in curves_in(once, tmp_path / "c").steps.values() for point in curve)


# -- one memory for all orders


def test_shared_memory_is_made_once_by_classwise_methods(tmp_path):
    batch = {**DM, "networks": {"name": "fresh", "spec": {"name": "convnet", "width": 8, "norm": "batch"}}}
    shared = replace(SETTINGS, memory="shared", methods={**SETTINGS.methods, "batch": batch})
    assert CONTINUAL.run(shared, tmp_path / "c") == {}
    kept = {"condensed-all", "random-all", *(f"batch-order{order}-step{step}" for order in (0, 1) for step in (1, 2))}
    assert set(sets_in(tmp_path / "c")) == kept
    result = curves_in(shared, tmp_path / "c")
    assert all(len(point.values) == 2 for curve in result.steps.values() for point in curve)
    assert "All orders share the memory" in (tmp_path / "c" / "continual.md").read_text()


def test_a_shared_memory_serves_a_study_with_other_steps(tmp_path):
    shared = replace(SETTINGS, memory="shared", methods={"condensed": DM}, orders=1)
    CONTINUAL.run(shared, tmp_path / "two")
    shutil.copytree(tmp_path / "two" / "memories", tmp_path / "five" / "memories")
    seen = []
    five = Watch(lambda *event: seen.append(event), [never])
    assert CONTINUAL.run(replace(shared, steps=5), tmp_path / "five", five) == {}
    assert [status for *_, status in seen] == ["finished", *["to do"] * 5]
    shutil.copytree(tmp_path / "two" / "memories", tmp_path / "other" / "memories")
    with pytest.raises(CondensationError) as caught:
        CONTINUAL.run(replace(shared, ipc=1), tmp_path / "other")
    assert caught.value.setting == "out"


def test_a_shared_memory_of_random_images_is_that_of_the_first_order(finished, tmp_path):
    shared = replace(SETTINGS, memory="shared", methods={"random": "random"}, orders=1)
    CONTINUAL.run(shared, tmp_path / "c")
    own, other = (json.loads((folder / "steps" / "random-order0-after-step2.json").read_text()) for folder in (finished, tmp_path / "c"))
    assert own["values"] == other["values"]


# -- data sets in sequence


def test_data_sets_in_sequence(tmp_path):
    assert CONTINUAL.run(TASKS, tmp_path / "c") == {}
    assert set(sets_in(tmp_path / "c")) == {"random-order0-step1", "random-order0-step2"}
    kept = json.loads((tmp_path / "c" / "steps" / "random-order0-after-step2.json").read_text())
    assert [test["name"] for test in kept["tests"]] == ["digits", "fashion-mini"]
    assert kept["values"] == pytest.approx(np.mean([test["values"][0] for test in kept["tests"]], axis=0), abs=1e-3)
    assert kept["images"] == 40
    result = curves_in(TASKS, tmp_path / "c")
    assert continual_rows(result)[0][0] == "1"
    assert "| data sets seen | random |" in (tmp_path / "c" / "continual.md").read_text()


@pytest.mark.slow
def test_a_data_set_of_a_sequence_is_condensed_as_it_is_alone(tmp_path):
    CONTINUAL.run(TASKS, tmp_path / "c")
    job = memory_jobs(TASKS, sequence_of(TASKS))[MemoryStep("random", 0, 1)]
    run(job.settings, tmp_path / "alone")
    assert (tmp_path / "alone" / "set.safetensors").read_bytes() == sets_in(tmp_path / "c")["random-order0-step2"]


# -- what is written


def test_curves_are_written_as_json_markdown_and_png(finished):
    kept = json.loads((finished / "continual.json").read_text())
    assert kept["methods"].keys() == kept["curves"].keys()
    assert all(kept["methods"][label]["name"] for label in kept["curves"])
    assert {label: [(point["seen"], point["count"]) for point in curve] for label, curve in kept["curves"].items()} == {
        label: [(5, 4), (10, 4)] for label in SETTINGS.methods
    }
    assert "| classes seen | random | condensed |" in (finished / "continual.md").read_text()
    names = ("continual.json", "continual.md", "continual.png")
    before = [(finished / name).read_bytes() for name in names]
    assert before[2].startswith(b"\x89PNG")
    write_report(CONTINUAL.read(finished), finished)
    assert [(finished / name).read_bytes() for name in names] == before


def test_figure_has_a_line_and_a_band_per_method(finished):
    axes = continual_figure(curves_in(SETTINGS, finished), "").axes[0]
    assert [line.get_label() for line in axes.lines] == ["Random", "condensed"]
    assert [line.get_xdata().tolist() for line in axes.lines] == [[5, 10]] * 2
    assert len(axes.collections) == 2


def test_unfinished_curves_have_empty_cells(tmp_path):
    def stop(*_):
        raise Stopped("enough")

    with pytest.raises(Stopped):
        CONTINUAL.run(SETTINGS, tmp_path / "c", Watch(on_progress=stop))
    result = curves_in(SETTINGS, tmp_path / "c")
    assert continual_rows(result) == (("step 1", "-", "-"), ("step 2", "-", "-"))
    assert "random: 2 of 2 orders not done." in continual_notes(result)


def test_published_numbers_are_beside_the_last_step_with_differences(finished, monkeypatch):
    monkeypatch.setattr(reading, "published_continual", lambda source, ipc, steps: {"dm": Number(34.4, None, "unverified")})
    result = curves_in(SETTINGS, finished)
    assert result.published.keys() == {"condensed"}
    assert continual_rows(result)[-1] == ("10, published", "-", "34.4?")
    assert [line.get_label() for line in continual_figure(result, "").axes[0].lines] == ["Random", "condensed", "condensed, published"]
    message = next(line for line in continual_notes(result) if line.startswith("condensed: "))
    for difference in ("orders 2 (published: 5)", "method.steps 3 (published: 20,000)", "evaluation.networks 2 (published: 3)"):
        assert difference in message
    assert "Published?: quoted from memory of the papers, not checked." in continual_notes(result)
    early = replace(result, steps={label: (curve[0], replace(curve[1], values=(), seen=None)) for label, curve in result.steps.items()})
    assert [line.get_label() for line in continual_figure(early, "").axes[0].lines] == ["Random", "condensed"]  # they are of the last step


def test_class_subsets_and_sequences_have_no_published_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "published_continual", lambda source, ipc, steps: {"random": Number(24.8, None, "unverified")})
    assert curves_in(SETTINGS, tmp_path).published
    some = replace(SETTINGS, data={"source": "digits", "classes": list("0123")})
    assert not curves_in(some, tmp_path).published
    assert not curves_in(TASKS, tmp_path).published
