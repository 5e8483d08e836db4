"""The bundled sets: their cards, terms and size, and the rule by which a name means one."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from condensation import CondensationError, CondensedSet, load
from condensation.artifacts.shelf import SHELF, bundled_path, bundled_sets, set_path
from condensation.evaluation.scores import Scores
from tests.artifacts.test_condensed_set import make

NAMES = tuple(bundled_sets())
LARGEST = 1_000_000  # bytes of all sets


def test_the_shelf_is_not_empty_and_small():
    assert NAMES
    assert sum(path.stat().st_size for path in bundled_sets().values()) < LARGEST


@pytest.mark.parametrize("name", NAMES)
def test_the_card_of_a_bundled_set_tells_terms_settings_and_accuracy(name):
    card = CondensedSet.bundled(name).card
    assert (card["data"]["licence"], card["data"]["images"]) == ("MIT", 60_000)
    assert card["data"]["origin"]
    assert card["settings"]["method"]["steps"] >= 1000
    (score,) = Scores.from_card(card["scores"]).sets.values()
    assert score.mean > 60  # percent: random images at one per class give 55
    assert card["settings"]["evaluation"]["networks"] == score.count > 1
    assert not [value for value in (card["settings"]["data"]["folder"], card["settings"]["compute"]["chunk"]) if value]


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_set_has_its_number_of_images_and_the_classes_of_its_data(name):
    images = CondensedSet.bundled(name).images
    assert set(images.counts.values()) == {int(name.rpartition("-")[2])}
    assert images.class_names == load("fashion-mini").train.class_names
    assert images.images.dtype == torch.float32


def test_the_licence_lies_beside_the_sets():
    for folder in {path.parent for path in bundled_sets().values()}:
        assert "Permission is hereby granted" in (folder / "LICENSE").read_text()
        assert all(name in (folder / "README.md").read_text() for name in NAMES)


def test_the_test_images_of_the_subset_fit_a_bundled_set():
    small = CondensedSet.bundled(NAMES[0])
    assert load("fashion-mini", preprocessing=small.preprocessing).test.preprocessing == small.preprocessing


def test_an_unknown_name_is_refused_with_the_known_ones():
    for refused in (lambda: CondensedSet.bundled("nonsense"), lambda: CondensedSet.load("nonsense")):
        with pytest.raises(CondensationError) as error:
            refused()
        assert all(name in error.value.hint for name in NAMES)


def test_a_name_means_the_bundled_set_unless_such_a_path_exists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = NAMES[0]
    assert set_path(Path(name)) == bundled_path(name)
    make().save(name)
    assert set_path(Path(name)) == Path(name)
    assert len(CondensedSet.load(name).images) == 6
    assert SHELF in bundled_path(name).parents


def test_a_folder_with_the_name_is_not_the_bundled_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(NAMES[0]).mkdir()
    with pytest.raises(CondensationError):
        CondensedSet.load(NAMES[0])


def test_images_of_16_bits_are_read_as_float32(tmp_path):
    made = make()
    rounded = made.images.images.half()
    CondensedSet(replace(made.images, images=rounded), made.card).save(tmp_path / "half")
    back = CondensedSet.load(tmp_path / "half").images.images
    assert back.dtype == torch.float32
    assert torch.equal(back, rounded.float())
