import json
from dataclasses import dataclass, replace

import pytest
import torch

from condensation import (
    DC,
    DM,
    Checkpoint,
    Compute,
    CondensationError,
    ConvNet,
    Fresh,
    Identity,
    Pool,
    Recipe,
    Rng,
    Stopped,
    UserModule,
    condense,
    load,
)
from condensation.config.build import from_dict
from condensation.config.toml import apply_override
from condensation.core.modules import draws_numbers, mixes_images
from condensation.core.plain import to_dict
from condensation.networks.mlp import MLP
from condensation.networks.pool_store import (
    POOL_FILE,
    Bucket,
    PoolRecord,
    PoolStore,
    Snapshot,
    buckets_between,
    data_identity,
    describe_spec,
    parse_bucket,
)
from condensation.networks.samplers import Between, Pooled
from condensation.runs.run import run
from condensation.runs.settings import RunSettings
from condensation.training.make_pool import PoolRecipe, held_out, make_pool
from tests.small import CPU, dm, images

SPEC = ConvNet(width=8)
SHAPE = (3, 16, 16)
COMPUTE = Compute(**CPU)
LEVELS = (15.0, 25.0, 25.5, 71.0)


def weights(network):
    return torch.cat([parameter.flatten() for parameter in network.parameters()]).clone()


def snapshot(number, accuracy, spec=SPEC):
    return Snapshot(number, accuracy, spec.build(SHAPE, 3, Rng(100).child(number)).state_dict())


def record(real, spec, networks, bounds):
    return PoolRecord(networks=networks, bounds=bounds, spec=describe_spec(spec), data=data_identity(real))


def store_of(folder, real, spec=SPEC, networks=2):
    """A pool whose networks were never trained: their accuracies are made up."""
    store = PoolStore.create(folder, record(real, spec, networks, (10, 20, 30, 70)))
    for number in range(networks):
        store.add(number, [snapshot(10 * number + place, accuracy, spec) for place, accuracy in enumerate(LEVELS)])
    return store


@pytest.fixture(scope="module")
def real():
    return images()


@pytest.fixture(scope="module")
def folder(real, tmp_path_factory):
    return store_of(tmp_path_factory.mktemp("pools") / "pool", real).folder


def pool(folder, name="all", spec=SPEC):
    return Pool(str(folder), name, spec)


def drawn(sampler, count=40):
    network = sampler.network(SHAPE, 3, "cpu")
    found = []
    for step in range(count):
        sampler.redraw(network, Rng(0).child(step))
        found.append(weights(network))
    return found


def error(sampler):
    with pytest.raises(CondensationError) as caught:
        sampler.network(SHAPE, 3, "cpu")
    return caught.value


def kept(*numbers):
    return [weights(SPEC.build(SHAPE, 3, Rng(100).child(number))) for number in numbers]


# -- names of buckets


@pytest.mark.parametrize(("name", "wanted"), [("20-30", Bucket(20, 30)), ("70+", Bucket(70, float("inf"))), ("2.5-5", Bucket(2.5, 5))])
def test_bucket_names_are_parsed_and_printed(name, wanted):
    assert parse_bucket(name) == wanted
    assert str(wanted) == name


@pytest.mark.parametrize("name", ["", "30-20", "20-20", "20", "-20", "20-30-40", "good", "70+ "])
def test_invalid_bucket_names_raise(name):
    with pytest.raises(CondensationError) as caught:
        Pool("somewhere", name)
    assert caught.value.setting == "method.networks.bucket"


def test_buckets_include_their_lower_bound_only():
    buckets = buckets_between([10, 20, 70])
    assert [str(one) for one in buckets] == ["10-20", "20-70", "70+"]
    for accuracy, there in ((9.9, []), (10, [0]), (19.999, [0]), (20, [1]), (70, [2]), (100, [2])):
        assert [place for place, one in enumerate(buckets) if accuracy in one] == there


