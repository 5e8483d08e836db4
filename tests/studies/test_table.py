import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from condensation import preset
from condensation.artifacts.condensed_set import CondensedSet
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.methods.step_info import Stopped
from condensation.studies import jobs
from condensation.studies.registry import TABLE
from condensation.studies.study import write_report
from condensation.studies.study_folder import slug
from condensation.studies.table.cells import cells_in, differences
from condensation.studies.table.report import difference_signs, signs_of
from condensation.studies.table.study import (
    TableRow,
    TableSettings,
    column_of,
    published_run,
    row_run,
    rows_for,
    table_jobs,
    with_overrides,
)
from condensation.studies.tasks import Watch, failures_in
from condensation.training.train import Recipe

SMALL = {"name": "convnet", "width": 8}
DM = {"name": "dm", "steps": 3, "batch_per_class": 4, "networks": {"spec": SMALL}}
SETTINGS = TableSettings(
    rows=(TableRow("Random", "random"), TableRow("DM", DM)),
    data="digits",
    ipc=(1,),
    seeds=2,
    networks=2,
    epochs=2,
    evaluation={"network": SMALL},
    compute=Compute("cpu", "float32", compile="never"),
)
CIFAR = TableSettings(rows_for(["random", "dm"]), data="cifar10", ipc=(1, 10))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "table"
    assert TABLE.run(SETTINGS, folder) == {}
    return folder


def results(folder):
    """What a table is made of, but for times."""
    kept = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.safetensors") if "checkpoint" not in path.name}
    for path in folder.rglob("scores.json"):
        kept[str(path.relative_to(folder))] = [score["values"] for score in json.loads(path.read_text())["sets"].values()]
    return kept


def work_of(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}


def never(*_):
    raise AssertionError("work was done")


# -- settings


def test_random_has_rows_with_and_without_augmentation():
    rows = rows_for(["random", "dm"])
    assert [row.label for row in rows] == ["Random", "Random, DSA", "DM"]
    recipes = [row_run(CIFAR, row, 1, 0).evaluation.recipe for row in rows]
    assert [recipe.augmentation is None for recipe in recipes] == [True, False, False]
    assert [recipe.epochs for recipe in recipes] == [301, 1001, 1001]


@pytest.mark.parametrize("recipe", ["cutmix", {"name": "cutmix"}, {"name": "cutmix", "batch": 32}])
def test_a_recipe_by_name_has_the_epochs_of_the_table(recipe):
    runs = [row_run(replace(CIFAR, epochs=7, evaluation={"recipe": recipe}), row, 1, 0) for row in CIFAR.rows]
    batch = recipe["batch"] if "batch" in recipe else 64
    assert {run.evaluation.recipe for run in runs[1:]} == {replace(Recipe.with_cutmix(7), batch=batch)}
    assert row_run(replace(CIFAR, evaluation={"recipe": "paper"}), CIFAR.rows[1], 1, 0).evaluation.recipe == Recipe.paper()
    few = replace(CIFAR, evaluation={"recipe": {"name": "cutmix", "epochs": 9}})
    assert row_run(few, CIFAR.rows[1], 1, 0).evaluation.recipe == Recipe.with_cutmix(9)


def test_an_unknown_method_is_named():
    with pytest.raises(CondensationError) as error:
        rows_for(["dn"])
    assert "'dn'" in error.value.message


@pytest.mark.parametrize("ipc", [10, 100])
def test_default_run_equals_the_paper_preset(ipc):
    ours = row_run(CIFAR, CIFAR.rows[2], ipc, 0)
    paper = preset("paper", ipc)
    assert (ours.method, ours.evaluation) == (paper.method, paper.evaluation)
    assert ours.data.preprocessing == "published"


def test_override_of_a_method_changes_only_its_rows():
    rows, others = with_overrides(CIFAR.rows, ["dm.steps=5", "evaluation.network.width=8", "dm.networks.spec.width=16"], TableSettings)
    assert others == ["evaluation.network.width=8"]
    assert rows[0] == CIFAR.rows[0]
    method = row_run(replace(CIFAR, rows=rows), rows[2], 1, 0).method
    assert (method.steps, method.networks.spec.width) == (5, 16)


def test_settings_come_back_from_json():
    assert from_dict(TableSettings, json.loads(json.dumps(to_dict(SETTINGS)))) == SETTINGS


@pytest.mark.parametrize("change", [{"seeds": 0}, {"networks": 0}, {"epochs": 0}, {"ipc": ()}, {"rows": ()}, {"ipc": (1, 1)}])
def test_empty_table_raises(change):
    with pytest.raises(CondensationError):
        replace(SETTINGS, **change)


