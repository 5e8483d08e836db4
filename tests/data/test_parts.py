"""Training and test parts under any names, in folders and tables."""

import json
import unicodedata

import numpy as np
import pytest

from condensation.core.errors import CondensationError
from condensation.data.dataset import ReadOptions
from condensation.data.load import load
from condensation.data.parts import choose_parts, part_kind
from condensation.data.settings import DataSettings

from .pictures import picture, write_classes
from .refusals import refusal

ANIMALS = ("cat", "dog")


def write_parts(folder, **counts):
    """Write parts with ``counts`` images per class, all different; ``__`` in a name becomes a sub-folder."""
    for place, (part, count) in enumerate(counts.items()):
        for number, name in enumerate(ANIMALS):
            below = folder / part.replace("__", "/") / name
            below.mkdir(parents=True)
            for index in range(count):
                picture(1000 * place + 100 * number + index).save(below / f"{index}.png")


def counts(data):
    return list(data.train.counts.values()), list(data.test.counts.values())


def test_forms_of_part_names():
    training = [
        "train",
        "Training",
        "training_set",
        "train-set",
        "trainset",
        "Train Set",
        "train2017",
        "train_images",
        "images-train",
        "TRAIN ",
    ]
    assert {part_kind(name) for name in training} == {"train", "training"}
    testing = [
        "test_set",
        "Testset",
        "testing",
        "val",
        "valid",
        "Validation Set",
        "validation-set",
        "val2017",
        "dev",
        "eval",
        "test images",
    ]
    assert all(part_kind(name) not in (None, "train", "training") for name in testing)
    assert not any(map(part_kind, ["test_tube", "training shoes", "trainer", "train 12", "valley", "cat", "", "contest"]))


def test_chosen_parts():
    assert choose_parts(["val", "train", "test", "more"], ReadOptions(), "x").tests == ("test", "val")
    assert choose_parts(["a", "b"], ReadOptions(), "x") is None
    parts = choose_parts(["a", "Bee_1", "c"], ReadOptions(train="c", test="bee 1"), "x")
    assert (parts.train, parts.tests, parts.others) == ("c", ("Bee_1",), ("a",))
    assert choose_parts(["my_train", "my_test"], ReadOptions(), "x").train == "my_train"
    assert choose_parts(["a", "b"], ReadOptions(test="a"), "x").train == "b"
    for names, options, setting in (
        (["a", "b", "c"], ReadOptions(test="a"), "data.train"),
        (["train", "test"], ReadOptions(test="train"), "data.train"),
        (["train", "test"], ReadOptions(train="test", test="test"), "data.test"),
        (["train", "test"], ReadOptions(test="vale"), "data.test"),
        (["train", "test"], ReadOptions(train="vale"), "data.train"),
    ):
        assert refusal(choose_parts, names, options, "x").setting == setting


@pytest.mark.parametrize(
    "names", [("training_set", "test_set"), ("seg_train__seg_train", "seg_test__seg_test"), ("a__b__Train", "a__b__Val2017")]
)
def test_parts_under_usual_names(tmp_path, names):
    write_parts(tmp_path, **dict(zip(names, (4, 2), strict=True)))
    data = load(tmp_path)
    assert data.train.class_names == ANIMALS
    assert counts(data) == ([4, 4], [2, 2])
    assert np.array_equal(data.test.images[2].permute(1, 2, 0).numpy(), np.asarray(picture(1100)))


def test_one_folder_around_all_classes_is_told(tmp_path):
    write_classes(tmp_path / "archive" / "flowers")
    data = load(tmp_path)
    assert data.train.class_names == ("a", "b", "c")
    assert str(tmp_path / "archive" / "flowers") in data.note


def test_parts_under_unknown_names_are_asked_for(tmp_path):
    write_parts(tmp_path, alpha=4, beta=2)
    error = refusal(load, tmp_path)
    assert error.setting == "data.train"
    assert "data.train=alpha data.test=beta" in error.hint
    assert counts(load(tmp_path, train="alpha", test="beta")) == ([4, 4], [2, 2])
    assert counts(load(tmp_path, test="alpha")) == ([2, 2], [4, 4])
    assert load(tmp_path, train=".").train.class_names == ("alpha", "beta")


def test_parts_inside_of_classes_are_refused(tmp_path):
    for name in ANIMALS:
        write_classes(tmp_path / name, ("test", "train"))
    assert refusal(load, tmp_path).setting == "data.train"


@pytest.mark.parametrize(
    "below", [{"a": "123", "b": "1", "c": ""}, {"a": ["2019", "2020"], "b": ["2019", "2020"]}, {"a": ["im"], "b": ["im"]}]
)
def test_folders_inside_of_classes_are_read(tmp_path, below):
    for name, inside in below.items():
        write_classes(tmp_path / name, tuple(inside or "."), count=4)
    data = load(tmp_path)
    assert data.train.class_names == tuple(below)
    assert [sum(each) for each in zip(*counts(data), strict=True)] == [4 * max(len(inside), 1) for inside in below.values()]