# -- what is drawn


def test_exactly_the_networks_of_the_bucket_are_drawn(folder):
    wanted = kept(1, 2, 11, 12)
    found = drawn(pool(folder, "20-30"))
    assert all(any(torch.equal(one, other) for other in wanted) for one in found)
    assert all(any(torch.equal(one, other) for one in found) for other in wanted)


def test_any_range_can_be_a_bucket(folder):
    assert all(any(torch.equal(one, other) for other in kept(2, 12)) for one in drawn(pool(folder, "25.2-40")))


def test_the_random_bucket_draws_the_networks_of_fresh(folder):
    assert all(map(torch.equal, drawn(pool(folder, "random"), 3), drawn(Fresh(SPEC), 3)))


def test_all_draws_each_bucket_equally_often(folder):
    sampler = pool(folder)
    network = sampler.network(SHAPE, 3, "cpu")
    counts = {"10-20": 0, "20-30": 0, "70+": 0, "random": 0}
    of = {"10-20": kept(0, 10), "20-30": kept(1, 2, 11, 12), "70+": kept(3, 13)}
    for step in range(400):
        sampler.redraw(network, Rng(1).child(step))
        now = weights(network)
        counts[next((name for name, some in of.items() if any(torch.equal(now, one) for one in some)), "random")] += 1
    assert all(70 <= count <= 130 for count in counts.values()), counts


def test_drawing_is_in_place_and_depends_on_the_stream_only(folder):
    sampler = pool(folder, "20-30")
    network = sampler.network(SHAPE, 3, "cpu")
    places = [parameter.data_ptr() for parameter in network.parameters()]
    before = torch.get_rng_state()
    sampler.redraw(network, Rng(1))
    first = weights(network)
    for step in range(5):
        sampler.redraw(network, Rng(2).child(step))
    sampler.redraw(network, Rng(1))
    assert torch.equal(first, weights(network))
    assert places == [parameter.data_ptr() for parameter in network.parameters()]
    assert torch.equal(before, torch.get_rng_state())


def test_a_compiled_embedding_stays_compiled_and_sees_the_new_weights(folder, real):
    compiled = []

    def backend(graph, inputs):
        compiled.append(graph)
        return graph.forward

    sampler = pool(folder)
    network = sampler.network(SHAPE, 3, "cpu")
    fast = torch.compile(network.embed, backend=backend)
    some = real.inputs(slice(0, 2))
    seen = []
    for step in range(6):
        sampler.redraw(network, Rng(0).child(step))
        seen.append(fast(some))
        torch.testing.assert_close(seen[-1], network.embed(some))
    assert len(compiled) == 1
    assert not torch.equal(seen[0], seen[1])


def test_the_network_is_frozen_and_in_training_mode(folder):
    network = pool(folder).network(SHAPE, 3, "cpu")
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert all(module.training for module in network.modules())


def test_batch_norm_statistics_are_those_of_the_snapshot(real, tmp_path):
    spec = ConvNet(width=8, norm="batch")
    store = PoolStore.create(tmp_path, record(real, spec, 1, (0,)))
    trained = spec.build(SHAPE, 3, Rng(0)).train()
    trained(real.inputs())
    store.add(0, [Snapshot(1, 50.0, trained.state_dict())])
    sampler = Pool(str(tmp_path), "0+", spec)
    network = sampler.network(SHAPE, 3, "cpu")
    assert mixes_images(network)
    sampler.redraw(network, Rng(0))
    assert torch.equal(network.network.features[1].running_mean, trained.features[1].running_mean)
    assert network.network.features[1].running_mean.any()


def test_pooled_networks_keep_the_declared_properties():
    inner = SPEC.build(SHAPE, 3, Rng(0))
    inner.mixes_images = inner.draws_numbers = True
    network = Pooled(inner, [()], "nowhere")
    assert mixes_images(network)
    assert draws_numbers(network)


