"""Trained generators: saved, loaded and sampled."""

import json
import resource
from dataclasses import replace

import pytest
import torch

from condensation import (
    DSA,
    Compute,
    CondensationError,
    CondensedSet,
    ConvNet,
    ImageSet,
    KeepGenerator,
    Recipe,
    RunSettings,
    TrainedGenerator,
    condense,
    load,
    run,
)
from condensation.core.storage import RESTORE
from condensation.core.tensor_files import read_tensors, write_tensors
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.evaluation.gan_test import gan_test
from tests.small import CPU, dm, gmmn, gtn, images

COMPUTE = Compute(**CPU)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder of a run of GMMN."""
    folder = tmp_path_factory.mktemp("sampling") / "run"
    settings = RunSettings(DataSettings("digits"), gmmn(), ipc=2, evaluation=EvaluationSettings(0), compute=COMPUTE)
    run(settings, folder)
    return folder


def same(first, second):
    return torch.equal(first.images, second.images) and torch.equal(first.labels, second.labels)


def saved_and_loaded(method, real, path):
    condense(method, real, 2, compute=COMPUTE, observers=[KeepGenerator(method, path)])
    return TrainedGenerator.load(path)


def test_images_has_ipc_images_per_class(folder):
    assert set(TrainedGenerator.load(folder).images(7).counts.values()) == {7}


def test_the_seed_determines_the_images(folder):
    generator = TrainedGenerator.load(folder)
    assert same(generator.images(3, seed=1), TrainedGenerator.load(folder).images(3, seed=1))
    assert not same(generator.images(3, seed=1), generator.images(3, seed=2))


def test_a_smaller_set_is_the_beginning_of_a_larger_one(folder):
    few, many = (TrainedGenerator.load(folder).images(count) for count in (2, 5))
    for label in few.classes:
        torch.testing.assert_close(few.select([label]).images, many.select([label]).images[:2])


def test_no_sample_repeats_the_set_of_the_run(folder):
    own = CondensedSet.load(folder).images
    assert not torch.isclose(own.images, TrainedGenerator.load(folder).images(2).images).all(dim=(1, 2, 3)).any()


def test_a_loaded_generator_draws_the_same_images(tmp_path):
    method, real = gmmn(), images()
    made = {}

    def look(moment):
        made["now"] = TrainedGenerator.of(method, moment.state.source).images(4, seed=3, compute=COMPUTE)

    condense(method, real, 2, compute=COMPUTE, observers=[look, KeepGenerator(method, tmp_path / "g.safetensors")])
    assert same(made["now"], TrainedGenerator.load(tmp_path / "g.safetensors").images(4, seed=3, compute=COMPUTE))


def test_a_sample_can_leave_out_classes(tmp_path):
    generator = saved_and_loaded(gmmn(), images(classes=4).select([1, 3]), tmp_path / "g.safetensors")
    assert generator.images(2).counts == {1: 2, 3: 2}
    some = generator.images({3: 2})
    assert some.counts == {3: 2}
    torch.testing.assert_close(some.images, generator.images(2).select([3]).images)


def test_the_card_of_a_sample_is_that_of_the_run(folder):
    card = TrainedGenerator.load(folder).sample(3, seed=5).card
    assert card["settings"]["method"]["name"] == "gmmn"
    assert (card["settings"]["ipc"], card["sample"]) == (3, {"seed": 5})
    assert card["settings"]["data"]["source"] == "digits"
    assert "not published" in card["note"]


@pytest.mark.parametrize(
    ("ipc", "named"),
    [(0, "0"), ({}, "0"), ({12: 1}, "12")],
)
def test_impossible_counts_are_refused(folder, ipc, named):
    with pytest.raises(CondensationError) as error:
        TrainedGenerator.load(folder).images(ipc)
    assert named in error.value.message
    assert error.value.setting == "ipc"


@pytest.mark.parametrize(
    ("change", "named"),
    [({"shape": [1, 8]}, "shape"), ({"labels": "0"}, "labels"), ({"mirrored": 1}, "mirrored"), ({"card": None}, "card")],
)
def test_a_damaged_card_is_named_in_one_line(folder, tmp_path, change, named):
    tensors, card = read_tensors(folder / "generator.safetensors", "trained generator")
    write_tensors(tmp_path / "g.safetensors", "trained generator", tensors, {**card, **change})
    with pytest.raises(CondensationError) as error:
        TrainedGenerator.load(tmp_path / "g.safetensors")
    assert error.value.message.startswith(f"{tmp_path / 'g.safetensors'}: {named}")
    assert "\n" not in error.value.message


def test_damaged_weights_are_refused(folder, tmp_path):
    tensors, card = read_tensors(folder / "generator.safetensors", "trained generator")
    weights = [name for name in tensors if name.startswith("generator.")]
    for kept in ({**tensors, weights[0]: torch.zeros(1)}, {name: tensor for name, tensor in tensors.items() if name not in weights}):
        write_tensors(tmp_path / "g.safetensors", "trained generator", kept, card)
        with pytest.raises(CondensationError) as caught:
            TrainedGenerator.load(tmp_path / "g.safetensors")
        assert caught.value.hint == RESTORE


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [3, 1 << 40, 1 << 40]},
        {"shape": [1, 8, -8]},
        {"shape": [1, 1 << 20, 1 << 20]},
        {"labels": []},
        {"labels": [0, 1, 99]},
        {"method": {"name": "gmmn", "hidden": [1 << 29, 1 << 29]}},
        {"method": {"name": "gmmn", "latent": 10**9}},
        {"method": {"name": "gmmn", "autoencoder": {"hidden": 10**9, "code": 10**9}}},
        {"method": {"name": "gtn", "channels": [10**9, 10**9], "hidden": 10**9}},
        {"method": {"name": "biggan", "width": 10**9}, "shape": [3, 16, 16]},
        {"method": {"name": "dc-vae", "width": 10**9}, "shape": [3, 16, 16]},
    ],
    ids=str,
)
def test_sizes_that_the_file_only_promises_are_refused_before_memory_is_used(folder, tmp_path, change):
    tensors, card = read_tensors(folder / "generator.safetensors", "trained generator")
    write_tensors(tmp_path / "g.safetensors", "trained generator", tensors, {**card, **change})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CondensationError) as caught:
        TrainedGenerator.load(tmp_path / "g.safetensors")
    assert "\n" not in caught.value.message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB


def test_a_run_without_a_generator_is_named(tmp_path):
    settings = RunSettings(DataSettings("digits"), dm(steps=1), ipc=1, evaluation=EvaluationSettings(0), compute=COMPUTE)
    run(settings, tmp_path / "run")
    with pytest.raises(CondensationError) as error:
        TrainedGenerator.load(tmp_path / "run")
    assert "generator.safetensors" in error.value.hint


def test_a_set_is_not_a_generator(folder):
    with pytest.raises(CondensationError, match="but not a trained generator"):
        TrainedGenerator.load(folder / "set.safetensors")


def test_the_generator_is_saved_after_the_last_step(tmp_path):
    seen = []
    path = tmp_path / "g.safetensors"
    method = gmmn()
    condense(method, images(), 2, compute=COMPUTE, observers=[lambda moment: seen.append(path.exists()), KeepGenerator(method, path)])
    assert seen == [False] * 5
    assert path.exists()


def test_sample_writes_a_set_with_card_and_picture(condense, folder, tmp_path):
    out = tmp_path / "new"
    code, said, _ = condense("sample", folder, "--ipc", 3, "--seed", 1, "--out", out, "--device", "cpu")
    assert code == 0
    assert "30 images of 10 classes, drawn from the generator of gmmn, seed 1." in said
    assert same(CondensedSet.load(out).images, TrainedGenerator.load(folder).images(3, seed=1, compute=COMPUTE))
    assert (out / "grid.png").exists()
    card = json.loads(condense("sample", folder, "--out", tmp_path / "other", "--json")[1])
    assert card["sample"] == {"seed": 0}


def test_sample_overwrites_nothing(condense, folder):
    code, _, errors = condense("sample", folder, "--out", folder)
    assert code == 2
    assert "is not empty" in errors


def test_a_run_with_another_ipc_draws_from_a_trained_generator(folder, tmp_path):
    more = RunSettings(DataSettings("digits"), gmmn(), ipc=3, evaluation=EvaluationSettings(0), compute=COMPUTE)
    run(more, tmp_path / "trained")
    seen = []
    run(more, tmp_path / "drawn", generator=folder / "generator.safetensors", observers=[seen.append])
    assert seen == []
    for name in ("set.safetensors", "generator.safetensors"):
        assert (tmp_path / "trained" / name).read_bytes() == (tmp_path / "drawn" / name).read_bytes()


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"method": gmmn(lr=0.1)}, {"data": DataSettings("digits", preprocessing="none")}],
    ids=lambda other: next(iter(other)),
)
def test_a_generator_of_another_run_is_not_used(folder, tmp_path, other):
    own = RunSettings(DataSettings("digits"), gmmn(), ipc=2, evaluation=EvaluationSettings(0), compute=COMPUTE)
    seen = []
    run(replace(own, **other), tmp_path / "run", generator=folder / "generator.safetensors", observers=[seen.append])
    assert len(seen) == 5


def test_a_generator_of_gtn_fits_one_ipc(tmp_path):
    method, real = gtn(), images()
    trained = replace(
        saved_and_loaded(method, real, tmp_path / "g.safetensors"), card={"settings": {"seed": 0}, "data": {"fingerprint": "same"}}
    )
    assert not trained.matches_run(method, real, 0, "same")
    assert replace(trained, method=gmmn()).matches_run(gmmn(), real, 0, "same")


def test_the_gan_test_of_the_test_images_is_their_accuracy():
    data = load("digits")
    found = gan_test(data.test, data, epochs=12, network=ConvNet(width=8), compute=COMPUTE)
    assert found["images"] == found["test"] > 60
    assert set(found["of_class"]) == set(data.test.class_names)


def test_the_gan_test_fails_images_with_wrong_labels():
    data = load("digits")
    shifted = replace(data.test, labels=data.test.labels.roll(len(data.test) // 2))
    wrong = ImageSet.of(shifted.images, shifted.labels, data.test.class_names, preprocessing=data.test.preprocessing)
    found = gan_test(wrong, data, epochs=12, network=ConvNet(width=8), compute=COMPUTE)
    assert found["images"] < 20 < found["test"]


def test_the_gan_test_is_deterministic():
    data, how = load("digits"), {"epochs": 2, "network": ConvNet(width=4), "compute": COMPUTE}
    first, second = (gan_test(data.test, data, **how) for _ in range(2))
    assert first == second


def test_sample_prints_the_gan_test(condense, folder, tmp_path):
    assert "GAN test:" in condense("sample", folder, "--ipc", 2, "--check", 1, "--out", tmp_path / "new", "--device", "cpu")[1]
    assert CondensedSet.load(tmp_path / "new").card["recognised"]["epochs"] == 1


def test_a_dry_run_of_sample_trains_nothing(condense, folder, tmp_path):
    plan = json.loads(condense("sample", folder, "--check", 2, "--out", tmp_path / "planned", "--dry-run", "--json")[1])
    assert [part["text"] for part in plan["parts"]] == ["drawing 100 images", "training a classifier for 2 epochs"]
    assert plan["seconds"] > 0
    assert not (tmp_path / "planned").exists()


def test_the_classifier_of_the_gan_test_flips_images_only_if_labels_are_invariant(monkeypatch: pytest.MonkeyPatch) -> None:
    recipes: list[Recipe] = []

    def note(learner: object, sets: object, recipe: Recipe, *_: object) -> None:
        recipes.append(recipe)

    monkeypatch.setattr("condensation.evaluation.gan_test.train_together", note)
    for name in ("fashion-mini", "digits"):
        data = load(name)
        gan_test(data.test, data, epochs=1, network=ConvNet(width=4), compute=COMPUTE)
    clothes, digits = (recipe.augmentation for recipe in recipes)
    assert isinstance(clothes, DSA)
    assert clothes.operations == ("flip",)
    assert digits is None