def test_rows_must_differ_in_their_labels():
    with pytest.raises(CondensationError) as error:
        replace(SETTINGS, rows=(TableRow("DM a", "dm"), TableRow("DM, a", "dm")))
    assert (error.value.setting, "'dm-a'" in error.value.message) == ("rows", True)
    assert slug("Pixel MMD (rbf)") == "pixel-mmd-rbf"


# -- published numbers


def test_row_restricted_to_some_ipc(tmp_path):
    settings = replace(SETTINGS, ipc=(1, 2), seeds=1, rows=(TableRow("Random", "random"), TableRow("DM, longer", DM, ipc=(2,))))
    assert [job.name for job in table_jobs(settings)] == ["random-ipc1-seed0", "random-ipc2-seed0", "dm-longer-ipc2-seed0"]
    assert [(cell.method, cell.ipc) for cell in cells_in(settings, tmp_path)] == [("Random", 1), ("Random", 2), ("DM, longer", 2)]


def test_row_with_its_own_number_of_seeds(tmp_path):
    settings = replace(SETTINGS, seeds=1, rows=(TableRow("Random", "random", seeds=3), TableRow("DM", DM)))
    assert [job.name for job in table_jobs(settings)] == ["random-ipc1-seed0", "dm-ipc1-seed0", "random-ipc1-seed1", "random-ipc1-seed2"]
    assert [cell.count_text for cell in cells_in(settings, tmp_path)] == ["0 of 3", "0 of 1"]
    with pytest.raises(CondensationError) as error:
        TableRow("Random", "random", seeds=0)
    assert error.value.setting == "rows"


def test_unpublished_settings_are_marked_as_defaults():
    (herding,) = rows_for(["herding"])
    longer = replace(herding, method={"name": "herding", "recipe": {"epochs": 40}})
    (cell,) = [entry for entry in cells_in(replace(CIFAR, ipc=(10,), rows=(longer,)), Path("nowhere")) if entry.published]
    assert cell.differences == ("method.recipe.epochs 40 (not published; by default 10)",)


def test_row_with_an_ipc_that_the_table_lacks_raises():
    with pytest.raises(CondensationError) as error:
        replace(SETTINGS, rows=(TableRow("DM", DM, ipc=(1, 5)),))
    assert error.value.setting == "rows"


def test_matching_published_column_of_each_row():
    bare = TableRow("bare", "random", {"recipe": {"augmentation": "none"}})
    rows = {row.label: column_of(CIFAR, row, 1) for row in (*CIFAR.rows, bare, TableRow("none", "dm", published="none"))}
    assert rows == {"Random": "random", "Random, DSA": "random-dsa", "DM": "dm", "bare": "random", "none": None}


def test_an_unknown_column_is_named():
    with pytest.raises(CondensationError) as error:
        column_of(CIFAR, TableRow("x", "dm", published="dn"), 1)
    assert error.value.setting == "rows"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_published_settings_have_no_differences(place):
    row = CIFAR.rows[place]
    column = column_of(CIFAR, row, 10)
    assert differences(row_run(CIFAR, row, 10, 0), published_run(CIFAR, column, 10)) == ()


def test_differences_are_listed_setting_by_setting():
    (dm,), _ = with_overrides(CIFAR.rows[2:], ["dm.steps=500", "dm.networks.spec.width=64", "dm.augmentation=none"], TableSettings)
    ours = replace(CIFAR, rows=(dm,), networks=3, epochs=300, data={"source": "cifar10", "preprocessing": "zca"})
    assert differences(row_run(ours, dm, 10, 0), published_run(ours, "dm", 10)) == (
        "method.steps 500 (published: 20,000)",
        "method.networks.spec.width 64 (published: 128)",
        "method.augmentation none (published: dsa)",
        "data.preprocessing zca (published: published)",
        "evaluation.networks 3 (published: 20)",
        "evaluation.recipe.epochs 300 (published: 1,000)",
    )


def test_differences_common_to_all_rows_share_one_sign(tmp_path):
    ours = replace(CIFAR, rows=with_overrides(CIFAR.rows, ["dm.steps=500"], TableSettings)[0], seeds=1)
    more = TableRow("DM, less", {"name": "dm", "steps": 500, "batch_per_class": 8})
    ours = replace(ours, rows=(*ours.rows, more))
    result = cells_in(ours, tmp_path)
    assert [signs_of(cell, difference_signs(result)) for cell in result] == ["*", "*", "* a", "* b"] * 2
    assert difference_signs(result) == {
        "*": ("seeds 1 (published: 5)",),
        "a": ("method.steps 500 (published: 20,000)",),
        "b": ("method.steps 500 (published: 20,000)", "method.batch_per_class 8 (published: 256)"),
    }