def test_logits_and_features_are_those_of_the_network(folder, real):
    sampler = pool(folder, "70+")
    network = sampler.network(SHAPE, 3, "cpu")
    sampler.redraw(network, Rng(0))
    some = real.inputs(slice(0, 2))
    assert torch.equal(network(some), network.network.classifier(network.embed(some)))


# -- what does not fit is refused


def test_a_pool_without_a_path_raises():
    assert error(Pool()).setting == "method.networks.path"


def test_a_folder_without_a_pool_raises(tmp_path):
    assert error(pool(tmp_path)).setting == "method.networks.path"


def test_an_empty_bucket_raises_with_the_accuracies_and_buckets(folder):
    caught = error(pool(folder, "40-50"))
    assert "15.0 to 71.0 %" in caught.message
    assert "random, 10-20, 20-30, 70+, all" in caught.hint
    assert caught.setting == "method.networks.bucket"


def test_another_architecture_raises(folder):
    caught = error(pool(folder, spec=ConvNet(width=16)))
    assert "width is 8 there, 16 here" in caught.message
    assert "method.networks.spec.width=8" in caught.hint


def test_another_kind_of_network_raises(folder):
    caught = error(pool(folder, spec=MLP()))
    assert "kind is 'ConvNet' there, 'MLP' here" in caught.message
    assert "method.networks.spec=convnet." in caught.hint


def test_another_architecture_with_equal_weight_shapes_raises(folder):
    caught = error(pool(folder, spec=ConvNet(width=8, activation="leakyrelu")))
    assert "activation is 'relu' there, 'leakyrelu' here" in caught.message


def test_images_of_another_shape_raise(folder):
    with pytest.raises(CondensationError, match="for images of 3x16x16 and 3 classes, got 1x16x16 and 3"):
        condense(dm(networks=pool(folder)), images(shape=(1, 16, 16)), 1, compute=COMPUTE)


def test_other_images_raise(folder):
    with pytest.raises(CondensationError, match="other images of class '0'"):
        condense(dm(networks=pool(folder)), images(seed=1), 1, compute=COMPUTE)


def test_another_preprocessing_raises(folder, real):
    with pytest.raises(CondensationError, match=r"preprocessed by Standardize .*, got Identity"):
        condense(dm(networks=pool(folder)), replace(real, preprocessing=Identity()), 1, compute=COMPUTE)


def test_a_subset_of_the_classes_can_be_condensed(folder, real):
    part = condense(dm(networks=pool(folder)), real.select([0, 2]), 1, compute=COMPUTE)
    whole = condense(dm(networks=pool(folder)), real, 1, compute=COMPUTE)
    torch.testing.assert_close(part.images, whole.select([0, 2]).images, rtol=1e-4, atol=1e-5)


def test_an_unfinished_pool_raises(real, tmp_path):
    store = PoolStore.create(tmp_path, record(real, SPEC, 2, (10,)))
    store.add(0, [snapshot(0, 15.0)])
    assert store.missing() == [1]
    assert "1 of 2 networks" in error(pool(tmp_path, "10+")).message


def test_a_damaged_network_raises_with_its_file(real, tmp_path):
    store = store_of(tmp_path, real)
    content = bytearray(store.path(0).read_bytes())
    content[-1] ^= 1
    store.path(0).write_bytes(content)
    assert str(store.path(0)) in error(pool(tmp_path)).message


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"spec": None}, "spec: "),
        ({"networks": "two"}, "networks: "),
        ({"bounds": [10, "x"]}, "bounds[1]: "),
        ({"data": {"shape": [3, 16, 16]}}, "data.class_names is missing"),
        ({"format": 2}, "format 2"),
    ],
)
def test_a_damaged_record_raises_with_the_field(real, tmp_path, change, problem):
    store_of(tmp_path, real)
    path = tmp_path / POOL_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    message = error(pool(tmp_path)).message
    assert message.startswith(str(path))
    assert problem in message
    assert "\n" not in message


