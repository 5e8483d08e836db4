import numpy as np
import pytest
import torch

from condensation.data.load import from_arrays, load as load_data
from condensation.data.settings import DataSettings
from tests.data.refusals import refusal

LABELS = np.arange(20) % 2


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def load(images, labels=LABELS, **settings):
    return from_arrays(images, labels, images, labels, **settings)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((20, 6, 5), (1, 6, 5)),
        ((20, 6, 5, 3), (3, 6, 5)),
        ((20, 6, 5, 1), (1, 6, 5)),
        ((20, 3, 6, 5), (3, 6, 5)),
        ((20, 1, 6, 5), (1, 6, 5)),
        ((20, 3, 6, 3), (6, 3)),
    ],
)
def test_layouts(shape, expected):
    if len(expected) == 2:  # both ends could be channels: the last for an array, the first for a tensor
        assert load(pixels(*shape)).train.shape == (3, 3, 6)
        assert load(torch.from_numpy(pixels(*shape))).train.shape == (3, 6, 3)
    else:
        assert load(pixels(*shape)).train.shape == expected
        assert load(torch.from_numpy(pixels(*shape))).train.shape == expected


def test_channels_last_are_moved_not_reshaped():
    images = pixels(20, 6, 5, 3)
    data = load(images)
    assert torch.equal(data.train.images[0], torch.from_numpy(images[0]).permute(2, 0, 1))
    assert torch.equal(data.train.images[10], torch.from_numpy(images[1]).permute(2, 0, 1))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, torch.bfloat16])
def test_floats_are_stored_as_bytes(dtype):
    exact = torch.from_numpy(pixels(20, 4, 4))
    floats = exact.double() / 255
    images = floats.to(dtype) if isinstance(dtype, torch.dtype) else floats.numpy().astype(dtype)
    stored = load(images).train.images
    assert stored.dtype == torch.uint8
    assert (stored.int() - load(exact).train.images.int()).abs().max() <= (1 if dtype == torch.bfloat16 else 0)


def test_read_only_reversed_and_listed_input():
    images = pixels(20, 4, 4)
    images.setflags(write=False)
    assert load(images[:, ::-1]).train.shape == (1, 4, 4)
    assert load(images, LABELS.tolist()).train.counts == {0: 10, 1: 10}
    assert load(images, torch.from_numpy(LABELS)).train.counts == {0: 10, 1: 10}


def test_the_callers_array_is_not_shared():
    images = pixels(20, 4, 4)
    data = load(images)
    before = data.train.images.clone()
    images[:] = 0
    assert torch.equal(data.train.images, before)


def test_a_fifth_of_each_class_is_set_aside_and_always_the_same():
    labels = np.repeat([0, 1, 2], [50, 10, 2])
    images = np.arange(62, dtype=np.uint8)[:, None, None] * np.ones((4, 4), dtype=np.uint8)
    data, again = from_arrays(images, labels), from_arrays(images, labels)
    assert data.test.counts == {0: 10, 1: 2, 2: 1}
    assert data.train.counts == {0: 40, 1: 8, 2: 1}
    assert "13 of 62 images" in data.note
    assert data.test.fingerprint() == again.test.fingerprint()
    seen = torch.cat([data.train.images[:, 0, 0, 0], data.test.images[:, 0, 0, 0]])
    assert sorted(seen.tolist()) == list(range(62))


def test_class_names_and_mirroring():
    data = load(pixels(20, 4, 4), class_names=["cat", "dog"])
    assert data.train.class_names == data.test.class_names == ("cat", "dog")
    assert data.train.flip_invariant
    assert not load(pixels(20, 4, 4), name="MNIST").train.flip_invariant
    assert not load(pixels(20, 4, 4), flip_invariant=False).test.flip_invariant


def test_size_resizes_arrays():
    data = load(pixels(20, 8, 12, 3), size=4)
    assert data.train.shape == (3, 4, 4)
    flat = np.full((20, 8, 12), 77, dtype=np.uint8)
    assert (load(flat, size=5).test.images == 77).all()