# -- running


def test_all_cells_of_a_seed_run_before_the_next_seed():
    assert [job.name for job in table_jobs(SETTINGS)] == ["random-ipc1-seed0", "dm-ipc1-seed0", "random-ipc1-seed1", "dm-ipc1-seed1"]


def test_every_job_is_a_run_folder(finished):
    for job in table_jobs(SETTINGS):
        condensed = CondensedSet.load(finished / "runs" / job.name)
        assert len(condensed.images) == 10
        assert condensed.card["settings"]["seed"] == job.settings.seed


def test_a_finished_table_is_not_done_again(finished):
    before, seen = work_of(finished), []
    watch = Watch(lambda number, count, job, status: seen.append((number, count, status)), [never], never)
    assert TABLE.run(SETTINGS, finished, watch) == {}
    assert work_of(finished) == before
    assert seen == [(number, 4, "finished") for number in (1, 2, 3, 4)]


@pytest.mark.parametrize("step", [0, 2])
def test_interrupted_table_resumes_to_the_same_results(finished, tmp_path, step):
    def stop(moment):
        if moment.steps and moment.step == step:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        TABLE.run(SETTINGS, tmp_path / "t", Watch(observers=[stop]))
    assert cells_in(SETTINGS, tmp_path / "t")[0].count_text == "1 of 2 x 2"
    first = work_of(tmp_path / "t" / "runs" / "random-ipc1-seed0")
    states, steps = [], []
    watch = Watch(lambda number, count, job, status: states.append(status), [lambda moment: steps.append(moment.step)])
    TABLE.run(SETTINGS, tmp_path / "t", watch)
    assert states == ["finished", "begun", "to do", "to do"]
    assert steps[0] == step
    assert work_of(tmp_path / "t" / "runs" / "random-ipc1-seed0") == first
    assert results(tmp_path / "t") == results(finished)


def test_table_interrupted_during_evaluation_resumes(finished, tmp_path):
    def stop(done, total):
        raise Stopped("enough")

    with pytest.raises(Stopped):
        TABLE.run(SETTINGS, tmp_path / "t", Watch(on_progress=stop))
    TABLE.run(SETTINGS, tmp_path / "t")
    assert results(tmp_path / "t") == results(finished)


def test_a_job_that_fails_does_not_stop_the_others(tmp_path):
    broken = replace(SETTINGS, seeds=1, rows=(TableRow("too much", {**DM, "lr": 1e30}), *SETTINGS.rows))
    failed = TABLE.run(broken, tmp_path / "t")
    assert list(failed) == ["too-much-ipc1-seed0"]
    assert "was not a finite number" in failed["too-much-ipc1-seed0"].reason
    result = cells_in(broken, tmp_path / "t")
    assert [str(cell) == "failed" for cell in result] == [True, False, False]
    assert "too-much-ipc1-seed0 failed: The loss" in (tmp_path / "t" / "table.md").read_text()


@pytest.mark.parametrize(
    ("error", "reason"),
    [(MemoryError(), "out of memory"), (RuntimeError("no\nway"), "RuntimeError: no way"), (CondensationError("a\nb"), "a")],
)
def test_failed_jobs_are_tried_again(tmp_path, monkeypatch, error, reason):
    real = jobs.run

    def fails(settings, place, **options):
        if place.name == "dm-ipc1-seed0":
            raise error
        return real(settings, place, **options)

    monkeypatch.setattr(jobs, "run", fails)
    once = replace(SETTINGS, seeds=1)
    assert TABLE.run(once, tmp_path / "t")["dm-ipc1-seed0"].reason == reason
    assert jobs.state(table_jobs(once)[1], tmp_path / "t" / "runs", failures_in(tmp_path / "t" / "runs")) == "failed"
    monkeypatch.undo()
    assert TABLE.run(once, tmp_path / "t") == {}
    assert all(cell.done and not cell.failed for cell in cells_in(once, tmp_path / "t"))


def test_more_seeds_are_added(finished, tmp_path):
    TABLE.run(replace(SETTINGS, seeds=1), tmp_path / "t")
    before = work_of(tmp_path / "t")
    TABLE.run(SETTINGS, tmp_path / "t")
    assert before.items() <= work_of(tmp_path / "t").items()
    assert results(tmp_path / "t") == results(finished)


def test_other_settings_in_the_same_folder_raise_before_the_work(finished):
    before = work_of(finished)
    other = replace(SETTINGS, rows=(SETTINGS.rows[0], TableRow("DM", {**DM, "lr": 2.0})), seeds=3)
    with pytest.raises(CondensationError, match=r"dm-ipc1-seed0 holds another run: method\.lr is 1\.0 there, 2\.0 here"):
        TABLE.run(other, finished)
    assert work_of(finished) == before
    assert TABLE.settings_in(finished) == SETTINGS


