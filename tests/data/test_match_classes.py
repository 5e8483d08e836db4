"""Classes of the training and the test split, matched by name."""

import numpy as np
import pytest
import torch

from condensation.data.from_dataset import from_dataset
from condensation.data.load import from_arrays, load

from .pictures import picture
from .refusals import refusal

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 6, 6), dtype=np.uint8)
LABELS = [0, 1] * 4
REVERSED = ["dog", "cat"]


class Items:
    """A minimal data set with ``classes``."""

    def __init__(self, labels, classes=None, first=0):
        self.items = [(PIXELS[first + place], label) for place, label in enumerate(labels)]
        self.classes = classes

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def hub(labels, names=None, first=0):
    datasets = pytest.importorskip("datasets", reason="the extra 'hub' is not installed")
    kind = datasets.ClassLabel(names=names) if names else datasets.Value("string" if isinstance(labels[0], str) else "int64")
    features = datasets.Features({"image": datasets.Image(), "label": kind})
    images = [picture(first + place) for place in range(len(labels))]
    return datasets.Dataset.from_dict({"image": images, "label": labels}, features=features)


def saved(folder, labels, names, first, part):
    np.savez(folder / f"{part}.npz", images=PIXELS[first : first + len(labels)], labels=labels, class_names=np.array(names))


