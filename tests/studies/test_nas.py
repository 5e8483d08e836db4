"""A search: every network on everything, each a job of its own, and nothing done twice."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from condensation.artifacts.condensed_set import CondensedSet
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.data.load import load
from condensation.methods.step_info import Stopped
from condensation.networks.convnet import ConvNet
from condensation.studies.executors import Processes
from condensation.studies.nas import train_candidates
from condensation.studies.nas.proxies import EARLY, WHOLE, SearchSettings, proxies_for, search_jobs, without_validation
from condensation.studies.nas.report import search_figure, search_notes
from condensation.studies.nas.search import Search, search_in
from condensation.studies.nas.search_space import Space
from condensation.studies.nas.train_candidates import Trained
from condensation.studies.registry import NAS
from condensation.studies.study import write_report
from condensation.studies.table.study import NamedMethod
from condensation.studies.tasks import Watch
from condensation.training.train import Recipe, train
from tests.small import images
from tests.studies.stopping import stop_at

DM = {"name": "dm", "steps": 2, "batch_per_class": 4, "networks": {"spec": {"width": 4}}}
SPACE = Space(width=(4,), depth=(1, 2), norm=("instance", "batch"), activation=("relu", "sigmoid"), pooling=("avg",))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with small images that can be learned."""
    folder = tmp_path_factory.mktemp("data") / "bands"
    folder.mkdir()
    for part, seed in (("train", 0), ("test", 1)):
        made = images([20, 30, 40], shape=(3, 8, 8), seed=seed)
        np.savez(folder / f"{part}.npz", images=made.images.permute(0, 2, 3, 1).numpy(), labels=made.labels.numpy())
    return str(folder)


@pytest.fixture(scope="module")
def settings(data):
    return SearchSettings(
        (*proxies_for(["random", EARLY]), NamedMethod("DM", DM)),
        data={"source": data},
        space=SPACE,
        ipc=3,
        trainings=2,
        recipe=Recipe(epochs=6, batch=10),
        whole_epochs=3,
        top=0.75,
        compute=Compute(device="cpu", precision="float64", compile="never"),
    )


