"""Networks that are trained before the first step and found again in the cache."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from condensation import Checkpoint, Compute, CondensationError, ConvNet, Rng, Stopped, condense
from condensation.config.build import from_dict
from condensation.core.plain import to_dict
from condensation.methods.base import Method
from condensation.methods.best_of import BestOf
from condensation.networks.pool_store import PoolStore
from condensation.networks.samplers import Between, Pool
from condensation.training.train import Recipe
from condensation.training.trained import Trained
from tests.small import CPU, dm, images

COMPUTE = Compute(**CPU)  # type: ignore[arg-type]
SAMPLER = Trained(networks=2, epochs=2, spec=ConvNet(width=6))
METHOD = dm(networks=SAMPLER, calibration=0.5, steps=3)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONDENSATION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "networks"


def test_networks_are_trained_once_and_found_again(cache: Path) -> None:
    seen: list[tuple[int, int]] = []
    first = condense(METHOD, images(), 2, compute=COMPUTE, on_training=lambda done, total: seen.append((done, total)))
    (folder,) = cache.iterdir()
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1] == 2 * SAMPLER.recipe.total_batches(images().take(torch.arange(30)))
    seen.clear()
    again = condense(METHOD, images(), 2, compute=COMPUTE, on_training=lambda done, total: seen.append((done, total)))
    assert not seen
    assert torch.equal(first.images, again.images)
    pool = PoolStore.open(folder)
    assert pool.record.networks == 2
    made = condense(dm(networks=Pool(str(folder), "0+", ConvNet(width=6)), calibration=0.5, steps=3), images(), 2, compute=COMPUTE)
    assert torch.equal(first.images, made.images)


def test_other_data_get_other_networks(cache: Path) -> None:
    for seed in (0, 1):
        condense(METHOD, images(seed=seed), 2, compute=COMPUTE)
    assert len(list(cache.iterdir())) == 2


def test_without_a_cache_they_are_trained_in_a_temporary_folder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = condense(METHOD, images(), 2, compute=COMPUTE)
    monkeypatch.setenv("CONDENSATION_CACHE", "none")
    assert torch.equal(condense(METHOD, images(), 2, compute=COMPUTE).images, expected.images)


def test_a_run_is_resumed_with_the_same_networks(tmp_path: Path) -> None:
    def stop(info: object) -> None:
        if info.step == 2:  # type: ignore[attr-defined]
            raise Stopped("enough")

    unbroken = condense(METHOD, images(), 2, compute=COMPUTE)
    with pytest.raises(Stopped):
        condense(METHOD, images(), 2, compute=COMPUTE, observers=[stop], checkpoint=Checkpoint(tmp_path / "c"))
    assert torch.equal(condense(METHOD, images(), 2, compute=COMPUTE, checkpoint=Checkpoint(tmp_path / "c")).images, unbroken.images)


def test_a_stop_during_training_is_before_the_first_step_and_training_goes_on() -> None:
    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise Stopped("enough")

    with pytest.raises(Stopped) as stopped:
        condense(METHOD, images(), 2, compute=COMPUTE, on_training=stop)
    assert stopped.value.step == 0
    seen: list[int] = []
    condense(METHOD, images(), 2, compute=COMPUTE, on_training=lambda done, total: seen.append(done))
    assert seen[0] >= SAMPLER.recipe.total_batches(images().take(torch.arange(30)))  # the first network is not trained again


def test_the_first_snapshot_is_after_a_quarter_epoch() -> None:
    sampler = SAMPLER.prepared(images(per_class=400, shape=(1, 8, 8)), COMPUTE)
    assert isinstance(sampler, Pool)
    batches = SAMPLER.recipe.total_batches(images(per_class=360, shape=(1, 8, 8)))
    steps = sorted({snapshot.step for snapshot in sampler.store.snapshots()})
    assert steps[0] >= batches // 8
    assert steps[-1] == batches


def test_weights_between_the_ends_are_drawn_on_request() -> None:
    sampler = Trained(networks=1, epochs=1, draw="between", spec=ConvNet(width=6)).prepared(images(), COMPUTE)
    assert isinstance(sampler, Between)


def test_other_methods_train_networks_too() -> None:
    best: Method = BestOf(METHOD, sets=2, mixtures=2, eval_per_class=5, eval_network=ConvNet(width=4), recipe=Recipe(epochs=2))
    assert condense(best, images(), 2, compute=COMPUTE).images.isfinite().all()


def test_untrained_networks_are_never_drawn() -> None:
    network = SAMPLER.network((3, 16, 16), 3, "cpu")
    with pytest.raises(CondensationError):
        SAMPLER.redraw(network, Rng(0))


def test_settings_name_them() -> None:
    assert from_dict(Method, to_dict(METHOD)) == METHOD
    with pytest.raises(CondensationError) as raised:
        Trained(epochs=0)
    assert raised.value.setting == "method.networks.epochs"
