"""Objects with a length and items (image, label)."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from condensation.data.from_dataset import from_dataset
from condensation.data.load import from_arrays

from .pictures import picture
from .refusals import refusal


class Items:
    """A minimal data set: a length and items."""

    def __init__(self, items, **about):
        self.items = items
        self.__dict__.update(about)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def pixels(count=12, channels=3):
    return np.random.default_rng(0).integers(0, 256, (count, 6, 9, channels), dtype=np.uint8)


LABELS = [0, 1] * 6

KINDS = {
    "array": lambda image: image,
    "float array": lambda image: image / np.float32(255),
    "tensor": lambda image: torch.from_numpy(image).permute(2, 0, 1),
    "float tensor": lambda image: torch.from_numpy(image).permute(2, 0, 1) / 255,
    "half tensor": lambda image: (torch.from_numpy(image).permute(2, 0, 1) / 255).double(),
    "Pillow": lambda image: Image.fromarray(image[..., 0] if image.shape[2] == 1 else image),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_image(kind, channels):
    images = pixels(channels=channels)
    data = from_dataset(
        Items([(KINDS[kind](image), label) for image, label in zip(images, LABELS, strict=True)]),
        Items([(KINDS[kind](images[0]), 1)]),
    )
    assert data.train.shape == (channels, 6, 9)
    assert torch.equal(data.train.images[0], torch.from_numpy(images[0]).permute(2, 0, 1))
    assert torch.equal(data.train.images[6], torch.from_numpy(images[1]).permute(2, 0, 1))


def test_from_dataset_equals_from_arrays():
    expected = from_arrays(pixels(), LABELS, size=5)
    data = from_dataset(Items(list(zip(pixels(), LABELS, strict=True))), size=5)
    assert torch.equal(expected.train.images, data.train.images)
    assert expected.train.fingerprint() == data.train.fingerprint()


def test_a_torch_data_set():
    data = from_dataset(TensorDataset(torch.from_numpy(pixels()).permute(0, 3, 1, 2), torch.tensor(LABELS)))
    assert data.train.counts == {0: 5, 1: 5}


@pytest.mark.parametrize("label", [int, np.int64, np.uint8, torch.tensor, np.array])
def test_every_kind_of_number(label):
    assert from_dataset(Items([(image, label(n)) for image, n in zip(pixels(), LABELS, strict=True)])).train.counts == {0: 5, 1: 5}


def test_texts_name_the_classes():
    names = ["pear", "apple", "fig10", "fig9"] * 3
    data = from_dataset(Items(list(zip(pixels(), names, strict=True))), Items([(pixels()[0], "fig9")]))
    assert data.train.class_names == ("apple", "fig9", "fig10", "pear")
    assert data.test.labels.tolist() == [1]
    assert torch.equal(data.train.images[0], torch.from_numpy(pixels()[1]).permute(2, 0, 1))


def test_names_that_are_given_or_the_objects_own():
    items = list(zip(pixels(), LABELS, strict=True))
    assert from_dataset(Items(items, classes=["cat", "dog"])).train.class_names == ("cat", "dog")
    assert from_dataset(Items(items, classes=["cat", "dog"]), class_names=["x", "y"]).train.class_names == ("x", "y")
    assert from_dataset(Items(items)).train.class_names == ("0", "1")


def test_mixed_sizes_and_modes():
    items = [(picture(n, size=(8 + n, 9), mode="L" if n == 3 else "RGBA" if n == 4 else "RGB"), n % 2) for n in range(12)]
    error = refusal(from_dataset, Items(items))
    assert error.setting == "data.size"
    assert "image 0 of dataset (train) has 8 x 9" in error.message
    assert from_dataset(Items(items), size="6x7").train.shape == (3, 6, 7)
    assert items[0][0].size == (8, 9)  # an image that is given stays as it was


@pytest.mark.parametrize(
    ("item", "value"),
    [
        (3, "Item 12 of dataset (train) is int"),
        ((1, 2, 3), "Item 12 of dataset (train) is tuple"),
        ((pixels()[0], 1.5), "label of image 12 of dataset (train) is 1.5"),
        ((pixels()[0], True), "True"),
        ((pixels()[0], None), "None"),
        ((pixels()[0], "cat"), "'cat'"),
        ((pixels()[0], 3), "Class 2"),
        ((pixels()[0], -1), "-1 to 1"),
        (("cat.png", 1), "image 12 of dataset (train) is str"),
        ((pixels()[0].astype(np.int64) - 300, 1), "image 12 of dataset (train) has pixels that are integers from -"),
        ((pixels()[0].astype(complex), 1), "image 12 of dataset (train) is complex128"),
        ((np.linspace(0, 2.55, 54).reshape(6, 9), 1), "0 to 2.55"),
        ((np.full((6, 9), np.nan), 1), "NaN"),
        ((np.zeros((6, 9, 2), dtype=np.uint8), 1), "(6, 9, 2)"),
        ((np.zeros((0, 9, 3), dtype=np.uint8), 1), "(0, 9, 3)"),
    ],
)
def test_a_bad_item_is_named(item, value):
    assert value in refusal(from_dataset, Items([*zip(pixels(), LABELS, strict=True), item])).message


def test_skip_bad_skips_bad_images():
    data = from_dataset(Items([*zip(pixels(), LABELS, strict=True), (None, 1)]), skip_bad=True)
    assert data.details["skipped"]["images"][0]["name"] == "image 12 of dataset (train)"


def test_objects_without_length_or_items():
    assert "generator" in refusal(from_dataset, (item for item in ())).message
    assert "empty" in refusal(from_dataset, Items([])).message
    assert "from_dataset(splits['train']" in refusal(from_dataset, {"train": Items([])}).hint


def test_a_class_of_the_test_part_alone():
    train = Items(list(zip(pixels(), ["a", "b"] * 6, strict=True)))
    assert "'z'" in refusal(from_dataset, train, Items([(pixels()[0], "z")])).message


def test_arrays_may_have_texts_as_labels():
    data = from_arrays(pixels(), np.array(["dog", "cat"] * 6), pixels(2), ["cat", "dog"])
    assert data.train.class_names == ("cat", "dog")
    assert torch.equal(data.train.images[0], torch.from_numpy(pixels()[1]).permute(2, 0, 1))
    assert from_arrays(pixels(), ["b", "a"] * 6, class_names=["b", "a"]).train.class_names == ("b", "a")
    message = refusal(from_arrays, pixels(), ["b", "a"] * 6, class_names=["b", "c"]).message
    assert "'a'" in message
    assert "class_names" in message


def test_arrays_of_any_size_and_fit():
    assert from_arrays(pixels(), LABELS, size=(4, 7), fit="pad").train.shape == (3, 4, 7)


def test_normalized_images_are_told_from_bad_ones():
    """Skipping would drop every image of a data set whose transform normalizes; one with NaN may be skipped."""
    normalized, nan, bright = (torch.full((3, 8, 8), value) for value in (-1.0, float("nan"), 7.0))
    errors = [refusal(from_dataset, [(image, 0), (image, 1)]) for image in (normalized, nan, bright)]
    assert [error.setting for error in errors] == ["transform", "data.skip_bad", "data.pixel_range"]
    assert ["transforms.Normalize" in error.hint for error in errors] == [True, False, False]
    assert ["skip_bad" in error.hint for error in errors] == [False, True, False]
