"""What studies train beside their runs."""

from dataclasses import replace

import pytest

from condensation import Compute, ConvNet, DataSettings, EvaluationSettings, Recipe, load
from condensation.studies.continual.study import ContinualSettings
from condensation.studies.estimate import plan_study, trainings
from condensation.studies.nas.proxies import SearchSettings, proxies_for
from condensation.studies.nas.search_space import Space
from condensation.studies.pools.study import PoolsSettings
from condensation.studies.registry import TABLE
from condensation.studies.table.study import TableRow, TableSettings
from condensation.studies.theory.study import TheorySettings
from condensation.studies.transfer.study import TransferSettings
from condensation.training.pool_trainer import PoolRecipe

EVALUATION = EvaluationSettings(2, ConvNet(width=4), Recipe(epochs=3))
SPACE = Space(width=(4,), depth=(1, 2), norm=("none",), activation=("relu",), pooling=("none", "avg"))


@pytest.fixture(scope="module")
def data():
    return load("digits")


def test_each_study_counts_its_trainings(data):
    """The number of networks and of images per epoch follow from the settings."""
    count = len(data.train)

    def numbers(settings):
        return [(each.networks, each.images, each.recipe.epochs) for each in trainings(settings, data)]

    two = (ConvNet(width=4), ConvNet(width=5))
    transfer = TransferSettings(data="digits", learn=two, test=two, ipc=3, seeds=2, evaluation=EVALUATION)
    assert numbers(transfer) == [(3 * 2 * 2, 30, 3)] * 2  # two networks and random images
    continual = ContinualSettings(data="digits", methods={"random": "random"}, steps=5, ipc=2, orders=3, evaluation=EVALUATION)
    assert numbers(continual) == [(3 * 1 * 5 * 2, 12, 3)]  # 4, 8, 12, 16 and 20 images
    search = SearchSettings(proxies_for(["random", "early-stopping"]), data="digits", space=SPACE, ipc=2, trainings=3, recipe=Recipe(7))
    assert numbers(replace(search, whole_epochs=9)) == [(4 * 3 * 2, 20, 7), (4 * 3, count, 9)]
    assert numbers(PoolsSettings(data="digits", pool=PoolRecipe(networks=4, recipe=Recipe(epochs=2)))) == [(4, count, 2)]
    assert numbers(TheorySettings(DataSettings("digits"), networks=3, epochs=(0, 2, 5))) == [(3, count, 5)]


def test_runs_that_are_finished_take_no_time(tmp_path):
    settings = TableSettings((TableRow("Random", "random"),), data="digits", ipc=(1,), seeds=2, networks=1, epochs=1)
    settings = replace(settings, compute=Compute("cpu", "float32", compile="never"))
    (part,) = plan_study(TABLE, settings, tmp_path).parts
    assert part[0] == "2 runs"
    assert part[1] > 0
    assert not list(tmp_path.iterdir())
    TABLE.run(settings, tmp_path)
    assert plan_study(TABLE, settings, tmp_path).parts == ()
