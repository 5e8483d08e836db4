import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from condensation.artifacts.condensed_set import CondensedSet
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.evaluation.compare import EvaluationSettings
from condensation.methods.dm import DM
from condensation.methods.step_info import Stopped
from condensation.networks.convnet import ConvNet
from condensation.networks.pool_store import PoolStore
from condensation.networks.samplers import Pool
from condensation.runs.presets import preset
from condensation.runs.settings import RunSettings
from condensation.studies.pools.buckets import Ablation, BucketScore, PoolSummary, ablation_in
from condensation.studies.pools.report import accuracy_figure, images_figure, pools_columns, pools_notes, pools_rows
from condensation.studies.pools.study import PoolsSettings, pool_network, pools_jobs
from condensation.studies.published_numbers import published_pools
from condensation.studies.registry import POOLS
from condensation.studies.study import write_report
from condensation.studies.tasks import Watch
from condensation.training.make_pool import PoolRecipe
from condensation.training.train import Recipe

SETTINGS = PoolsSettings(
    data="digits",
    method={"name": "dm", "steps": 3, "batch_per_class": 4},
    network=ConvNet(width=4),
    pool=PoolRecipe(networks=2, recipe=Recipe(epochs=2, batch=64, augmentation=None), bounds=(0, 30, 99.9), growth=2.0),
    ipc=(1,),
    evaluation=EvaluationSettings(2, ConvNet(width=4), Recipe(epochs=2)),
    compute=Compute("cpu", "float32", compile="never"),
)
JOBS = ["random-ipc1-seed0", "0-30-ipc1-seed0", "30-99.9-ipc1-seed0", "99.9-ipc1-seed0", "all-ipc1-seed0"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "pools"
    assert POOLS.run(SETTINGS, folder) == {}
    return folder


def results(folder):
    """Images and accuracies; cards name the folder of the pool, which is another one each time."""
    images = {path.parent.name: CondensedSet.load(path).images.images.numpy().tobytes() for path in folder.rglob("set.safetensors")}
    pool = {path.name: path.read_bytes() for path in (folder / "pool" / "networks").glob("*")}
    values = {path.parent.name: json.loads(path.read_text())["sets"]["dm"]["values"] for path in folder.rglob("scores.json")}
    return images, pool, values


def work_of(folder):
    return {path: path.stat().st_mtime_ns for path in [*folder.rglob("*.safetensors"), *folder.rglob("scores.json")]}


def never(*_):
    raise AssertionError("work was done")


def test_settings_come_back_from_json():
    assert from_dict(PoolsSettings, json.loads(json.dumps(to_dict(SETTINGS)))) == SETTINGS
    assert from_dict(PoolsSettings, json.loads(json.dumps(to_dict(PoolsSettings())))) == PoolsSettings()


def test_default_buckets_are_all_of_the_pool():
    assert SETTINGS.bucket_names == ("random", "0-30", "30-99.9", "99.9+", "all")
    assert PoolsSettings().bucket_names == ("random", "10-20", "20-30", "30-40", "40-50", "50-60", "60-70", "70+", "all")


def test_jobs_draw_from_their_bucket_with_the_settings_of_the_preset(tmp_path):
    jobs = pools_jobs(SETTINGS, tmp_path)
    assert [job.name for job in jobs] == JOBS
    for job, name in zip(jobs, SETTINGS.bucket_names, strict=True):
        assert job.settings.method.networks == Pool(str(tmp_path / "pool"), name, ConvNet(width=4))
        assert replace(job.settings.method, networks=DM().networks) == replace(
            DM.classic(1, channels=1), steps=3, batch_per_class=4, networks=DM().networks
        )


def test_default_pool_network_is_that_of_the_method():
    assert pool_network(replace(SETTINGS, network=None)) == DM.classic(1).networks.spec
    assert pool_network(replace(SETTINGS, network=None, preset="paper")) == DM().networks.spec


@pytest.mark.parametrize("name", ["random", "herding", "pixel-mmd"])
def test_method_that_draws_no_networks_raises(tmp_path, name):
    with pytest.raises(CondensationError) as error:
        POOLS.run(replace(SETTINGS, method=name), tmp_path / "p")
    assert (error.value.setting, name in error.value.message) == ("method", True)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": 0},
        {"ipc": ()},
        {"ipc": (1, 1)},
        {"buckets": ("all", "all")},
        {"buckets": ("good",)},
        {"evaluation": EvaluationSettings(0)},
    ],
)
def test_impossible_settings_raise(change):
    with pytest.raises(CondensationError):
        replace(SETTINGS, **change)


# -- what is done


