import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from condensation import Compute, CondensationError, ConvNet, PoolRecipe, Recipe, Rng, Stopped, make_pool
from condensation.config.build import from_dict
from condensation.core.plain import to_dict
from condensation.core.tensor_files import to_tensors, unpack
from condensation.networks.pool_store import PoolStore, Snapshot, parse_bucket
from condensation.training.make_pool import held_out
from condensation.training.pool_trainer import PoolTrainer, Reservoir
from condensation.training.stacked import SingleModel
from condensation.training.train import class_accuracies, train
from tests.small import CPU, images

SPEC = ConvNet(width=8)
COMPUTE = Compute(**CPU)
SETTINGS = PoolRecipe(networks=3, recipe=Recipe(epochs=4, lr=0.02, batch=16, augmentation=None), validation=0.25, bounds=(0, 50, 90))


@pytest.fixture(scope="module")
def real():
    return images(per_class=[16, 20, 24])


@pytest.fixture(scope="module")
def made(real, tmp_path_factory):
    return make_pool(SPEC, real, tmp_path_factory.mktemp("made") / "pool", SETTINGS, compute=COMPUTE)


def files(store):
    return {path.name: path.read_bytes() for path in sorted(store.folder.rglob("*.safetensors"))}


def steps_of(store):
    return [snapshot.step for snapshot in store.snapshots()]


def snapshots_of(model, training, validation, settings, number):
    """The kept snapshots of one network."""
    trainer = PoolTrainer(model, training, validation, settings, number, chunk=100)
    for _ in range(settings.recipe.epochs):
        trainer.epoch()
    return trainer.finish()


def parts(real, settings=SETTINGS):
    return held_out(real, settings.validation, Rng(settings.seed).child("validation"))


def test_settings_come_back_from_json():
    assert from_dict(PoolRecipe, json.loads(json.dumps(to_dict(SETTINGS)))) == SETTINGS


@pytest.mark.parametrize(
    "change",
    [{"networks": 0}, {"per_bucket": 0}, {"validation": 0.0}, {"validation": 1.0}, {"growth": 1.0}, {"bounds": ()}, {"bounds": (20, 10)}],
)
def test_invalid_pool_settings_are_named(change):
    (name,) = change
    with pytest.raises(CondensationError) as raised:
        replace(SETTINGS, **change)
    assert raised.value.setting == f"pool.{name}"


def test_evaluations_become_less_frequent_and_include_the_last_batch():
    assert sorted(PoolRecipe(growth=1.5).evaluation_steps(20)) == [1, 2, 3, 5, 8, 12, 18, 20]
    assert sorted(PoolRecipe(growth=1.01).evaluation_steps(5)) == [1, 2, 3, 4, 5]
    assert PoolRecipe().evaluation_steps(1) == {1}


# -- held-out images


def test_held_out_images_are_a_disjoint_share_of_each_class(real):
    training, validation = parts(real)
    assert validation.counts == {0: 4, 1: 5, 2: 6}
    assert training.counts == {0: 12, 1: 15, 2: 18}
    both = torch.cat([training.images, validation.images]).flatten(1)
    assert len(both.unique(dim=0)) == len(real.images.flatten(1).unique(dim=0)) == len(both)


def test_at_least_one_image_per_class_is_on_each_side():
    assert held_out(images(per_class=[2, 3, 40]), 0.01, Rng(0))[1].counts == {0: 1, 1: 1, 2: 1}
    assert held_out(images(per_class=[2, 3, 40]), 0.99, Rng(0))[0].counts == {0: 1, 1: 1, 2: 1}
    with pytest.raises(CondensationError) as raised:
        held_out(images(per_class=[2, 1, 4]), 0.5, Rng(0))
    assert "'1'" in raised.value.message


def test_held_out_images_of_a_class_do_not_depend_on_other_classes(real):
    whole, part = held_out(real, 0.25, Rng(0))[1], held_out(real.select([1]), 0.25, Rng(0))[1]
    assert torch.equal(whole.select([1]).images, part.images)


def test_validation_images_do_not_change_the_weights(real, tmp_path):
    training, validation = parts(real)
    other = replace(validation, images=255 - validation.images)
    settings = replace(SETTINGS, bounds=(0,), per_bucket=1000)  # everything is kept, whatever its accuracy
    made = [
        snapshots_of(SingleModel(SPEC.build(real.shape, 3, Rng(0))), training, snapshot, settings, 0) for snapshot in (validation, other)
    ]
    assert [snapshot.step for snapshot in made[0]] == [snapshot.step for snapshot in made[1]]
    assert all(
        torch.equal(snapshot.weights[name], two.weights[name]) for snapshot, two in zip(*made, strict=True) for name in snapshot.weights
    )
    assert [snapshot.accuracy for snapshot in made[0]] != [snapshot.accuracy for snapshot in made[1]]