@pytest.mark.parametrize(
    ("images", "labels", "settings", "value"),
    [
        (pixels(20, 4, 4).astype(np.int64) - 1, LABELS, {}, "-1 to"),
        (pixels(20, 4, 4).astype(complex), LABELS, {}, "complex128"),
        (np.array([["a"]]), LABELS, {}, "<U1"),
        (pixels(20, 4, 4) / 100, LABELS, {}, "2.55"),
        (np.full((20, 4, 4), np.nan), LABELS, {}, "NaN"),
        (pixels(20, 0, 4), LABELS, {}, "(20, 0, 4)"),
        (pixels(0, 4, 4), LABELS[:0], {}, "(0, 4, 4)"),
        (pixels(20, 4, 4, 4), LABELS, {}, "(20, 4, 4, 4)"),
        (pixels(20, 4), LABELS, {}, "(20, 4)"),
        (pixels(20, 4, 4), LABELS[:-1], {}, "19 labels"),
        (pixels(20, 4, 4), LABELS.astype(float), {}, "float64"),
        (pixels(20, 4, 4), np.eye(2)[LABELS] * 0.5, {}, "Row 0"),
        (pixels(20, 4, 4), np.ones((20, 2)), {}, "Row 0"),
        (pixels(20, 4, 4), [[0], [1, 2]], {}, "object"),
        (pixels(20, 4, 4), LABELS * 2, {}, "Class 1"),
        (pixels(20, 4, 4), LABELS + 1, {}, "Class 0"),
        (pixels(20, 4, 4), LABELS - 1, {}, "-1 to 0"),
        (pixels(20, 4, 4), LABELS * 10**12, {}, "to 1000000000000"),
        (pixels(20, 4, 4), LABELS * 0, {}, "'0'"),
        (pixels(20, 4, 4), LABELS, {"class_names": ["a"]}, "0..0"),
        (pixels(20, 4, 4), LABELS, {"class_names": []}, "got 1"),
        (pixels(20, 4, 4), LABELS, {"preprocessing": "published"}, "cifar10"),
        (pixels(20, 4, 4), LABELS, {"preprocessing": "published", "name": "cifar10"}, "3 channels"),
        ([np.zeros((4, 4)), np.zeros((4, 5))], [0, 1], {}, "shape"),
    ],
)
def test_bad_input(images, labels, settings, value):
    assert value in refusal(load, images, labels, **settings).message


@pytest.mark.parametrize(
    ("test_images", "test_labels", "value"),
    [
        (pixels(4, 4, 4), None, "test_labels"),
        (pixels(4, 4, 4), [0, 1, 2, 1], "0..1"),
        (pixels(4, 4, 4), [0, 1, -1, 1], "-1"),
        (pixels(4, 4, 4), [0, 1], "2 labels"),
        (pixels(4, 4, 5), [0, 1, 0, 1], "(1, 4, 5)"),
        (pixels(4, 4, 4, 3), [0, 1, 0, 1], "(3, 4, 4)"),
    ],
)
def test_bad_test_split(test_images, test_labels, value):
    assert value in refusal(from_arrays, pixels(20, 4, 4), LABELS, test_images, test_labels).message


def test_one_image_cannot_be_split():
    error = refusal(from_arrays, pixels(3, 4, 4), [0, 0, 1])
    assert "'1'" in error.message
    assert error.hint


@pytest.mark.parametrize("source", [pixels(20, 4, 4), [pixels(4, 4)], 3, None])
def test_load_of_something_else_names_the_other_functions(source):
    error = refusal(load_data, source)
    assert type(source).__name__ in error.message
    assert "from_arrays" in error.hint
    assert "from_dataset" in error.hint


@pytest.mark.parametrize("labels", [LABELS[:, None], np.eye(2)[LABELS], torch.eye(2, dtype=torch.int64)[torch.from_numpy(LABELS)]])
def test_columns_of_labels_and_one_hot_labels_are_read(labels):
    assert from_arrays(pixels(20, 4, 4), labels).train.fingerprint() == from_arrays(pixels(20, 4, 4), LABELS).train.fingerprint()


def test_soft_labels_have_a_hint():
    assert "argmax" in refusal(from_arrays, pixels(20, 4, 4), np.full((20, 2), 0.5)).hint


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"source": " "}, "data.source"),
        ({"size": "big"}, "data.size"),
        ({"size": 0}, "data.size"),
        ({"fit": "stretch"}, "data.fit"),
        ({"columns": "image"}, "data.columns"),
        ({"preprocessing": "zcaa"}, "data.preprocessing"),
        ({"preprocessing": "published"}, "data.preprocessing"),
        ({"classes": ("x",)}, "data.classes"),
    ],
)
def test_errors_of_settings_name_the_setting(settings, setting):
    error = refusal(lambda: DataSettings(**{"source": "digits"} | settings).load())
    assert error.setting == setting
    assert error.hint


def test_a_later_task_has_some_of_the_named_classes():
    names, labels = list("abcd"), np.arange(20) % 2
    first, later = (load(pixels(20, 8, 8, seed=seed), labels + low, class_names=names) for seed, low in ((0, 0), (1, 2)))
    assert (later.train.classes, later.test.classes, later.train.class_names) == ((2, 3), (2, 3), tuple("abcd"))
    assert "a, b" in later.note
    later = load(pixels(20, 8, 8, seed=1), labels + 2, class_names=names, preprocessing=first.train.preprocessing)
    assert first.train.concat(later.train).classes == (0, 1, 2, 3)
    dropped = load(pixels(20, 8, 8), labels + 2, class_names=names, drop_empty=True)
    assert (dropped.train.classes, dropped.train.class_names) == ((0, 1), ("c", "d"))


def test_a_preprocessing_of_other_images_is_refused():
    colour = load(pixels(20, 8, 8, 3), np.arange(20) % 2).train.preprocessing
    assert refusal(load, pixels(20, 8, 8), np.arange(20) % 2, preprocessing=colour).setting == "data.preprocessing"