def test_the_record_is_read_as_it_was_written(real, tmp_path):
    assert PoolStore.open(store_of(tmp_path, real).folder).record == record(real, SPEC, 2, (10.0, 20.0, 30.0, 70.0))


def test_weights_of_other_shapes_raise(real, tmp_path):
    store = PoolStore.create(tmp_path, record(real, SPEC, 1, (10,)))
    store.add(0, [snapshot(0, 15.0, ConvNet(width=4))])
    assert "do not fit" in error(pool(tmp_path, "10+")).message


# -- methods


@pytest.mark.parametrize("name", ["20-30", "all"])
@pytest.mark.parametrize(
    "method", [dm, lambda **more: DC(steps=4, batch_per_class=6, outer_loops=2, inner_loops=1, **more)], ids=["dm", "dc"]
)
def test_the_seed_decides_everything(folder, real, method, name):
    made = [condense(method(networks=pool(folder, name)), real, 1, seed=seed, compute=COMPUTE) for seed in (1, 1, 2)]
    assert torch.equal(made[0].images, made[1].images)
    assert not torch.equal(made[0].images, made[2].images)


def test_the_random_bucket_gives_the_images_of_fresh(folder, real):
    ours, theirs = (condense(dm(networks=one), real, 1, compute=COMPUTE) for one in (pool(folder, "random"), Fresh(SPEC)))
    assert torch.equal(ours.images, theirs.images)


def stopped(method, real, checkpoint):
    def stop(moment):
        if moment.step == 2:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        condense(method, real, 1, observers=[stop], checkpoint=Checkpoint(checkpoint), compute=COMPUTE)


def test_resume_is_exact(folder, real, tmp_path):
    method = dm(networks=pool(folder))
    stopped(method, real, tmp_path / "checkpoint")
    resumed = condense(method, real, 1, checkpoint=Checkpoint(tmp_path / "checkpoint"), compute=COMPUTE)
    assert torch.equal(resumed.images, condense(method, real, 1, compute=COMPUTE).images)


def test_resuming_with_another_pool_in_the_same_folder_raises(real, tmp_path):
    method = dm(networks=pool(tmp_path / "pool"))
    store = store_of(tmp_path / "pool", real)
    stopped(method, real, tmp_path / "checkpoint")
    store.add(1, [snapshot(99, 15.0)])
    with pytest.raises(CondensationError, match=r"to another run: reads\.pool is"):
        condense(method, real, 1, checkpoint=Checkpoint(tmp_path / "checkpoint"), compute=COMPUTE)


def test_other_methods_read_no_pool(real):
    assert dm().input_digests() == {}


# -- settings


def test_a_pool_can_be_set_by_name():
    content = {"name": "dm", "networks": {"name": "fresh", "spec": {"name": "convnet", "width": 64}}}
    for override in ("networks=pool", "networks.path=a/b", "networks.bucket=20-30", "networks.spec.width=8"):
        content = apply_override(content, override)
    method = from_dict(RunSettings, {"method": content}).method
    assert method == DM(networks=Pool("a/b", "20-30", ConvNet(width=8)))
    assert from_dict(RunSettings, json.loads(json.dumps(to_dict(RunSettings(method=method))))).method == method


def test_a_run_records_the_pool_and_can_be_repeated_from_its_settings(tmp_path):
    data = load("digits")
    spec = ConvNet(width=4)
    how = PoolRecipe(networks=1, recipe=Recipe(epochs=1, augmentation=None), bounds=(0,))
    store = make_pool(spec, data.train, tmp_path / "pool", how, compute=COMPUTE)
    method = DM(steps=2, batch_per_class=4, networks=Pool(str(tmp_path / "pool"), "0+", spec))
    settings = RunSettings(method=method, ipc=1, compute=COMPUTE)
    settings = from_dict(RunSettings, {"data": {"source": "digits"}, "evaluation": {"networks": 0}}, settings)
    first = run(settings, tmp_path / "first").condensed
    assert first.card["reads"] == {"pool": store.digest()}
    again = from_dict(RunSettings, json.loads((tmp_path / "first" / "settings.json").read_text())["settings"])
    assert torch.equal(run(again, tmp_path / "again").condensed.images.images, first.images.images)


