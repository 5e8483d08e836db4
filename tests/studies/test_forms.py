"""Studies with a form: budgets count stored images, and networks are trained on decoded ones."""

import json

import pytest

from condensation.artifacts.condensed_set import CondensedSet
from condensation.core.compute import Compute
from condensation.core.form import Frequencies, Tiles
from condensation.evaluation.compare import EvaluationSettings
from condensation.networks.convnet import ConvNet
from condensation.studies.continual.study import ContinualSettings
from condensation.studies.nas.proxies import SearchSettings
from condensation.studies.nas.search_space import Space
from condensation.studies.registry import CONTINUAL, NAS, TABLE, TRANSFER
from condensation.studies.table.study import NamedMethod, TableRow, TableSettings
from condensation.studies.transfer.study import TransferSettings
from condensation.training import train
from condensation.training.train import Recipe

METHOD = {"name": "random", "form": {"name": "tiles", "factor": 2}}
DM = {"name": "dm", "steps": 1, "batch_per_class": 2, "form": "tiles"}
CPU = Compute("cpu", "float32", compile="never")
SMALL = ConvNet(width=4)
EVALUATION = EvaluationSettings(1, SMALL, Recipe(epochs=1))


@pytest.fixture
def trained_on(monkeypatch):
    """Return a list that receives the number of images of each epoch of training."""
    counts, original = [], train.train_epoch

    def train_epoch(models, sets, *more):
        counts.append(len(sets[0]))
        return original(models, sets, *more)

    monkeypatch.setattr(train, "train_epoch", train_epoch)
    return counts


def stored_in(folder):
    """Return the form and the number of stored images of each set in ``folder``."""
    sets = [CondensedSet.load(path).images for path in folder.rglob("set.safetensors")]
    return [(images.form, len(images)) for images in sets]


def test_memories_of_continual_learning(tmp_path, trained_on):
    settings = ContinualSettings(data="digits", methods={"tiles": METHOD}, steps=2, ipc=2, orders=1, evaluation=EVALUATION, compute=CPU)
    assert CONTINUAL.run(settings, tmp_path / "out") == {}
    assert stored_in(tmp_path / "out") == [(Tiles(2), 10)] * 2  # 5 classes per step
    assert trained_on == [40, 80]


def test_memories_of_data_sets_in_sequence(tmp_path, trained_on):
    settings = ContinualSettings(
        tasks=("digits", "fashion-mini"), data={"size": 8}, methods={"tiles": METHOD}, ipc=1, orders=1, evaluation=EVALUATION, compute=CPU
    )
    assert CONTINUAL.run(settings, tmp_path / "out") == {}
    assert trained_on == [40, 80]


def test_transfer(tmp_path, trained_on):
    settings = TransferSettings(data="digits", method=DM, learn=(SMALL,), test=(SMALL,), ipc=1, seeds=1, evaluation=EVALUATION, compute=CPU)
    assert TRANSFER.run(settings, tmp_path / "out") == {}
    assert (Tiles(2), 10) in stored_in(tmp_path / "out")
    assert 40 in trained_on


def test_a_table(tmp_path, trained_on):
    rows = (TableRow("Tiles", METHOD),)
    settings = TableSettings(
        rows, data="digits", ipc=(1,), seeds=1, networks=1, epochs=1, evaluation={"network": {"name": "convnet", "width": 4}}, compute=CPU
    )
    assert TABLE.run(settings, tmp_path / "out") == {}
    assert stored_in(tmp_path / "out") == [(Tiles(2), 10)]
    assert set(trained_on) == {40}


def test_a_proxy_of_architecture_search(tmp_path, trained_on):
    settings = SearchSettings(
        (NamedMethod("Frequencies", {"name": "random", "form": {"name": "frequencies", "count": 4}}),),
        data="digits",
        space=Space(width=(4,), depth=(1,), norm=("instance", "none"), activation=("relu",), pooling=("avg",)),
        ipc=1,
        recipe=Recipe(epochs=1),
        whole_epochs=1,
        compute=CPU,
    )
    assert NAS.run(settings, tmp_path / "out") == {}
    assert stored_in(tmp_path / "out") == [(Frequencies(4), 10)]
    assert trained_on.count(40) == 2 * settings.trainings  # two networks
    assert json.loads(next((tmp_path / "out" / "networks").glob("w*.json")).read_text())["trained"]
