"""Settings of networks that would take all memory, or never end, are refused from their size alone."""

import pytest

from condensation.core.errors import CondensationError, NotEnoughMemory
from condensation.core.rng import Rng
from condensation.evaluation.compare import EvaluationSettings
from condensation.methods.dm import DM
from condensation.networks.convnet import ConvNet
from condensation.networks.mlp import MLP
from condensation.training.train import Recipe


@pytest.mark.parametrize("spec", [ConvNet(width=100_000), ConvNet(width=10**9), MLP(width=10**7)])
def test_weights_that_do_not_fit_are_refused_before_they_are_made(spec):
    with pytest.raises(NotEnoughMemory, match=str(spec.width)):
        spec.build((3, 32, 32), 10, Rng(0))


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: ConvNet(depth=10_000, pooling="none"), "network.depth"),
        (lambda: ConvNet(width=10**12), "network.width"),
        (lambda: DM(lr=1e308), "method.lr"),
        (lambda: DM(lr=float("nan")), "method.lr"),
        (lambda: DM(lr=float("inf")), "method.lr"),
        (lambda: DM(lr=-1.0), "method.lr"),
        (lambda: DM(steps=10**30), "method.steps"),
        (lambda: DM(batch_per_class=10**12), "method.batch_per_class"),
        (lambda: Recipe(epochs=10**12), "recipe.epochs"),
        (lambda: Recipe(batch=10**12), "recipe.batch"),
        (lambda: EvaluationSettings(networks=10**9), "evaluation.networks"),
    ],
)
def test_numbers_out_of_range_name_their_setting(make, setting):
    with pytest.raises(CondensationError) as refused:
        make()
    assert refused.value.setting == setting