# -- kept snapshots


def test_evaluation_does_not_change_training(real):
    """The last snapshot equals plain training."""
    training, validation = parts(real)
    network = SPEC.build(real.shape, 3, Rng(SETTINGS.seed).child("network", 1, "weights"))
    train(network, training, SETTINGS.recipe, Rng(SETTINGS.seed).child("network", 1, "train"))
    settings = replace(SETTINGS, bounds=(0,), per_bucket=1000)
    last = snapshots_of(SingleModel(SPEC.build(real.shape, 3, Rng(5))), training, validation, settings, 1)[-1]
    assert last.step == settings.total_batches(training) == 12
    assert all(torch.equal(last.weights[name], value) for name, value in network.state_dict().items())


def test_evaluation_does_not_change_batch_norm(real):
    spec, settings = ConvNet(width=8, norm="batch"), replace(SETTINGS, bounds=(0,), per_bucket=1000)
    training, validation = parts(real)
    often, seldom = (
        snapshots_of(SingleModel(spec.build(real.shape, 3, Rng(5))), training, validation, replace(settings, growth=growth), 0)
        for growth in (1.01, 100.0)
    )
    assert len(often) > len(seldom)
    assert all(torch.equal(often[-1].weights[name], value) for name, value in seldom[-1].weights.items())


def test_accuracies_are_those_of_the_stored_weights(made, real):
    _, validation = parts(real)
    for snapshot in made.snapshots():
        network = SPEC.build(real.shape, 3, Rng(0))
        network.load_state_dict(dict(snapshot.weights))
        per_class = class_accuracies(SingleModel(network), validation, 100)[0]
        right = sum(float(part) * count for part, count in zip(per_class, validation.counts.values(), strict=True))
        assert snapshot.accuracy == pytest.approx(100 * right / len(validation), abs=1e-3)


def test_at_most_per_bucket_snapshots_of_a_network_are_kept(made):
    for card, _ in made._cards():
        accuracies = [snapshot.accuracy for snapshot in card.snapshots]
        assert max(sum(accuracy in bucket for accuracy in accuracies) for bucket in made.buckets) <= SETTINGS.per_bucket
    assert sum(made.counts().values()) == len(made.accuracies()) == len(made.snapshots())


def test_snapshots_lie_in_their_bucket(made):
    for name in made.counts():
        assert all(snapshot.accuracy in parse_bucket(name) for snapshot in made.snapshots(parse_bucket(name)))


def test_the_reservoir_is_uniform():
    """Two of 12 snapshots are kept, each with probability 1/6."""
    settings = replace(SETTINGS, bounds=(0,), per_bucket=2)
    counts = dict.fromkeys(range(12), 0)
    for number in range(600):
        kept = Reservoir(settings, Rng(0).child(number))
        for step in counts:
            kept.offer(Snapshot(step, 50.0, {}))
        chosen = [snapshot.step for snapshot in kept.snapshots()]
        assert len(set(chosen)) == 2
        for step in chosen:
            counts[step] += 1
    assert all(70 <= count <= 130 for count in counts.values()), counts


def test_a_diverged_network_is_not_kept(real, tmp_path):
    store = make_pool(
        SPEC, real, tmp_path / "pool", replace(SETTINGS, networks=1, recipe=replace(SETTINGS.recipe, lr=1e30)), compute=COMPUTE
    )
    assert all(tensor.isfinite().all() for snapshot in store.snapshots() for tensor in snapshot.weights.values())
    assert max(steps_of(store)) < 12


# -- seeds, resuming, other settings


def test_the_seed_decides_everything(made, real, tmp_path):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    again = make_pool(SPEC, real, tmp_path / "again", SETTINGS, compute=COMPUTE)
    assert torch.equal(before, torch.get_rng_state())
    assert files(again) == files(made)
    assert again.digest() == made.digest()
    assert files(make_pool(SPEC, real, tmp_path / "other", replace(SETTINGS, seed=1), compute=COMPUTE)) != files(made)


def test_a_network_does_not_depend_on_the_number_of_networks(made, real, tmp_path):
    fewer = make_pool(SPEC, real, tmp_path / "pool", replace(SETTINGS, networks=1), compute=COMPUTE)
    assert files(fewer) == {"0.safetensors": files(made)["0.safetensors"]}


