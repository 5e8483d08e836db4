"""Federated learning: divisions, averages, networks near others, and the whole study."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from condensation import CondensedSet, ConvNet, DataSettings, EvaluationSettings, Recipe, Rng, load
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.storage import write_json
from condensation.networks.near import Near, load_weights, save_weights
from condensation.runs.saved_set import real_images
from condensation.studies.federated.arms import ARMS
from condensation.studies.federated.averaging import average, local_network, nbytes
from condensation.studies.federated.report import EQUAL
from condensation.studies.federated.settings import NAMES, FederatedSettings
from condensation.studies.federated.split import Division, divide, sizes
from condensation.studies.registry import FEDERATED
from condensation.studies.study import BESIDE_PRIVATE
from condensation.studies.study_folder import write_settings
from condensation.studies.tasks import Watch

NETWORK = ConvNet(width=4)
SMALL = FederatedSettings(
    data="digits",
    method={"name": "dm", "steps": 2, "batch_per_class": 4, "networks": {"spec": {"name": "convnet", "width": 4}}},
    clients=2,
    alpha=1.0,
    splits=1,
    ipc=4,
    local=Recipe(epochs=1, batch=64, augmentation=None),
    rounds=2,
    near_rounds=1,
    evaluation=EvaluationSettings(1, NETWORK, Recipe(epochs=2)),
)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.mark.parametrize("alpha", [0.1, 100.0])
def test_a_division_gives_each_image_to_one_client(digits, alpha):
    division = divide(digits.train, clients=4, alpha=alpha, least=10, seed=0)
    assert sorted(index for client in division.clients for index in client) == list(range(len(digits.train)))
    parts = [division.images_of(client, digits.train) for client in range(4)]
    assert all(len(part) >= 10 and len(part.classes) > 1 for part in parts)
    assert divide(digits.train, 4, alpha, 10, seed=0) == division != divide(digits.train, 4, alpha, 10, seed=1)
    # Clients are alike for a high alpha: each has about a quarter of every class.
    shares = np.array([[part.counts.get(label, 0) / count for label, count in digits.train.counts.items()] for part in parts])
    assert (abs(shares - 0.25).max() < 0.12) == (alpha == 100.0)


def test_a_division_that_fails_or_is_of_other_images_is_refused(digits, tmp_path):
    with pytest.raises(CondensationError) as impossible:
        divide(digits.train, clients=100, alpha=0.001, least=100, seed=0)
    assert impossible.value.setting == "alpha"
    write_json(tmp_path / "split.json", to_dict(divide(digits.train, 2, 1.0, 10, 0)))
    assert Division.read(tmp_path / "split.json", digits.train).seed == 0
    with pytest.raises(CondensationError) as other:
        Division.read(tmp_path / "split.json", digits.test)
    assert other.value.setting == "out"


def test_clients_contribute_in_proportion_to_their_images():
    assert sizes({0: 50, 1: 1}, {0: 100, 1: 1000}, per_class=10) == {0: 5, 1: 1}
    assert sizes({0: 3}, {0: 3}, per_class=10) == {0: 3}  # no more than it has


def test_the_average_weighs_clients_by_their_shares():
    weights = [{"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(2)}, {"w": torch.tensor([5.0, 6.0]), "n": torch.tensor(4)}]
    mean = average(weights, [0.25, 0.75])
    assert mean["w"].tolist() == [4.0, 5.0]
    assert mean["n"].dtype == torch.int64
    assert nbytes(weights[0]) == 8 + 8


def test_a_client_trains_from_the_weights_that_it_gets(digits):
    recipe = Recipe(epochs=2, batch=64, augmentation=None)
    with local_network(NETWORK, digits.test, 1, SMALL.compute) as network:
        first = network.initial(Rng(0))
        once = network.train(first, digits.train, recipe, Rng(1))
        assert network.train(first, digits.train, recipe, Rng(1)).keys() == once.keys()
        again = network.train(first, digits.train, recipe, Rng(1))
        assert all(torch.equal(again[name], once[name]) for name in once)
        assert network.accuracy(once) > network.accuracy(first) + 10
        probabilities = network.probabilities(once)
        assert torch.allclose(probabilities.sum(1), torch.ones(len(digits.test), dtype=torch.float64))
        right = (probabilities.argmax(1) == digits.test.labels).double().mean()
        assert network.accuracy(once) == pytest.approx(100 * float(right))


def test_networks_near_another_are_within_the_radius(digits, tmp_path):
    weights = {name: value.clone() for name, value in NETWORK.build(digits.train.shape, 10, Rng(3)).state_dict().items()}
    save_weights(weights, tmp_path / "weights.safetensors")
    assert all(torch.equal(load_weights(tmp_path / "weights.safetensors")[name], value) for name, value in weights.items())
    for radius in (0.5, 1e9):
        sampler = Near(str(tmp_path / "weights.safetensors"), radius, NETWORK)
        network = sampler.network(digits.train.shape, 10, "cpu")
        moved = []
        for seed in (0, 1, 0):
            sampler.redraw(network, Rng(seed))
            moved.append(torch.cat([(value - weights[name]).flatten() for name, value in network.network.state_dict().items()]))
        assert torch.equal(moved[0], moved[2])
        assert not torch.equal(moved[0], moved[1])
        count = moved[0].numel()
        assert float(moved[0].norm()) == pytest.approx(radius if radius < 1 else count**0.5, rel=0.1)
    with pytest.raises(CondensationError) as wrong:
        Near("file", radius=0)
    assert wrong.value.setting == "method.networks.radius"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("federated") / "study"
    assert not FEDERATED.run(SMALL, folder)
    return folder


def test_every_arm_has_an_accuracy_and_its_bytes(finished, digits):
    content = json.loads((finished / "federated.json").read_text(encoding="utf-8"))
    cells = {cell["arm"]: cell for cell in content["cells"]}
    assert set(SMALL.arms) | {EQUAL} == cells.keys()
    weights = 4 * sum(parameter.numel() for parameter in NETWORK.build(digits.train.shape, 10, Rng(0)).parameters())
    division = json.loads((finished / "split-0.json").read_text(encoding="utf-8"))
    assert [sum(counts.values()) for counts in division["counts"]] == [len(client) for client in division["clients"]]
    stored = sum(_images(path) for path in (finished / "sets").glob("*/settings.json"))
    pixels = digits.train.images[0].numel()
    assert cells["condensed"]["bytes"] == [4 * pixels * stored]
    assert cells["random"]["bytes"] == [pixels * stored]
    assert cells["averaging"]["bytes"] == [2 * 2 * 2 * weights]  # rounds, clients, directions
    assert cells["averaging-once"]["bytes"] == [2 * 2 * weights]
    assert cells["ensemble"]["bytes"] == [2 * weights]
    assert cells["near"]["bytes"] == [2 * weights + 4 * pixels * stored]
    assert cells["alone"]["bytes"] == [0]
    assert cells["pooled"]["mean"] > cells["alone"]["mean"]
    assert len(cells["averaging"]["curves"][0]) == SMALL.rounds


def test_the_card_of_a_client_names_its_part(finished):
    condensed = CondensedSet.load(finished / "sets" / "split0-client1")
    assert condensed.card["data"]["name"] == "digits, client 1 of split 0"
    assert real_images(condensed) == (None, "the set was made from client 1 of split 0 of digits.")


def _images(settings: Path) -> int:
    """Return the number of images of the set of a run."""
    return sum(json.loads(settings.read_text(encoding="utf-8"))["settings"]["ipc"].values())


def test_a_second_call_does_nothing_and_a_new_split_is_added(finished):
    states = []
    watch = Watch(on_job=lambda number, count, title, state: states.append(state))
    assert not FEDERATED.run(SMALL, finished, watch)
    assert set(states) == {"finished"}
    with pytest.raises(CondensationError):
        FEDERATED.run(replace(SMALL, clients=3), finished)
    assert FEDERATED.read(finished).missing == ""
    assert FEDERATED.read(finished).rows[0][0] == "condensed sets, one round"


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"alpha": 0.0}, "alpha"),
        ({"clients": 1}, "clients"),
        ({"arms": ("nothing",)}, "arms"),
        ({"arms": ("alone", "alone")}, "arms"),
        ({"near_radius": 0.0}, "near_radius"),
        ({"method": {"name": "dm", "privacy": {"epsilon": 1.0}}}, "arms"),
    ],
)
def test_wrong_settings_are_refused(changes, setting):
    with pytest.raises(CondensationError) as refused:
        replace(SMALL, **changes)
    assert refused.value.setting == setting


def test_a_method_that_draws_no_networks_has_no_arm_near(tmp_path):
    with pytest.raises(CondensationError) as refused:
        FEDERATED.run(replace(SMALL, method="random"), tmp_path / "study")
    assert refused.value.setting == "arms"
    assert not (tmp_path / "study" / "sets").exists()


def test_sets_near_the_network_are_condensed_with_its_weights(finished):
    settings = json.loads((finished / "near" / "split0-round0" / "client0" / "settings.json").read_text(encoding="utf-8"))
    assert settings["settings"]["method"]["networks"]["name"] == "near"


def test_the_settings_name_all_arms():
    assert tuple(ARMS) == NAMES


def test_a_client_starts_from_noise_unless_told_otherwise():
    assert SMALL.method_settings["start"] == "noise"
    assert FederatedSettings(method={"name": "dm", "start": "real"}).method_settings["start"] == "real"
    assert "start" not in FederatedSettings(method="random").method_settings
    assert isinstance(SMALL.client_run({0: 1, 1: 1}, ("a", "b"), 0).data, DataSettings)


def test_the_report_of_a_private_method_says_that_other_arms_have_no_guarantee(tmp_path):
    private = replace(SMALL, method={"name": "dm", "privacy": {"epsilon": 1.0}}, arms=("condensed", "alone"))
    for settings, said in ((private, True), (SMALL, False)):
        folder = tmp_path / f"study-{said}"
        folder.mkdir()
        write_settings(folder, settings)
        assert (BESIDE_PRIVATE in FEDERATED.read(folder).notes) is said
