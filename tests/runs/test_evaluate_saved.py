from dataclasses import replace

import numpy as np
import pytest

from condensation import CondensationError, CondensedSet, ConvNet, Random, Recipe, condense
from condensation.core.compute import Compute
from condensation.core.plain import to_dict
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.evaluation.scores import TestImages
from condensation.runs.evaluate_saved import EvaluateSettings, data_of, evaluate_saved
from condensation.runs.ridge_saved import RidgeSettings, ridge_saved
from tests.small import CPU, images

QUICK = EvaluationSettings(1, ConvNet(width=4, depth=1), Recipe(epochs=2, batch=16))


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_data(folder, seed=0, side=16, test=4):
    """Data of three classes as npz files."""
    folder.mkdir(parents=True)
    for part, count, shift in (("train", 12, 0), ("test", test, 1000)):
        made = images(count, shape=(3, side, side), seed=seed + shift)
        np.savez(folder / f"{part}.npz", images=made.images.permute(0, 2, 3, 1).numpy(), labels=made.labels.numpy())


def write_set(path, settings, ipc=3, **card):
    """A set of random images that says what it was made from."""
    data = settings.load()
    about = {"name": data.name, **data.details}
    CondensedSet(condense(Random(), data.train, ipc), {"settings": {"data": to_dict(settings), **card}, "data": about}).save(path)
    return path


def scores_of(paths, **settings):
    return evaluate_saved(EvaluateSettings(evaluation=QUICK, compute=Compute(**CPU), **settings), paths)


def numbers(score):
    return score.values, score.per_class


def test_each_set_is_tested_on_the_data_that_it_was_made_from(tmp_path):
    write_data(tmp_path / "one")
    write_data(tmp_path / "two", seed=7, test=5)
    paths = [write_set(tmp_path / f"{name}.safetensors", DataSettings(f"./{name}")) for name in ("one", "two")]
    alone = [scores_of([path]) for path in paths]
    together = scores_of(paths)
    assert together.test is None
    for path, single, source in zip(paths, alone, ("./one", "./two"), strict=True):
        score = together.sets[str(path)]
        assert numbers(score) == numbers(single.sets[str(path)])
        assert score.test == TestImages(source, single.test.images)
    assert alone[0].test != alone[1].test


def test_how_images_are_read_is_each_sets_own(tmp_path):
    write_data(tmp_path / "one")
    wide = [DataSettings("./one", size="8x16", fit=fit) for fit in ("crop", "pad")]
    paths = [write_set(tmp_path / f"{one.fit}.safetensors", one) for one in wide]
    together = scores_of(paths).sets
    for path, fit in zip(paths, ("crop", "pad"), strict=True):
        assert together[str(path)].test.name == f"./one, fit {fit}"
        assert numbers(together[str(path)]) == numbers(scores_of([path]).sets[str(path)])


def test_the_same_data_are_read_once(tmp_path, monkeypatch):
    write_data(tmp_path / "one")
    # How the images were preprocessed changes none of the test images.
    paths = [write_set(tmp_path / f"{p}.safetensors", DataSettings("./one", preprocessing=p)) for p in ("standardize", "none")]
    read, load = [], DataSettings.load
    monkeypatch.setattr(DataSettings, "load", lambda self, on_progress=None: (read.append(self), load(self, on_progress))[1])
    scores = scores_of(paths)
    assert len(read) == 1
    assert scores.test == TestImages("one", 12)


def test_real_images_stand_beside_the_sets_of_their_data(tmp_path):
    write_data(tmp_path / "one")
    write_data(tmp_path / "two", seed=7)
    paths = [write_set(tmp_path / f"{name}.safetensors", DataSettings(f"./{name}")) for name in ("two", "one")]
    found = scores_of(paths, random=2, whole=True).sets
    assert list(found)[:2] == [str(path) for path in paths]
    assert [name for name in found if name.startswith("whole")] == ["whole (./two)", "whole (./one)"]
    assert numbers(found["random (./one)"]) == numbers(scores_of(paths[1:], random=2).sets["random"])