@pytest.mark.parametrize("batch", [1, 20])
def test_an_interrupted_pool_resumes_to_the_same_bytes(made, real, tmp_path, batch):
    told = []

    def stop(done, total):
        told.append((done, total))
        if len(told) == batch:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        make_pool(SPEC, real, tmp_path / "pool", SETTINGS, compute=COMPUTE, on_progress=stop)
    done = set(files(PoolStore.open(tmp_path / "pool")))
    seen = []
    again = make_pool(SPEC, real, tmp_path / "pool", SETTINGS, compute=COMPUTE, on_network=lambda *now: seen.append(now))
    assert seen == [(number, 3, f"{number}.safetensors" in done) for number in range(3)]
    assert files(again) == files(made)
    assert told[0] == (0, 12)


def test_a_network_resumes_from_its_last_epoch(made, real, tmp_path):
    told, again = [], []

    def stop(done, total):
        told.append(done)
        if len(told) == 21:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        make_pool(SPEC, real, tmp_path / "pool", SETTINGS, compute=COMPUTE, checkpoint_every=0, on_progress=stop)
    assert told[12:] == [12, 0, 1, 2, 3, 4, 5, 6, 7]  # of the second network, whose epochs are of three batches
    store = make_pool(SPEC, real, tmp_path / "pool", SETTINGS, compute=COMPUTE, on_progress=lambda done, total: again.append(done))
    assert again[:2] == [6, 7]
    assert files(store) == files(made)
    assert {path.suffix for path in (tmp_path / "pool" / "networks").iterdir()} == {".safetensors"}


@pytest.mark.parametrize("spec", [SPEC, ConvNet(width=8, norm="batch")], ids=["instance", "batch"])
def test_the_state_of_a_trainer_is_complete(real, spec):
    """A small reservoir of many snapshots, so that its content depends on the number offered before."""
    training, validation = parts(real)
    settings = replace(SETTINGS, bounds=(0,), per_bucket=2, growth=1.01)
    whole = snapshots_of(SingleModel(spec.build(real.shape, 3, Rng(0))), training, validation, settings, 0)
    first, second = (
        PoolTrainer(SingleModel(spec.build(real.shape, 3, Rng(seed))), training, validation, settings, 0, 100) for seed in (1, 2)
    )
    first.epoch()
    first.epoch()
    tensors, tree = to_tensors(first.state_dict())
    second.load_state_dict(unpack(json.loads(json.dumps(tree)), tensors))
    second.epoch()
    second.epoch()
    for snapshot, other in zip(second.finish(), whole, strict=True):
        assert (snapshot.step, snapshot.accuracy) == (other.step, other.accuracy)
        assert all(torch.equal(snapshot.weights[name], other.weights[name]) for name in snapshot.weights)


def test_a_finished_pool_is_not_trained_again(made, real, monkeypatch):
    def never(*_, **__):
        raise AssertionError("work was done")

    monkeypatch.setattr("condensation.training.pool_trainer.train_epoch", never)
    assert make_pool(SPEC, real, made.folder, SETTINGS, compute=COMPUTE).digest() == made.digest()


@pytest.mark.parametrize(
    ("spec", "change", "seed", "difference"),
    [
        (SPEC, {"networks": 4}, 0, "recipe.networks is 3 there, 4 here"),
        (SPEC, {"validation": 0.5}, 0, "recipe.validation is 0.25 there, 0.5 here"),
        (ConvNet(width=4), {}, 0, "network.width is 8 there, 4 here"),
        (SPEC, {}, 1, "it was made with other images"),
    ],
)
def test_another_pool_in_the_folder_raises(made, spec, change, seed, difference):
    with pytest.raises(CondensationError, match=difference):
        make_pool(spec, images(per_class=[16, 20, 24], seed=seed), made.folder, replace(SETTINGS, **change), compute=COMPUTE)


def test_a_folder_with_other_files_raises(real, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(CondensationError):
        make_pool(SPEC, real, tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_checkpoint_of_a_finished_network_is_removed(made, real, tmp_path):
    folder = Path(shutil.copytree(made.folder, tmp_path / "pool"))
    left = folder / "networks" / "0.checkpoint"
    left.write_bytes(b"killed after the network was stored")
    make_pool(SPEC, real, folder, SETTINGS, compute=COMPUTE)
    assert not left.exists()


def test_an_invalid_network_creates_no_folder(real, tmp_path):
    with pytest.raises(CondensationError) as caught:
        make_pool(ConvNet(depth=9), real, tmp_path / "pool", SETTINGS)
    assert caught.value.setting == "network.depth"
    assert not (tmp_path / "pool").exists()