def test_set_equals_that_of_its_run_alone(finished):
    """The run of a bucket is repeated from its own settings."""
    from condensation import condense

    path = finished / "runs" / JOBS[1]
    settings = from_dict(RunSettings, json.loads((path / "settings.json").read_text())["settings"])
    alone = condense(settings.method, settings.data.load().train, settings.ipc, seed=settings.seed, compute=settings.compute)
    assert torch.equal(alone.images, CondensedSet.load(path).images.images)


def test_sets_of_different_buckets_differ(finished):
    images, _, _ = results(finished)
    assert len(set(images.values())) == len(images) == 4


def test_empty_bucket_is_skipped_and_reported(finished):
    assert PoolStore.open(finished / "pool").accuracies()[-1] < 99.9
    assert not (finished / "runs" / JOBS[3]).exists()
    result = ablation_in(SETTINGS, finished)
    assert [cell.empty for cell in result.cells] == [False, False, False, True, False]
    assert pools_rows(result)[3] == ("99.9+", "0", "no network")
    (message,) = [line for line in pools_notes(result) if line.startswith("No network is in")]
    assert message.startswith("No network is in 99.9+: validation accuracies are ")


def test_a_cell_counts_every_network_of_the_set(finished):
    cell = ablation_in(SETTINGS, finished).cells[0]
    (values,) = json.loads((finished / "runs" / JOBS[0] / "scores.json").read_text())["sets"]["dm"]["values"]
    assert cell.mean == pytest.approx(np.mean(values))
    assert cell.deviation == pytest.approx(np.std(values))


def test_a_finished_ablation_is_not_done_again(finished):
    before, seen = work_of(finished), []
    watch = Watch(lambda *event: seen.append(event), [never], never, on_training=never)
    assert POOLS.run(SETTINGS, finished, watch) == {}
    assert work_of(finished) == before
    assert [(number, count) for number, count, _, _ in seen] == [(number, 7) for number in range(1, 8)]
    assert [status for *_, status in seen] == ["finished"] * 5 + ["empty", "finished"]


@pytest.mark.parametrize("calls", [80, *(pytest.param(calls, marks=pytest.mark.slow) for calls in (1, 60, 100))])
def test_interrupted_ablation_resumes_to_the_same_results(finished, tmp_path, calls):
    seen = []

    def stop(*_):
        seen.append(1)
        if len(seen) == calls:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        POOLS.run(SETTINGS, tmp_path / "p", Watch(observers=[stop], on_progress=stop, on_training=stop))
    before = work_of(tmp_path / "p")
    POOLS.run(SETTINGS, tmp_path / "p")
    evaluated = {path.parent for path in before if path.name == "scores.json"}
    kept = {path: when for path, when in before.items() if path.parent in evaluated or path.parent.name == "networks"}
    assert kept.items() <= work_of(tmp_path / "p").items()
    assert results(tmp_path / "p") == results(finished)


def test_the_pool_can_be_made_alone(finished, tmp_path):
    assert POOLS.run(SETTINGS, tmp_path / "p", pool_only=True) == {}
    assert results(tmp_path / "p") == ({}, results(finished)[1], {})
    result = ablation_in(SETTINGS, tmp_path / "p")
    assert [str(cell) for cell in result.cells] == ["-", "-", "-", "no network", "-"]
    assert not (tmp_path / "p" / "images.png").exists()


@pytest.mark.slow
def test_buckets_are_added_to_a_finished_ablation(finished, tmp_path):
    POOLS.run(replace(SETTINGS, buckets=("random", "all")), tmp_path / "p")
    before = work_of(tmp_path / "p")
    POOLS.run(SETTINGS, tmp_path / "p")
    assert before.items() <= work_of(tmp_path / "p").items()
    assert results(tmp_path / "p") == results(finished)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pool": replace(SETTINGS.pool, networks=3)}, r"pool\.networks is 2 there, 3 here"),
        ({"network": ConvNet(width=8)}, r"network\.width is 4 there, 8 here"),
        ({"evaluation": replace(SETTINGS.evaluation, networks=3)}, r"another run: evaluation\.networks is 2 there, 3 here"),
        ({"method": {**SETTINGS.method, "steps": 4}}, r"another run: method\.steps is 3 there, 4 here"),
    ],
)
def test_other_settings_in_the_same_folder_raise(finished, change, message):
    with pytest.raises(CondensationError, match=message):
        POOLS.run(replace(SETTINGS, **change), finished)
    assert POOLS.settings_in(finished) == SETTINGS