def test_parts_of_images_without_classes_are_no_classes(tmp_path):
    write_classes(tmp_path, ("train", "test"))
    assert "no class folders" in refusal(load, tmp_path).message


def test_a_part_is_chosen_and_the_others_are_told(tmp_path):
    write_parts(tmp_path, train=3, test=1, val=2)
    data = load(tmp_path, test="VAL")
    assert counts(data) == ([3, 3], [2, 2])
    assert data.note == "Parts that were not read: test."
    assert counts(load(tmp_path)) == ([3, 3], [1, 1])


@pytest.mark.parametrize("place", ["test", "test/images", "test/unknown/deep"])
def test_a_test_part_without_labels_gives_way_to_the_validation_part(tmp_path, place):
    write_parts(tmp_path, train=5, val=2)
    (tmp_path / place).mkdir(parents=True)
    picture(9).save(tmp_path / place / "1.png")
    data = load(tmp_path)
    assert counts(data) == ([5, 5], [2, 2])
    assert data.note == "There are no labelled images in test. The test split is val."
    error = refusal(load, tmp_path, test="test")
    assert error.setting == "data.test"


def test_a_test_part_without_labels_alone_is_told(tmp_path):
    write_parts(tmp_path, train=5)
    (tmp_path / "test").mkdir()
    picture(9).save(tmp_path / "test" / "1.png")
    data = load(tmp_path)
    assert counts(data) == ([4, 4], [1, 1])
    assert "no labelled images in test" in data.note
    assert "held out" in data.note


def test_empty_class_folders(tmp_path):
    write_parts(tmp_path, train=4, test=2)
    (tmp_path / "train" / "ant").mkdir()
    (tmp_path / "test" / "bee").mkdir()
    assert refusal(load, tmp_path).setting == "data.drop_empty"
    data = load(tmp_path, drop_empty=True)
    assert data.train.class_names == ANIMALS
    assert counts(data) == ([4, 4], [2, 2])
    assert "ant" in data.note
    assert "bee" not in data.note


def test_names_in_two_forms_of_unicode(tmp_path):
    for part, form in (("train", "NFC"), ("test", "NFD")):
        write_classes(tmp_path / part, tuple(unicodedata.normalize(form, name) for name in ("café", "thé")))
    data = load(tmp_path)
    assert data.train.class_names == data.test.class_names == tuple(unicodedata.normalize("NFC", name) for name in ("café", "thé"))
    assert data.only([unicodedata.normalize("NFD", "thé")]).train.classes == (1,)
    write_classes(tmp_path / "train", (unicodedata.normalize("NFD", "café"),))
    assert "two forms of Unicode" in refusal(load, tmp_path).message


def test_parts_of_a_table(tmp_path):
    rows = ["path,label,split"]
    for number in range(12):
        picture(number).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{'ab'[number % 2]},{('Train_Set', 'first', 'second')[number // 4]}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    assert refusal(load, tmp_path / "t.csv").setting == "data.train"
    data = load(tmp_path / "t.csv", test="second")
    assert counts(data) == ([2, 2], [2, 2])
    assert np.array_equal(data.test.images[0].permute(1, 2, 0).numpy(), np.asarray(picture(8)))


def test_test_rows_without_labels_give_way_to_the_validation_rows(tmp_path):
    rows = ["path,label,split"]
    for number in range(14):
        picture(number).save(tmp_path / f"{number}.png")
        part = ("train", "val", "test")[number // 6]
        rows.append(f"{number}.png,{'' if part == 'test' else 'ab'[number % 2]},{part}")
    table = tmp_path / "t.csv"
    table.write_text("\n".join(rows))
    data = load(table)
    assert counts(data) == ([3, 3], [3, 3])
    assert "no labelled images in test" in data.note
    assert refusal(load, table, test="test").setting == "data.test"
    table.write_text("\n".join([*rows, "0.png,,val"]))
    assert "line 16" in refusal(load, table).message


def test_data_with_fixed_parts():
    assert refusal(load, "digits", test="val").setting == "data.test"


def test_a_choice_of_parts_has_its_own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CONDENSATION_CACHE", str(tmp_path / "cache"))
    write_parts(tmp_path / "data", train=3, test=1, val=2)
    for _ in range(2):
        assert counts(load(tmp_path / "data", test="val"))[1] == [2, 2]
        assert counts(load(tmp_path / "data"))[1] == [1, 1]


def test_settings_reach_the_reader(tmp_path):
    write_parts(tmp_path, alpha=3, beta=2)
    settings = DataSettings(str(tmp_path), train="alpha", test="beta", drop_empty=True)
    assert counts(settings.load()) == ([3, 3], [2, 2])
    assert json.loads(json.dumps(settings.__dict__))["test"] == "beta"


def test_classes_to_keep():
    with pytest.raises(CondensationError) as refused:
        DataSettings(classes=())
    assert refused.value.setting == "data.classes"
    error = refusal(DataSettings("fashion-mini", classes=("Sandals",)).load)
    assert "'Sandal'" in error.message
