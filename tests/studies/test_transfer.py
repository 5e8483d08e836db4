import json
from dataclasses import replace

import numpy as np
import pytest

from condensation.artifacts.condensed_set import CondensedSet
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.form import Tiles
from condensation.core.plain import to_dict
from condensation.evaluation.compare import EvaluationSettings
from condensation.methods.step_info import Stopped
from condensation.networks.convnet import ConvNet
from condensation.networks.mlp import MLP
from condensation.studies.registry import TRANSFER
from condensation.studies.study import write_report
from condensation.studies.tasks import Watch
from condensation.studies.transfer import study as transfer
from condensation.studies.transfer.report import TransferCell, below_random, matrix_in, transfer_lines, transfer_notes
from condensation.studies.transfer.study import LEARN, TransferSettings, transfer_jobs, transfer_rows
from condensation.training.train import Recipe
from tests.studies.stopping import stop_at

CONV, MLP8 = ConvNet(width=8), MLP(width=8)
SETTINGS = TransferSettings(
    data="digits",
    method={"name": "dm", "steps": 3, "batch_per_class": 4},
    learn=(CONV, MLP8),
    test=(MLP8, CONV),
    ipc=1,
    seeds=2,
    evaluation=EvaluationSettings(2, recipe=Recipe(epochs=2)),
    compute=Compute("cpu", "float32", compile="never"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "transfer"
    assert TRANSFER.run(SETTINGS, folder) == {}
    return folder


def results(folder):
    kept = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("set.safetensors")}
    for path in (folder / "cells").glob("*.json"):
        kept[path.name] = [score["values"] for score in json.loads(path.read_text())["sets"].values()]
    return kept


def work_of(folder):
    return {path: path.stat().st_mtime_ns for path in [*folder.rglob("*.safetensors"), *folder.glob("cells/*")]}


def never(*_):
    raise AssertionError("work was done")


def test_settings_come_back_from_json():
    assert from_dict(TransferSettings, json.loads(json.dumps(to_dict(SETTINGS)))) == SETTINGS


def test_random_images_are_the_first_row():
    assert [row.label for row in transfer_rows(SETTINGS)] == ["random", "convnet, width 8", "mlp, width 8"]


@pytest.mark.parametrize("method", ["dm", "random"])
def test_random_images_have_the_form_of_the_method(method):
    rows = transfer_rows(TransferSettings(method={"name": method, "form": "tiles"}, learn=(CONV,) if method == "dm" else ()))
    assert [row.method.form for row in rows] == [Tiles()] * (2 if method == "dm" else 1)


def test_random_images_have_the_form_of_the_best_of_several():
    method = {"name": "best-of", "of": {"name": "dm", "form": "tiles"}}
    assert transfer_rows(TransferSettings(method=method, learn=(CONV,)))[0].method.form == Tiles()


def test_default_networks_to_learn_on():
    rows = transfer_rows(replace(SETTINGS, learn=()))
    assert [row.method.networks.spec for row in rows[1:]] == list(LEARN)


def test_a_rate_suits_the_network_unless_one_is_given():
    assert [row.method.lr for row in transfer_rows(replace(SETTINGS, learn=(), ipc=10))[1:]] == pytest.approx([4.0, 4.0, 4.0, 0.04])
    given = replace(SETTINGS, learn=(), method={"name": "dm", "lr": 2.0})
    assert [row.method.lr for row in transfer_rows(given)[1:]] == [2.0] * 4


def test_a_method_that_learns_on_no_network_has_one_row():
    assert [row.label for row in transfer_rows(replace(SETTINGS, method="random", learn=()))] == ["random"]
    with pytest.raises(CondensationError) as error:
        transfer_rows(replace(SETTINGS, method="random"))
    assert error.value.setting == "learn"


@pytest.mark.parametrize("change", [{"seeds": 0}, {"test": ()}, {"test": (CONV, CONV)}, {"evaluation": EvaluationSettings(0)}])
def test_empty_matrix_raises(change):
    with pytest.raises(CondensationError):
        replace(SETTINGS, **change)


def test_sets_are_run_folders(finished):
    jobs = transfer_jobs(SETTINGS)
    assert len(jobs) == 6
    for job in jobs:
        card = CondensedSet.load(finished / "sets" / job.name).card
        assert from_dict(type(job.settings), card["settings"]).method == job.settings.method


def test_a_cell_counts_every_network_of_every_set(finished):
    cell = matrix_in(SETTINGS, finished)[1][0]
    kept = [json.loads((finished / "cells" / f"convnet-width-8-seed{seed}-on-mlp-width-8.json").read_text()) for seed in (0, 1)]
    values = np.array([entry["sets"]["convnet, width 8"]["values"][0] for entry in kept])
    assert values.shape == (2, 2)
    assert (cell.mean, cell.deviation) == (pytest.approx(values.mean()), pytest.approx(values.std()))
    assert all(entry["evaluation"]["network"]["name"] == "mlp" for entry in kept)


def test_a_finished_matrix_is_not_done_again(finished):
    before, seen = work_of(finished), []
    assert TRANSFER.run(SETTINGS, finished, Watch(lambda *event: seen.append(event), [never], never)) == {}
    assert work_of(finished) == before
    assert [(number, count, status) for number, count, _, status in seen] == [(number, 18, "finished") for number in range(1, 19)]


@pytest.mark.parametrize("epochs", [5, pytest.param(1, marks=pytest.mark.slow), pytest.param(21, marks=pytest.mark.slow)])
def test_interrupted_matrix_resumes_to_the_same_scores(finished, tmp_path, epochs):
    stop = stop_at(epochs)
    with pytest.raises(Stopped):
        TRANSFER.run(SETTINGS, tmp_path / "t", Watch(on_progress=stop))
    before = work_of(tmp_path / "t")
    TRANSFER.run(SETTINGS, tmp_path / "t")
    assert before.items() <= work_of(tmp_path / "t").items()
    assert results(tmp_path / "t") == results(finished)


def test_more_networks_are_added(finished, tmp_path):
    TRANSFER.run(replace(SETTINGS, learn=(CONV,), test=(CONV,), seeds=1), tmp_path / "t")
    before = work_of(tmp_path / "t")
    TRANSFER.run(SETTINGS, tmp_path / "t")
    assert before.items() <= work_of(tmp_path / "t").items()
    assert results(tmp_path / "t") == results(finished)


def test_another_evaluation_in_the_same_folder_raises(finished):
    with pytest.raises(CondensationError, match=r"holds another transfer matrix: evaluation\.networks is 2 there, 3 here"):
        TRANSFER.run(replace(SETTINGS, evaluation=replace(SETTINGS.evaluation, networks=3)), finished)
    assert TRANSFER.settings_in(finished) == SETTINGS


def test_foreign_folder_raises(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(CondensationError) as error:
        TRANSFER.run(SETTINGS, tmp_path)
    assert TransferSettings.noun in error.value.message


@pytest.mark.parametrize("change", ["learn", "test"])
def test_a_network_that_does_not_fit_raises_before_the_work(tmp_path, change):
    with pytest.raises(CondensationError) as caught:
        TRANSFER.run(replace(SETTINGS, **{change: (ConvNet(depth=9),)}), tmp_path / "t")
    assert caught.value.setting == "network.depth"
    assert not (tmp_path / "t").exists()


def test_a_cell_that_fails_does_not_stop_the_others(tmp_path, monkeypatch):
    real = transfer.compare

    def fails(entries, data, evaluation, *others):
        if evaluation.network == CONV and entries[0].name == "random":
            raise MemoryError
        return real(entries, data, evaluation, *others)

    monkeypatch.setattr(transfer, "compare", fails)
    once = replace(SETTINGS, seeds=1)
    assert list(TRANSFER.run(once, tmp_path / "t")) == ["random-seed0-on-convnet-width-8"]
    result = matrix_in(once, tmp_path / "t")
    assert [[str(cell) == "failed" for cell in row] for row in result] == [[False, True], [False, False], [False, False]]
    assert "random-seed0-on-convnet-width-8 failed: out of memory" in (tmp_path / "t" / "transfer.md").read_text()
    monkeypatch.undo()
    assert TRANSFER.run(once, tmp_path / "t") == {}


def test_a_set_that_fails_has_no_cells(tmp_path):
    broken = replace(SETTINGS, seeds=1, method={**SETTINGS.method, "lr": 1e30})
    assert set(TRANSFER.run(broken, tmp_path / "t")) == {"convnet-width-8-seed0", "mlp-width-8-seed0"}
    result = matrix_in(broken, tmp_path / "t")
    assert [str(cell) for row in result[1:] for cell in row] == ["failed"] * 4


def test_cells_below_random_images_are_marked_with_advice():
    random = [
        TransferCell(learned="random", tested="a", values=((50.0, 52.0),), sets=1),
        TransferCell(learned="random", tested="b", values=((50.0,),), sets=1),
    ]
    learned = [
        TransferCell(learned="convnet, width 8", tested="a", values=((40.0,),), sets=1),
        TransferCell(learned="convnet, width 8", tested="b", values=((60.0,),), sets=1),
    ]
    other = [
        TransferCell(learned="mlp, width 8", tested="a", values=((51.5,),), sets=1),
        TransferCell(learned="mlp, width 8", tested="b", values=(), sets=1),
    ]
    result = [random, learned, other]
    assert below_random(result) == {"convnet, width 8": ["a"]}
    assert transfer_lines(result)[1] == ("convnet, width 8", "40.0 ↓", "60.0")
    message = transfer_notes(SETTINGS, result)
    assert "↓ learned on convnet, width 8: below random images on a. To try, one by one:" in message
    assert any(line.startswith("  method.lr=") for line in message)


def test_matrix_is_written_as_json_markdown_and_png(finished):
    kept = json.loads((finished / "transfer.json").read_text())
    assert [(cell["learned"], cell["tested"], cell["count"]) for cell in kept["cells"][:3]] == [
        ("random", "mlp, width 8", 4),
        ("random", "convnet, width 8", 4),
        ("convnet, width 8", "mlp, width 8", 4),
    ]
    assert "| learned on | mlp, width 8 | convnet, width 8 |" in (finished / "transfer.md").read_text()
    names = ("transfer.json", "transfer.md", "transfer.png")
    before = [(finished / name).read_bytes() for name in names]
    assert before[2].startswith(b"\x89PNG")
    write_report(TRANSFER.read(finished), finished)
    assert [(finished / name).read_bytes() for name in names] == before
