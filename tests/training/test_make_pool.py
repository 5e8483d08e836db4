import json
from dataclasses import replace

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
    return [one.step for one in store.snapshots()]


def snapshots_of(model, training, validation, settings, number):
    """All that is kept of one network."""
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
def test_a_pool_of_nothing_is_refused(change):
    with pytest.raises(CondensationError):
        replace(SETTINGS, **change)


def test_a_network_is_looked_at_ever_less_often_and_at_last():
    assert sorted(PoolRecipe(growth=1.5).evaluation_steps(20)) == [1, 2, 3, 5, 8, 12, 18, 20]
    assert sorted(PoolRecipe(growth=1.01).evaluation_steps(5)) == [1, 2, 3, 4, 5]
    assert PoolRecipe().evaluation_steps(1) == {1}


# -- the images that are held out


def test_a_part_of_each_class_is_held_out_and_nothing_is_in_both(real):
    training, validation = parts(real)
    assert validation.counts == {0: 4, 1: 5, 2: 6}
    assert training.counts == {0: 12, 1: 15, 2: 18}
    both = torch.cat([training.images, validation.images]).flatten(1)
    assert len(both.unique(dim=0)) == len(real.images.flatten(1).unique(dim=0)) == len(both)


def test_of_few_images_one_is_held_out_and_of_one_none_can_be():
    assert held_out(images(per_class=[2, 3, 40]), 0.01, Rng(0))[1].counts == {0: 1, 1: 1, 2: 1}
    assert held_out(images(per_class=[2, 3, 40]), 0.99, Rng(0))[0].counts == {0: 1, 1: 1, 2: 1}
    with pytest.raises(CondensationError, match="Class '1' has one image"):
        held_out(images(per_class=[2, 1, 4]), 0.5, Rng(0))


def test_what_is_held_out_of_a_class_does_not_depend_on_the_others(real):
    whole, part = held_out(real, 0.25, Rng(0))[1], held_out(real.select([1]), 0.25, Rng(0))[1]
    assert torch.equal(whole.select([1]).images, part.images)


def test_validation_images_do_not_change_the_weights(real, tmp_path):
    training, validation = parts(real)
    other = replace(validation, images=255 - validation.images)
    settings = replace(SETTINGS, bounds=(0,), per_bucket=1000)  # everything is kept, whatever its accuracy
    made = [snapshots_of(SingleModel(SPEC.build(real.shape, 3, Rng(0))), training, one, settings, 0) for one in (validation, other)]
    assert [one.step for one in made[0]] == [one.step for one in made[1]]
    assert all(torch.equal(one.weights[name], two.weights[name]) for one, two in zip(*made, strict=True) for name in one.weights)
    assert [one.accuracy for one in made[0]] != [one.accuracy for one in made[1]]


# -- what is kept


def test_looking_changes_nothing(real):
    """The last snapshot is what training alone comes to."""
    training, validation = parts(real)
    network = SPEC.build(real.shape, 3, Rng(SETTINGS.seed).child("network", 1, "weights"))
    train(network, training, SETTINGS.recipe, Rng(SETTINGS.seed).child("network", 1, "train"))
    settings = replace(SETTINGS, bounds=(0,), per_bucket=1000)
    last = snapshots_of(SingleModel(SPEC.build(real.shape, 3, Rng(5))), training, validation, settings, 1)[-1]
    assert last.step == settings.total_batches(training) == 12
    assert all(torch.equal(last.weights[name], value) for name, value in network.state_dict().items())


def test_looking_changes_nothing_with_batch_norm_either(real):
    spec, settings = ConvNet(width=8, norm="batch"), replace(SETTINGS, bounds=(0,), per_bucket=1000)
    training, validation = parts(real)
    often, seldom = (
        snapshots_of(SingleModel(spec.build(real.shape, 3, Rng(5))), training, validation, replace(settings, growth=growth), 0)
        for growth in (1.01, 100.0)
    )
    assert len(often) > len(seldom)
    assert all(torch.equal(often[-1].weights[name], value) for name, value in seldom[-1].weights.items())


def test_an_accuracy_is_that_of_the_weights_on_validation_images(made, real):
    _, validation = parts(real)
    for one in made.snapshots():
        network = SPEC.build(real.shape, 3, Rng(0))
        network.load_state_dict(dict(one.weights))
        per_class = class_accuracies(SingleModel(network), validation, 100)[0]
        right = sum(float(part) * count for part, count in zip(per_class, validation.counts.values(), strict=True))
        assert one.accuracy == pytest.approx(100 * right / len(validation), abs=1e-3)