def test_a_set_that_does_not_fit_is_named(tmp_path):
    write_data(tmp_path / "one")
    write_data(tmp_path / "two", side=8)
    paths = [write_set(tmp_path / f"{name}.safetensors", DataSettings(f"./{name}")) for name in ("one", "two")]
    with pytest.raises(CondensationError, match=r"two\.safetensors: .*3x8x8.*3x16x16"):
        scores_of(paths, data={"source": "./one", "size": 16})


def test_other_data_are_read_as_the_sets_own_were(tmp_path):
    own = DataSettings("./one", folder="./elsewhere", preprocessing="none", size=8, fit="pad", skip_bad=True, columns=("img", "kind"))
    condensed = CondensedSet(images(1), {"settings": {"data": to_dict(own)}})
    assert data_of(condensed, None) == own
    assert data_of(condensed, {"source": "./two"}) == replace(own, source="./two", folder=None)
    asked = {"source": "./two", "folder": "./data", "size": "8x16", "fit": "crop"}
    assert data_of(condensed, asked) == replace(own, source="./two", folder="./data", size="8x16", fit="crop")


def test_data_are_read_as_usual_for_a_set_that_says_nothing():
    assert data_of(CondensedSet(images(1)), {"source": "./two"}) == DataSettings("./two")


@pytest.mark.parametrize("source", ["grey", "./grey"])
def test_data_that_are_elsewhere_are_told_of_by_their_set(tmp_path, monkeypatch, source):
    write_data(tmp_path / "grey")
    path = write_set(tmp_path / "a.safetensors", DataSettings(source))
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    with pytest.raises(CondensationError) as caught:
        scores_of([path])
    assert caught.value.message.startswith(f"{path} was made from {source},")
    assert str(tmp_path / "else") in caught.value.message
    assert caught.value.setting == "data.source"
    assert scores_of([path], data={"source": "../grey"}).test.images == 12


def test_a_data_folder_that_is_elsewhere_is_told_of_by_its_set(tmp_path):
    write_data(tmp_path / "data" / "grey")
    path = write_set(tmp_path / "a.safetensors", DataSettings("grey", folder=str(tmp_path / "data")))
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(CondensationError, match=r"was made from grey in the folder .*data"):
        scores_of([path])
    assert scores_of([path], data={"folder": str(tmp_path / "moved")}).test.images == 12


def test_missing_data_that_the_user_named_are_an_error_of_their_own(tmp_path):
    write_data(tmp_path / "grey")
    path = write_set(tmp_path / "a.safetensors", DataSettings("./grey"))
    with pytest.raises(CondensationError, match="nowhere"):
        scores_of([path], data={"source": "./nowhere"})


@pytest.mark.parametrize("part", [-4042, "text", [1], None])
@pytest.mark.parametrize("names", [("data",), ("settings",), ("data", "split"), ("settings", "method")])
def test_a_card_of_other_types_does_not_change_scores(tmp_path, names, part):
    write_data(tmp_path / "one")
    path = write_set(tmp_path / "one.safetensors", DataSettings("./one"))
    saved = CondensedSet.load(path)
    card = {**saved.card, names[0]: {**saved.card[names[0]], names[1]: part} if len(names) == 2 else part}
    CondensedSet(saved.images, card).save(tmp_path / "theirs.safetensors")
    paths = [path, tmp_path / "theirs.safetensors"]
    ours, theirs = (scores_of([each], data={"source": "./one"}, random=1) for each in paths)
    assert numbers(theirs.sets[str(paths[1])]) == numbers(ours.sets[str(path)])
    assert numbers(theirs.sets["random"]) == numbers(ours.sets["random"])
    ours, theirs = (ridge_saved(RidgeSettings({"source": "./one"}), [each]) for each in paths)
    assert theirs.sets[str(paths[1])].per_class == ours.sets[str(path)].per_class
