"""Trained generators: kept, read again, drawn from."""

import json
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
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.evaluation.gan_test import recognised, recogniser
from tests.small import CPU, dm, gmmn, gtn, images

COMPUTE = Compute(**CPU)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a run of GMMN."""
    folder = tmp_path_factory.mktemp("sampling") / "run"
    settings = RunSettings(DataSettings("digits"), gmmn(), ipc=2, evaluation=EvaluationSettings(0), compute=COMPUTE)
    run(settings, folder)
    return folder


def same(one, other):
    return torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


def kept(method, real, path):
    condense(method, real, 2, compute=COMPUTE, observers=[KeepGenerator(method, path)])
    return TrainedGenerator.load(path)


def test_a_set_has_as_many_images_as_are_asked_for(folder):
    assert set(TrainedGenerator.load(folder).images(7).counts.values()) == {7}


def test_the_seed_decides_what_is_drawn(folder):
    generator = TrainedGenerator.load(folder)
    assert same(generator.images(3, seed=1), TrainedGenerator.load(folder).images(3, seed=1))
    assert not same(generator.images(3, seed=1), generator.images(3, seed=2))


def test_fewer_images_are_the_beginning_of_more(folder):
    few, many = (TrainedGenerator.load(folder).images(count) for count in (2, 5))
    for label in few.classes:
        torch.testing.assert_close(few.select([label]).images, many.select([label]).images[:2])


def test_the_images_of_the_run_are_not_drawn_again(folder):
    own = CondensedSet.load(folder).images
    assert not torch.isclose(own.images, TrainedGenerator.load(folder).images(2).images).all(dim=(1, 2, 3)).any()


def test_a_generator_makes_after_reading_what_it_made_before(tmp_path):
    method, real = gmmn(), images()
    made = {}

    def look(moment):
        made["now"] = TrainedGenerator.of(method, moment.state.source).images(4, seed=3, compute=COMPUTE)

    condense(method, real, 2, compute=COMPUTE, observers=[look, KeepGenerator(method, tmp_path / "g.safetensors")])
    assert same(made["now"], TrainedGenerator.load(tmp_path / "g.safetensors").images(4, seed=3, compute=COMPUTE))


def test_classes_keep_their_labels_and_some_may_be_left_out(tmp_path):
    generator = kept(gmmn(), images(classes=4).select([1, 3]), tmp_path / "g.safetensors")
    assert generator.images(2).counts == {1: 2, 3: 2}
    some = generator.images({3: 2})
    assert some.counts == {3: 2}
    torch.testing.assert_close(some.images, generator.images(2).select([3]).images)


def test_the_card_says_what_it_was_drawn_from(folder):
    card = TrainedGenerator.load(folder).sample(3, seed=5).card
    assert card["settings"]["method"]["name"] == "gmmn"
    assert (card["settings"]["ipc"], card["sample"]) == (3, {"seed": 5})
    assert card["settings"]["data"]["source"] == "digits"
    assert "not published" in card["note"]


@pytest.mark.parametrize(
    ("ipc", "message"),
    [(0, "Asked for 0 images of a class"), ({}, "Asked for 0"), ({12: 1}, "ipc names a class 12; the generator knows 0")],
)
def test_impossible_counts_are_refused(folder, ipc, message):
    with pytest.raises(CondensationError, match=message):
        TrainedGenerator.load(folder).images(ipc)


def test_a_run_without_a_generator_is_refused(tmp_path):
    settings = RunSettings(DataSettings("digits"), dm(steps=1), ipc=1, evaluation=EvaluationSettings(0), compute=COMPUTE)
    run(settings, tmp_path / "run")
    with pytest.raises(CondensationError, match="holds no trained generator"):
        TrainedGenerator.load(tmp_path / "run")


def test_a_set_is_no_generator(folder):
    with pytest.raises(CondensationError, match="but not a trained generator"):
        TrainedGenerator.load(folder / "set.safetensors")


def test_there_is_a_generator_only_after_the_last_step(tmp_path):
    seen = []
    path = tmp_path / "g.safetensors"
    method = gmmn()
    condense(method, images(), 2, compute=COMPUTE, observers=[lambda moment: seen.append(path.exists()), KeepGenerator(method, path)])
    assert seen == [False] * 5
    assert path.exists()


def test_the_command_writes_a_set_with_its_card_and_picture(condense, folder, tmp_path):
    out = tmp_path / "new"
    code, said, _ = condense("sample", folder, "--ipc", 3, "--seed", 1, "--out", out, "--device", "cpu")
    assert code == 0
    assert "30 images of 10 classes, drawn from the generator of gmmn, seed 1." in said
    assert same(CondensedSet.load(out).images, TrainedGenerator.load(folder).images(3, seed=1, compute=COMPUTE))
    assert (out / "grid.png").exists()
    card = json.loads(condense("sample", folder, "--out", tmp_path / "other", "--json")[1])
    assert card["sample"] == {"seed": 0}


def test_the_command_overwrites_nothing(condense, folder):
    code, _, errors = condense("sample", folder, "--out", folder)
    assert code == 2
    assert "is not empty" in errors


def test_a_run_with_another_ipc_draws_what_it_would_have_trained_for(folder, tmp_path):
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


def test_the_generator_of_lessons_is_of_one_number_of_images(tmp_path):
    method, real = gtn(), images()
    trained = replace(kept(method, real, tmp_path / "g.safetensors"), card={"settings": {"seed": 0}, "data": {"fingerprint": "same"}})
    assert not trained.is_of(method, real, 0, "same")
    assert replace(trained, method=gmmn()).is_of(gmmn(), real, 0, "same")


def test_real_images_are_recognised_as_often_as_test_images():
    data = load("digits")
    by = recogniser(data, data.test, epochs=12, network=ConvNet(width=8), compute=COMPUTE)
    found = recognised(data.test, data, by, COMPUTE)
    assert found["images"] == found["test"] > 60
    assert set(found["of_class"]) == set(data.test.class_names)


def test_images_of_wrong_classes_are_not_recognised():
    data = load("digits")
    shifted = replace(data.test, labels=data.test.labels.roll(len(data.test) // 2))
    wrong = ImageSet.of(shifted.images, shifted.labels, data.test.class_names, preprocessing=data.test.preprocessing)
    by = recogniser(data, wrong, epochs=12, network=ConvNet(width=8), compute=COMPUTE)
    found = recognised(wrong, data, by, COMPUTE)
    assert found["images"] < 20 < found["test"]


def test_the_same_network_is_trained_again():
    data, how = load("digits"), {"epochs": 2, "network": ConvNet(width=4), "compute": COMPUTE}
    first, second = (recognised(data.test, data, recogniser(data, data.test, **how), COMPUTE) for _ in range(2))
    assert first == second


def test_the_command_says_how_many_are_recognised(condense, folder, tmp_path):
    said = condense("sample", folder, "--ipc", 2, "--check", 1, "--out", tmp_path / "new", "--device", "cpu")[1]
    assert "% of them are taken for what they are by a network that gets" in " ".join(said.split())
    assert CondensedSet.load(tmp_path / "new").card["recognised"]["epochs"] == 1


def test_the_network_that_recognises_sees_mirror_images_where_they_mean_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    recipes: list[Recipe] = []

    def note(learner: object, sets: object, recipe: Recipe, *_: object) -> None:
        recipes.append(recipe)

    monkeypatch.setattr("condensation.evaluation.gan_test.train_together", note)
    for name in ("fashion-mini", "digits"):
        data = load(name)
        recogniser(data, data.test, epochs=1, network=ConvNet(width=4), compute=COMPUTE)
    clothes, digits = (recipe.augmentation for recipe in recipes)
    assert isinstance(clothes, DSA)
    assert clothes.operations == ("flip",)
    assert digits is None