def table(folder, labels, names, first, part):
    lines = [] if part == "test" else ["path,label,split"]
    for place, label in enumerate(labels):
        picture(first + place).save(folder / f"{first + place}.png")
        lines.append(f"{first + place}.png,{names[label]},{part}")
    with open(folder / "table.csv", "a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def read(kind, tmp_path, test_labels, test_names, names=("cat", "dog"), labels=tuple(LABELS), **settings):
    """Return data of ``kind``, whose test split starts with image 8."""
    labels, names = list(labels), list(names)
    if kind == "objects":
        return from_dataset(Items(labels, names), Items(test_labels, test_names, 8), **settings)
    if kind == "hub":
        return from_dataset(hub(labels, names), hub(test_labels, test_names, 8), **settings)
    if kind == "saved hub":
        import datasets

        datasets.DatasetDict(train=hub(labels, names), test=hub(test_labels, test_names, 8)).save_to_disk(str(tmp_path / "saved"))
        return load(tmp_path / "saved", **settings)
    if kind == "parquet":
        hub(labels, names).to_parquet(str(tmp_path / "train.parquet"))
        hub(test_labels, test_names, 8).to_parquet(str(tmp_path / "test.parquet"))
        return load(tmp_path, **settings)
    if kind == "texts":
        return from_dataset(hub(labels, names), hub([test_names[label] for label in test_labels], None, 8), **settings)
    write = saved if kind == "npz" else table
    write(tmp_path, labels, names, 0, "train")
    write(tmp_path, test_labels, test_names, 8, "test")
    return load(tmp_path if kind == "npz" else tmp_path / "table.csv", **settings)


KINDS = ["objects", "hub", "saved hub", "parquet", "texts", "npz", "table"]


@pytest.mark.parametrize("kind", KINDS)
def test_another_order_of_names(kind, tmp_path):
    data = read(kind, tmp_path, [0, 1, 1], REVERSED)
    assert data.train.class_names == data.test.class_names == ("cat", "dog")
    assert data.test.labels.tolist() == [0, 0, 1]
    dog = data.test.images[2].permute(1, 2, 0).numpy()
    expected = PIXELS[8][..., None] if kind in ("objects", "npz") else np.asarray(picture(8))
    assert np.array_equal(dog, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_train_lacks(kind, tmp_path):
    assert "'emu'" in refusal(read, kind, tmp_path, [0, 1, 2], [*REVERSED, "emu"]).message


@pytest.mark.parametrize("kind", ["objects", "hub", "saved hub", "parquet", "npz"])
def test_a_name_without_images_in_the_test_split(kind, tmp_path):
    assert read(kind, tmp_path, [1, 2], ["emu", *REVERSED]).test.labels.tolist() == [0, 1]


@pytest.mark.parametrize("kind", ["objects", "hub", "saved hub", "parquet", "npz"])
def test_a_name_without_training_images_is_left_out(kind, tmp_path):
    names = ["cat", "emu", "dog"]
    arguments = (kind, tmp_path, [0, 2, 2], ["dog", "emu", "cat"], names, [0, 2] * 4)
    error = refusal(read, *arguments)
    assert error.setting == "data.drop_empty"
    assert "'emu'" in error.message
    data = read(*arguments, drop_empty=True)
    assert data.train.class_names == ("cat", "dog")
    assert data.train.labels.tolist() == [0] * 4 + [1] * 4
    assert data.test.labels.tolist() == [0, 0, 1]
    assert "emu" in data.note


def test_a_class_left_out_may_not_be_tested():
    train, test = Items([0, 2] * 4, ["cat", "emu", "dog"]), Items([0, 1], ["cat", "emu", "dog"], 8)
    assert "'emu'" in refusal(from_dataset, train, test, drop_empty=True).message


def test_numbers_with_gaps_are_left_out():
    assert refusal(from_arrays, PIXELS[:8], [1, 5] * 4).setting == "data.drop_empty"
    data = from_arrays(PIXELS[:8], [1, 5] * 4, PIXELS[8:10], [5, 1], drop_empty=True)
    assert data.train.class_names == ("1", "5")
    assert torch.equal(data.test.images[0, 0], torch.from_numpy(PIXELS[9]))
    assert "'2'" in refusal(from_arrays, PIXELS[:8], [1, 5] * 4, PIXELS[8:10], [5, 2], drop_empty=True).message


@pytest.mark.parametrize("make", [Items, hub])
def test_given_names_are_those_of_the_training_labels(make):
    data = from_dataset(make(LABELS, ["cat", "dog"]), make([0, 1, 1], REVERSED, 8), class_names=["Katze", "Hund"])
    assert data.test.class_names == ("Katze", "Hund")
    assert data.test.labels.tolist() == [0, 0, 1]
    assert "order" in refusal(from_dataset, make(LABELS, ["cat", "dog"]), class_names=REVERSED).message
    text = from_dataset(make(["cat", "dog"] * 4), class_names=REVERSED)
    assert text.train.class_names == ("dog", "cat")
    assert "'dog'" in refusal(from_dataset, make(["cat", "dog"] * 4), class_names=["cat", "emu"]).message


@pytest.mark.parametrize("make", [Items, hub])
def test_labels_of_two_kinds(make):
    refusal(from_dataset, make(["cat", "dog"] * 4), make([0, 1], None, 8))
    refusal(from_dataset, make(LABELS), make(["cat", "dog"], None, 8))


def test_labels_without_a_class_are_counted():
    for call, arguments in ((from_arrays, (PIXELS[:8], [0, 1] * 3 + [-1, -1])), (from_dataset, (hub([0, 1] * 3 + [-1, -1], ["a", "b"]),))):
        assert refusal(call, *arguments).message.startswith("2 of 8 labels")


@pytest.mark.parametrize("column", [np.array(LABELS)[:, None], torch.tensor(LABELS)[:, None], np.array(["a", "b"] * 4)[:, None]])
def test_a_column_of_labels(column):
    assert from_arrays(PIXELS[:8], column).train.labels.tolist() == [0] * 3 + [1] * 3


def test_items_with_labels_in_arrays():
    assert from_dataset(Items([np.array([label]) for label in LABELS])).train.counts == {0: 3, 1: 3}


def test_forms_of_unicode_of_labels():
    composed, decomposed = "caf\xe9", "cafe\u0301"
    data = from_arrays(PIXELS[:8], [composed, "x", decomposed, "x"] * 2, PIXELS[8:10], [decomposed, "x"])
    assert data.train.class_names == (composed, "x")
    assert data.train.counts == {0: 4, 1: 4}
    assert data.test.labels.tolist() == [0, 1]
    assert from_arrays(PIXELS[:8], LABELS, class_names=[decomposed, "x"]).train.class_names == (composed, "x")


@pytest.mark.parametrize("digits", [20, 5000])
def test_long_numbers_are_text(digits, tmp_path):
    names = ["9" * digits, "8" * digits]
    table(tmp_path, LABELS, names, 0, "train")
    assert load(tmp_path / "table.csv").train.class_names == tuple(reversed(names))
    assert from_dataset(hub([names[label] for label in LABELS])).train.class_names == tuple(reversed(names))
    assert "bits" in refusal(from_dataset, Items([10**digits, 0])).message