@pytest.fixture(scope="module")
def finished(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nas") / "whole"
    assert NAS.run(settings, folder) == {}
    return folder


def results(folder):
    """All accuracies of a search."""
    result = search_in(folder)
    return {
        name: {label: (list(entry.validation), list(entry.test)) for label, entry in entries.items()}
        for name, entries in result.trained.items()
    }


def seconds(folder):
    """What each training took: another number if it were done again."""
    return {(name, label): entry.seconds for name, entries in search_in(folder).trained.items() for label, entry in entries.items()}


def work_of(folder):
    """When each file of the work was written."""
    return {path: path.stat().st_mtime_ns for part in ("sets", "networks") for path in (folder / part).rglob("*.safetensors")} | {
        path: path.stat().st_mtime_ns for path in (folder / "networks").glob("w*.json")
    }


def never(*arguments):
    raise AssertionError("this was done already")


# -- what is done


def test_every_network_is_trained_on_everything(finished, settings):
    result = results(finished)
    assert len(result) == len(SPACE) == 8
    for by_label in result.values():
        assert list(by_label) == ["random", EARLY, "DM", WHOLE]
        assert all(len(part) == 2 for entry in by_label.values() for part in entry)
    assert search_in(finished).done == list(search_in(finished).names)


@pytest.mark.parametrize("label", ["random", EARLY, "DM", WHOLE])
def test_accuracy_equals_that_of_a_network_trained_alone(finished, settings, label):
    name, number = "w4-d2-instance-relu-avg", 1
    rest, validation = without_validation(load(settings.source), settings.validation, 0)
    rng = Rng(0).child("search", name, label, number)
    network = ConvNet(width=4, depth=2).build((3, 8, 8), 3, rng.child("network")).double()
    recipe = replace(settings.recipe, epochs=settings.whole_epochs) if label == WHOLE else settings.recipe
    if label == EARLY:
        return  # its images are tested in tests/test_training.py
    learned = rest.train if label == WHOLE else CondensedSet.load(finished / "sets" / label.lower()).images
    train(network, learned, recipe, rng.child("train"))
    network.eval()
    for part, test in (("validation", validation), ("test", rest.test)):
        right = network(test.inputs().double()).argmax(1) == test.labels
        assert getattr(search_in(finished).trained[name][label], part)[number] == pytest.approx(
            100 * float(right.double().mean()), abs=1e-3
        )


@pytest.mark.slow
def test_networks_trained_together_equal_those_trained_alone(finished, settings, tmp_path):
    seen = []
    together = replace(settings, compute=replace(settings.compute, together=3))
    NAS.run(together, tmp_path / "nas", Watch(on_progress=lambda done, total: seen.append((done, total))))
    assert results(tmp_path / "nas") == results(finished)
    assert (3, 36) in seen  # three of six networks have done an epoch


def test_sets_are_made_without_the_validation_images(finished, settings):
    data = load(settings.source)
    rest, validation = without_validation(data, 0.1, 0)
    assert [validation.counts[label] for label in range(3)] == [2, 3, 4]
    assert len(rest.train) + len(validation) == len(data.train)
    pictures = [{bytes(entry.numpy().data) for entry in part.images} for part in (rest.train, validation)]
    assert not pictures[0] & pictures[1]
    card = CondensedSet.load(finished / "sets" / "random").card
    assert card["data"]["fingerprint"] == rest.train.fingerprint()
    assert card["data"]["note"].endswith("9 of 90 training images, 10% of each class, were kept for validation (seed 0).")
    chosen = CondensedSet.load(finished / "sets" / "random").images
    kept = {bytes(entry.numpy().data) for entry in rest.train.inputs()}
    assert {bytes(entry.numpy().data) for entry in chosen.images} <= kept


def test_a_class_of_one_image_leaves_none_for_training(data):
    whole = load(data)
    single = replace(whole, train=whole.train.take(torch.tensor([0, 25, 26, 60, 61])))
    with pytest.raises(CondensationError) as error:
        without_validation(single, 0.1, 0)
    assert "'0'" in error.value.message


# -- going on


def test_a_finished_search_is_not_done_again(finished, settings):
    before, seen = work_of(finished), []
    watch = Watch(lambda *event: seen.append(event), [never], never)
    assert NAS.run(settings, finished, watch) == {}
    assert work_of(finished) == before
    assert [(number, count, status) for number, count, _, status in seen] == [(number, 10, "finished") for number in range(1, 11)]


@pytest.mark.parametrize("epochs", [pytest.param(1, marks=pytest.mark.slow), 38])
def test_interrupted_search_resumes_to_the_same_scores(finished, settings, tmp_path, epochs):
    stop = stop_at(epochs)
    with pytest.raises(Stopped):
        NAS.run(settings, tmp_path / "nas", Watch(on_progress=stop))
    before = seconds(tmp_path / "nas")
    assert bool(before) == (epochs > 30)  # the proxies of the first network take 36 epochs
    assert NAS.run(settings, tmp_path / "nas") == {}
    assert before.items() <= seconds(tmp_path / "nas").items()
    assert results(tmp_path / "nas") == results(finished)


@pytest.mark.slow
def test_more_networks_and_proxies_are_added(finished, settings, tmp_path):
    first = replace(settings, proxies=settings.proxies[:1], subset=5)
    NAS.run(first, tmp_path / "nas")
    names = search_in(tmp_path / "nas").names
    assert names == search_in(finished).names[:5]
    before = {name: entries["random"] for name, entries in search_in(tmp_path / "nas").trained.items()}
    NAS.run(settings, tmp_path / "nas")
    after = search_in(tmp_path / "nas").trained
    assert all(after[name]["random"] == before[name] for name in names)
    assert results(tmp_path / "nas") == {
        name: {label: result[label] for label in results(tmp_path / "nas")[name]} for name, result in results(finished).items()
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trainings": 3}, "holds another search: trainings is 2 there, 3 here"),
        ({"recipe": Recipe(epochs=7, batch=10)}, "holds another search: recipe.epochs is 6 there, 7 here"),
        ({"proxies": (NamedMethod("DM", {**DM, "steps": 3}),)}, "holds another run: method.steps is 2 there, 3 here"),
    ],
)
def test_other_settings_in_the_same_folder_raise(finished, settings, change, message):
    with pytest.raises(CondensationError, match=message):
        NAS.run(replace(settings, **change), finished)