@pytest.mark.parametrize("change", [{"ipc": (1, 500)}, {"evaluation": {"network": {"name": "convnet", "depth": 9}}}])
def test_settings_that_do_not_fit_raise_before_the_work(tmp_path, change):
    with pytest.raises(CondensationError):
        TABLE.run(replace(SETTINGS, **change), tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_foreign_folder_raises(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(CondensationError) as error:
        TABLE.run(SETTINGS, tmp_path)
    assert TableSettings.noun in error.value.message
    with pytest.raises(CondensationError) as error:
        TABLE.run(SETTINGS, tmp_path / "thesis.tex")
    assert str(tmp_path / "thesis.tex") in error.value.message


# -- what is written


def test_a_cell_counts_every_network_of_every_set(finished):
    cell = cells_in(SETTINGS, finished)[1]
    scores = [json.loads((finished / "runs" / f"dm-ipc1-seed{seed}" / "scores.json").read_text()) for seed in (0, 1)]
    values = np.array([content["sets"]["dm"]["values"][0] for content in scores])
    assert values.shape == (2, 2)
    assert (cell.mean, cell.deviation) == (pytest.approx(values.mean()), pytest.approx(values.std()))
    assert cell.deviation_between_sets == pytest.approx(values.mean(1).std())
    assert cell.count_text == "2 x 2"


def test_sets_of_other_seeds_are_other_sets(finished):
    for name in ("random", "dm"):
        first, second = ((finished / "runs" / f"{name}-ipc1-seed{seed}" / "set.safetensors").read_bytes() for seed in (0, 1))
        assert first != second


def test_table_is_written_as_json_markdown_and_png(finished):
    kept = json.loads((finished / "table.json").read_text())
    assert [(cell["method"], cell["count"], cell["runs"]) for cell in kept["cells"]] == [
        ("Random", 4, ["random-ipc1-seed0", "random-ipc1-seed1"]),
        ("DM", 4, ["dm-ipc1-seed0", "dm-ipc1-seed1"]),
    ]
    assert kept["machine"]["threads"] == 1
    text = (finished / "table.md").read_text()
    cell = cells_in(SETTINGS, finished)[1]
    assert f"| 1 | DM | {cell} | 2 x 2 | - |  |  |" in text
    assert (finished / "table.png").read_bytes().startswith(b"\x89PNG")


def test_writing_again_gives_the_same_bytes(finished):
    names = ("table.json", "table.md", "table.png")
    before = [(finished / name).read_bytes() for name in names]
    write_report(TABLE.read(finished), finished)
    assert [(finished / name).read_bytes() for name in names] == before


def test_each_part_of_a_job_is_reported_as_what_it_is(tmp_path):
    pytest.importorskip("dp_accounting")
    private = {**DM, "privacy": {"epsilon": 8.0, "networks": 2}}
    trained = {**DM, "networks": {"name": "trained", "networks": 1, "epochs": 1, "spec": SMALL}}
    parts = []

    def receiver(part):
        return lambda done, total: parts.append((part, total))

    watch = Watch(on_progress=receiver("epochs"), on_training=receiver("training"), on_releasing=receiver("images"))
    rows = (TableRow("private", private, published="none"), TableRow("trained", trained, published="none"))
    data = {"source": "digits", "preprocessing": "centered"}
    assert TABLE.run(replace(SETTINGS, rows=rows, data=data, seeds=1), tmp_path / "table", watch) == {}
    assert ("images", 2 * 1_438) in parts
    assert {part for part, _ in parts} == {"epochs", "training", "images"}


def test_private_sets_of_all_sizes_come_from_one_release(tmp_path):
    pytest.importorskip("dp_accounting")

    def row(epsilon, **settings):
        return TableRow(f"{epsilon} {settings}", {**DM, "privacy": {"epsilon": epsilon, "networks": 2}, **settings}, published="none")

    rows = (row(8.0), row(8.0, lr=2.0), row(9.0))
    data = {"source": "digits", "preprocessing": "centered"}
    assert TABLE.run(replace(SETTINGS, rows=rows, data=data, ipc=(1, 2)), tmp_path / "table") == {}
    releases = {path.parent.name: path.read_bytes() for path in (tmp_path / "table").rglob("release.safetensors")}
    assert len(releases) == 12
    assert len(set(releases.values())) == 4, "one for each epsilon and seed"
    assert len({content for name, content in releases.items() if name.endswith("seed0")}) == 2