def test_foreign_folder_raises(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(CondensationError) as error:
        POOLS.run(SETTINGS, tmp_path)
    assert PoolsSettings.noun in error.value.message


def test_a_set_that_fails_does_not_stop_the_others(finished, tmp_path):
    broken = replace(SETTINGS, method={**SETTINGS.method, "lr": 1e30}, buckets=("random", "30-99.9"))
    failed = POOLS.run(broken, tmp_path / "p")
    assert set(failed) == {JOBS[0], JOBS[2]}
    result = ablation_in(broken, tmp_path / "p")
    assert [str(cell) for cell in result.cells] == ["failed"] * 2
    assert f"{JOBS[0]} failed: The loss or a pixel was not a finite number" in (tmp_path / "p" / "pools.md").read_text()


# -- what is written


def test_ablation_is_written_as_json_markdown_and_two_pngs(finished):
    kept = json.loads((finished / "pools.json").read_text())
    assert [(cell["bucket"], cell.get("count")) for cell in kept["cells"]] == list(
        zip(SETTINGS.bucket_names, (2, 2, 2, None, 2), strict=True)
    )
    assert kept["pool"]["networks"]["all"] == len(kept["pool"]["accuracies"])
    assert "| validation accuracy, % | in the pool | ipc 1 |\n" in (finished / "pools.md").read_text()
    names = ("pools.json", "pools.md", "pools.png", "images.png")
    before = [(finished / name).read_bytes() for name in names]
    write_report(POOLS.read(finished), finished)
    assert [(finished / name).read_bytes() for name in names] == before


def test_images_figure_has_one_row_per_bucket(finished, monkeypatch):
    result, shown = ablation_in(SETTINGS, finished), {}
    with Image.open(finished / "images.png") as kept:
        assert images_figure(result, "", 1).size == kept.size
    monkeypatch.setattr("condensation.studies.pools.report.grid", lambda sets, **options: shown.update(sets=sets, **options))
    images_figure(result, "", 1)
    assert list(shown["sets"]) == ["random", "0-30", "30-99.9", "all"]
    assert shown["rows"] == 1
    assert torch.equal(shown["sets"]["all"].images, CondensedSet.load(finished / "runs" / JOBS[4]).images.images)
    with pytest.raises(CondensationError) as error:
        images_figure(result, "", 5)
    assert "5 images per class" in error.value.message


def made_up(means, theirs):
    """At 10 images a class of CIFAR10."""
    settings = replace(SETTINGS, data="cifar10", ipc=(10,), buckets=tuple(means))
    cells = [
        BucketScore(bucket=name, ipc=10, values=((mean,),) if mean else (), sets=1, published=theirs.get(name), empty=mean is None)
        for name, mean in means.items()
    ]
    return Ablation(settings, None, tuple(cells), PoolSummary({"20-30": 7, "70+": 0, "all": 9}, (12.0, 27.5)))


def test_published_numbers_are_beside_measured_ones():
    result = made_up({"random": 48.0, "20-30": 50.5, "70+": None, "all": 49.0}, published_pools("cifar10", 10))
    assert pools_columns(result) == ("validation accuracy, %", "in the pool", "ipc 10", "published")
    assert list(pools_rows(result)) == [
        ("random", "new networks", "48.0", "48.9?"),
        ("20-30", "7", "50.5", "48.1?"),
        ("70+", "0", "no network", "48.2?"),
        ("all", "9", "49.0", "50.7?"),
    ]
    assert "ipc 10: best and worst bucket are 2.5 points apart (published: 2.6)." in pools_notes(result)
    assert any("quoted from memory" in line for line in pools_notes(result))


def test_notes_list_differences_from_the_published_settings():
    settings = PoolsSettings(data="cifar10", preset="paper", method={"name": "dm", "steps": 800}, evaluation=preset("paper").evaluation)
    cell = BucketScore(bucket="random", ipc=10, values=((48.0,),), sets=1, published=published_pools("cifar10", 10)["random"])
    result = Ablation(settings, None, (cell,), PoolSummary())
    assert "ipc 10 differs from published: method.steps 800 (published: 20,000)." in pools_notes(result)
    narrow = replace(result, settings=replace(settings, method="dm", network=ConvNet(width=64)))
    assert "ipc 10 differs from published: method.networks.spec.width 64 (published: 128)." in pools_notes(narrow)
    same = replace(result, settings=replace(settings, method="dm"))
    assert not any("differs" in line for line in pools_notes(same))


def test_the_plot_has_a_point_for_each_number():
    result = made_up({"random": 48.0, "20-30": 50.5, "70+": None}, published_pools("cifar10", 10))
    (panel,) = accuracy_figure(result, "").axes
    assert [text.get_text() for text in panel.get_xticklabels()] == ["random", "20-30", "70+"]
    theirs, ours = panel.lines[:2]
    assert list(theirs.get_ydata()) == [48.9, 48.1, 48.2]
    assert list(ours.get_ydata()) == [48.0, 50.5]


def test_published_pools_cover_cifar10_only():
    assert list(published_pools("cifar10", 50)) == list(PoolsSettings().bucket_names)
    assert str(published_pools("cifar10", 10)["random"]) == "48.9?"
    assert published_pools("cifar10", 20) == published_pools("mnist", 10) == {}