def test_foreign_folder_raises(settings, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(CondensationError) as error:
        NAS.run(settings, tmp_path)
    assert SearchSettings.noun in error.value.message


def test_settings_are_read_again(finished, settings):
    assert NAS.settings_in(finished) == from_dict(SearchSettings, to_dict(settings))


# -- who does it


@pytest.mark.slow
def test_any_executor_gives_the_same_scores(finished, settings, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        assert NAS.run(settings, tmp_path / "nas", executor=pool) == {}
    assert results(tmp_path / "nas") == results(finished)


@pytest.mark.slow
def test_processes_give_the_same_scores(finished, settings, tmp_path):
    with Processes(2) as processes:
        assert NAS.run(settings, tmp_path / "nas", executor=processes) == {}
    assert results(tmp_path / "nas") == results(finished)


# -- what fails


@pytest.mark.slow
def test_a_network_that_fails_is_recorded_and_the_search_goes_on(finished, settings, tmp_path, monkeypatch):
    real, bad = train_candidates.train_and_test, "w4-d1-batch-relu-avg"

    def fails(network, trainings, tests, recipe, compute, on_progress):
        if trainings[0].rng.path[1] == bad and recipe.epochs == 6:
            raise MemoryError
        return real(network, trainings, tests, recipe, compute, on_progress)

    monkeypatch.setattr(train_candidates, "train_and_test", fails)
    assert {name: entry.reason for name, entry in NAS.run(settings, tmp_path / "nas").items()} == {bad: "out of memory"}
    result = search_in(tmp_path / "nas")
    assert list(result.trained[bad]) == [WHOLE]
    assert len(result.done) == 7
    assert f"- {bad} failed: out of memory" in (tmp_path / "nas" / "nas.md").read_text()
    assert [len(entry.networks) for entry in result.verdicts] == [7, 7, 7, 8]
    monkeypatch.undo()
    assert NAS.run(settings, tmp_path / "nas") == {}
    assert results(tmp_path / "nas") == results(finished)


def test_weights_that_are_not_finite_are_a_failure(settings, tmp_path):
    once = replace(settings, proxies=settings.proxies[:1], subset=2, compute=replace(settings.compute, precision="float32"))
    wild = replace(once, recipe=Recipe(epochs=3, lr=1e30))
    failed = NAS.run(wild, tmp_path / "nas")
    assert {entry.reason for entry in failed.values()} == {
        "The weights are not finite after training on random. The weights are not finite after training on whole."
    }
    assert search_in(tmp_path / "nas").done == []
    assert [row[1] for row in NAS.read(tmp_path / "nas").rows] == ["-", "-"]


def test_a_set_that_fails_leaves_its_proxy_out(settings, tmp_path):
    once = replace(settings, subset=2, compute=replace(settings.compute, precision="float32"))
    broken = replace(once, proxies=(*settings.proxies[:1], NamedMethod("wild", {**DM, "lr": 1e30})))
    assert list(NAS.run(broken, tmp_path / "nas")) == ["wild"]
    assert [list(entry) for entry in search_in(tmp_path / "nas").trained.values()] == [["random", WHOLE]] * 2
    assert "set of wild failed: The loss or a pixel" in (tmp_path / "nas" / "nas.md").read_text()


def test_networks_that_do_not_fit_are_counted(settings, tmp_path):
    deep = replace(settings, space=replace(SPACE, depth=(1, 5)), proxies=settings.proxies[:1], subset=2)
    NAS.run(deep, tmp_path / "nas")
    result = search_in(tmp_path / "nas")
    (note,) = [line for line in NAS.read(tmp_path / "nas").notes if "left out" in line]
    assert note.startswith("4 networks")
    assert len(result.space.others) == 4
    with pytest.raises(CondensationError) as error:
        NAS.run(replace(deep, space=replace(SPACE, depth=(5,))), tmp_path / "other")
    assert (error.value.setting, "w4-d5-instance-relu-avg" in error.value.message) == ("space", True)


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"trainings": 0}, "trainings"),
        ({"top": 1.5}, "top"),
        ({"proxies": ()}, "proxies"),
        ({"proxies": (NamedMethod("whole", "random"),)}, "proxies"),
    ],
)
def test_impossible_settings_name_the_setting(settings, change, setting):
    with pytest.raises(CondensationError) as error:
        replace(settings, **change)
    assert error.value.setting == setting