def test_of_each_network_at_most_so_many_are_kept_in_a_bucket(made):
    for card, _ in made._cards():
        accuracies = [snapshot.accuracy for snapshot in card.snapshots]
        assert max(sum(accuracy in bucket for accuracy in accuracies) for bucket in made.buckets) <= SETTINGS.per_bucket
    assert sum(made.counts().values()) == len(made.accuracies()) == len(made.snapshots())


def test_buckets_hold_what_their_names_say(made):
    for name in made.counts():
        assert all(one.accuracy in parse_bucket(name) for one in made.snapshots(parse_bucket(name)))


def test_which_of_many_states_is_kept_is_random_and_even():
    """Of 12 states two are kept: each is, one time in six."""
    settings = replace(SETTINGS, bounds=(0,), per_bucket=2)
    counts = dict.fromkeys(range(12), 0)
    for number in range(600):
        kept = Reservoir(settings, Rng(0).child(number))
        for step in counts:
            kept.offer(Snapshot(step, 50.0, {}))
        chosen = [one.step for one in kept.snapshots()]
        assert len(set(chosen)) == 2
        for step in chosen:
            counts[step] += 1
    assert all(70 <= count <= 130 for count in counts.values()), counts


def test_a_network_that_is_lost_is_not_kept(real, tmp_path):
    store = make_pool(
        SPEC, real, tmp_path / "pool", replace(SETTINGS, networks=1, recipe=replace(SETTINGS.recipe, lr=1e30)), compute=COMPUTE
    )
    assert all(tensor.isfinite().all() for one in store.snapshots() for tensor in one.weights.values())
    assert max(steps_of(store)) < 12


# -- seeds, stopping, other settings


def test_the_seed_decides_everything(made, real, tmp_path):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    again = make_pool(SPEC, real, tmp_path / "again", SETTINGS, compute=COMPUTE)
    assert torch.equal(before, torch.get_rng_state())
    assert files(again) == files(made)
    assert again.digest() == made.digest()
    assert files(make_pool(SPEC, real, tmp_path / "other", replace(SETTINGS, seed=1), compute=COMPUTE)) != files(made)


def test_a_network_does_not_depend_on_how_many_there_are(made, real, tmp_path):
    fewer = make_pool(SPEC, real, tmp_path / "pool", replace(SETTINGS, networks=1), compute=COMPUTE)
    assert files(fewer) == {"0.safetensors": files(made)["0.safetensors"]}


@pytest.mark.parametrize("batch", [1, 20])
def test_a_pool_that_is_broken_off_goes_on_to_the_same_bytes(made, real, tmp_path, batch):
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


def test_a_network_goes_on_from_its_last_epoch(made, real, tmp_path):
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
def test_the_state_of_a_network_is_all_that_survives_an_epoch(real, spec):
    """With few states kept of many, so that which they are depends on settings many there were before."""
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
    for one, other in zip(second.finish(), whole, strict=True):
        assert (one.step, one.accuracy) == (other.step, other.accuracy)
        assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


def test_a_finished_pool_is_not_made_again(made, real, monkeypatch):
    def never(*_, **__):
        raise AssertionError("work was done")

    monkeypatch.setattr("condensation.training.pool_trainer.train_epoch", never)
    assert make_pool(SPEC, real, made.folder, SETTINGS, compute=COMPUTE).digest() == made.digest()


@pytest.mark.parametrize(
    ("spec", "change", "seed", "said"),
    [
        (SPEC, {"networks": 4}, 0, "recipe.networks is 3 there, 4 here"),
        (SPEC, {"validation": 0.5}, 0, "recipe.validation is 0.25 there, 0.5 here"),
        (ConvNet(width=4), {}, 0, "network.width is 8 there, 4 here"),
        (SPEC, {}, 1, "it was made with other images"),
    ],
)
def test_another_pool_in_the_folder_is_refused(made, spec, change, seed, said):
    with pytest.raises(CondensationError, match=f"holds another pool: {said}"):
        make_pool(spec, images(per_class=[16, 20, 24], seed=seed), made.folder, replace(SETTINGS, **change), compute=COMPUTE)


def test_a_foreign_folder_is_refused(real, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(CondensationError, match="is not empty and holds no pool"):
        make_pool(SPEC, real, tmp_path, SETTINGS)


def test_a_network_that_does_not_fit_leaves_no_folder(real, tmp_path):
    with pytest.raises(CondensationError, match="too deep"):
        make_pool(ConvNet(depth=9), real, tmp_path / "pool", SETTINGS)
    assert not (tmp_path / "pool").exists()