@dataclass
class Odd:
    size: int = 3


def test_an_architecture_is_described_by_plain_values():
    assert describe_spec(SPEC) == {
        "kind": "ConvNet",
        "width": 8,
        "depth": None,
        "norm": "instance",
        "activation": "relu",
        "pooling": "avg",
    }
    own = describe_spec(UserModule(store_of, options={"width": 3, "odd": Odd()}))
    assert own["target"] == "tests.networks.test_pool_store:store_of"
    assert json.loads(json.dumps(own)) == own


def small(channels, num_classes):
    return torch.nn.Sequential(
        torch.nn.Conv2d(channels, 4, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(16, num_classes),
    )


def test_a_pool_can_have_a_user_module(real, tmp_path):
    spec = UserModule("tests.networks.test_pool_store:small")
    how = PoolRecipe(networks=1, recipe=Recipe(epochs=1, augmentation=None), bounds=(0,))
    make_pool(spec, real, tmp_path, how, compute=COMPUTE)
    method = dm(networks=Pool(str(tmp_path), "0+", spec))
    assert condense(method, real, 1, compute=COMPUTE).images.isfinite().all()
    with pytest.raises(CondensationError) as caught:
        condense(dm(networks=Pool(str(tmp_path), "0+", UserModule(store_of))), real, 1, compute=COMPUTE)
    assert caught.value.setting == "method.networks.spec"
    assert "method.networks.spec=tests.networks.test_pool_store:small." in caught.value.hint


# -- networks between their initial and their last weights


def test_between_draws_points_on_the_line_from_initial_to_last_weights(real, tmp_path):
    settings = PoolRecipe(networks=2, recipe=Recipe(epochs=2, batch=9, augmentation=None), bounds=(0,), per_bucket=50, seed=3)
    store = make_pool(SPEC, real, tmp_path / "pool", settings, compute=COMPUTE)
    lines = []
    for number in range(2):
        initial = SPEC.build(SHAPE, 3, Rng(3).child("network", number, "weights")).state_dict()
        last = [read for read in store.snapshots() if read.step == settings.total_batches(held_out(real, 0.1, Rng(0))[0])][number].weights
        lines.append((initial, last))
    sampler = Between(str(store.folder), SPEC)
    sampler.validate(real)
    network = sampler.network(SHAPE, 3, "cpu")
    seen = set()
    for step in range(20):
        sampler.redraw(network, Rng(0).child(step))
        weights = network.network.state_dict()
        shares = []
        for initial, last in lines:
            name = "features.0.weight"
            moved, line = (weights[name] - initial[name]).flatten().double(), (last[name] - initial[name]).flatten().double()
            share = float(moved @ line / (line @ line))
            shares.append(share if torch.allclose(moved, share * line, atol=1e-6) else None)
        (number,) = [number for number, share in enumerate(shares) if share is not None]
        assert 0 <= shares[number] < 1
        for name, value in weights.items():
            torch.testing.assert_close(
                value, torch.lerp(lines[number][0][name], lines[number][1][name], shares[number]), atol=1e-5, rtol=1e-4
            )
        seen.add(number)
    assert seen == {0, 1}
    assert sampler.input_digests() == {"pool": store.digest()}


def test_between_is_chosen_by_name_and_refuses_other_data(real, folder):
    assert from_dict(DM, {"networks": {"name": "between", "path": "a"}}).networks == Between("a")
    with pytest.raises(CondensationError):
        Between(str(folder), SPEC).validate(images(seed=5))