def test_sets_have_the_settings_of_their_preset(settings):
    jobs = {job.name: job.settings for job in search_jobs(replace(settings, proxies=proxies_for(["herding", "dm", EARLY]), ipc=10))}
    assert list(jobs) == ["herding", "dm"]
    assert (jobs["dm"].method.averaging, jobs["dm"].evaluation.networks, jobs["dm"].ipc) == (0.998, 0, 10)


# -- what is found


def test_verdicts_follow_from_the_accuracies(finished, settings):
    result = search_in(finished)
    for verdict in result.verdicts:
        names = list(result.trained)
        ours = [np.mean(result.trained[name][verdict.label].test) for name in names]
        fully = [np.mean(result.trained[name][WHOLE].test) for name in names]
        assert verdict.over_all.spearman.value == pytest.approx(stats.spearmanr(ours, fully).statistic)
        assert verdict.over_all.kendall.value == pytest.approx(stats.kendalltau(ours, fully).statistic)
        validation_of = {name: np.mean(result.trained[name][verdict.label].validation) for name in names}
        sixth = sorted(validation_of.values())[-6]
        assert set(verdict.top) == {name for name in names if validation_of[name] >= sixth}
        assert verdict.over_top.count == len(verdict.top)
        assert set(verdict.equal) == {name for name in names if validation_of[name] == max(validation_of.values())}
        assert verdict.found == verdict.equal[0]
        assert verdict.accuracy == pytest.approx(np.mean([result.trained[name][WHOLE].test for name in verdict.equal]))
    assert result.verdicts[-1].over_all.spearman.value == 1


def test_ties_in_validation_accuracy_are_all_counted(finished, monkeypatch):
    known = {
        name: {label: Trained((0.0,), (float(place),), 1.0) for label in ("random", EARLY, "DM", WHOLE)}
        for place, name in enumerate(search_in(finished).names)
    }
    best, second, third = list(known)[4:7]
    for name in (best, second, third):
        known[name]["DM"] = replace(known[name]["DM"], validation=(90.0,))
    search = search_in(finished)
    monkeypatch.setattr(Search, "trained", known)
    verdict = next(entry for entry in search.verdicts if entry.label == "DM")
    assert verdict.equal == (best, second, third)
    assert len(verdict.top) == len(known)  # three are better, and all others equal the sixth
    assert (verdict.accuracy, verdict.trainings) == (5.0, 3)
    (message,) = [line for line in search_notes(search) if line.startswith("Found by DM")]
    assert message == f"Found by DM: {best}, or one of 2 others with the same validation accuracy; the accuracy is the mean of all."


def test_search_is_written_as_json_markdown_and_png(finished):
    kept = json.loads((finished / "nas.json").read_text())
    assert [entry["label"] for entry in kept["verdicts"]] == ["random", EARLY, "DM", WHOLE]
    assert kept["verdicts"][0]["over_all"]["spearman"].keys() == {"value", "low", "high"}
    assert len(kept["networks"]) == kept["done"] == kept["asked_for"] == 8
    assert (kept["methods"]["dm"]["name"], kept["methods"]["dm"]["steps"]) == ("dm", DM["steps"])
    assert "| trained on | Spearman | Spearman, top 75% | found, % |" in (finished / "nas.md").read_text()
    names = ("nas.json", "nas.md", "nas.png")
    before = [(finished / name).read_bytes() for name in names]
    assert before[2].startswith(b"\x89PNG")
    write_report(NAS.read(finished), finished)
    assert [(finished / name).read_bytes() for name in names] == before


def test_the_picture_has_a_column_for_each_proxy(finished):
    panels = search_figure(search_in(finished), "").axes
    assert [panel.get_title().split("\n")[0] for panel in panels[:3]] == ["Random", EARLY, "DM"]
    assert sum(len(points.get_offsets()) for points in panels[0].collections) == 8
    assert sum(len(points.get_offsets()) for points in panels[3].collections) == 6
