import numpy as np
import pytest
import torch

from condensation.core import memory
from condensation.core.errors import NotEnoughMemory
from condensation.core.preprocessing import Identity, Standardize, Zca
from condensation.data import fit_preprocessing as fitting
from condensation.data.fit_preprocessing import FloatBatches, value_counts
from condensation.data.load import from_arrays, load
from tests.data.refusals import refusal

COLOUR = np.random.default_rng(0).integers(0, 256, (60, 6, 6, 3), dtype=np.uint8)
LABELS = np.arange(60) % 3


def test_fitted_on_train_alone():
    data = from_arrays(COLOUR, LABELS, np.full_like(COLOUR, 255), LABELS)
    assert data.train.preprocessing is data.test.preprocessing
    inputs = data.train.inputs()
    torch.testing.assert_close(inputs.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(inputs.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_batches_are_small_and_can_be_had_twice(monkeypatch):
    images = torch.from_numpy(COLOUR).permute(0, 3, 1, 2)
    monkeypatch.setattr(fitting, "BATCH_VALUES", 108 * 7)
    batches = FloatBatches(images)
    assert [len(batch) for batch in batches] == [7] * 8 + [4]
    assert torch.equal(torch.cat(list(batches)), images.float() / 255)
    whole = Standardize.fit([images.float() / 255])
    torch.testing.assert_close(Standardize.fit(batches).std, whole.std)


def test_published_constants():
    data = load("fashion-mini", preprocessing="published")
    torch.testing.assert_close(data.train.preprocessing.mean, torch.tensor([0.2861]))
    torch.testing.assert_close(data.train.preprocessing.std, torch.tensor([0.3530]))
    colour = from_arrays(COLOUR, LABELS, name="cifar10", preprocessing="published").train.preprocessing
    torch.testing.assert_close(colour.mean, torch.tensor([0.4914, 0.4822, 0.4465]))
    torch.testing.assert_close(colour.std, torch.tensor([0.2023, 0.1994, 0.2010]))


def test_none_leaves_pixels():
    data = from_arrays(COLOUR, LABELS, preprocessing="none")
    assert data.train.preprocessing == Identity()
    assert torch.equal(data.train.inputs(), data.train.pictures())


def test_zca_whitens_colour_and_standardises_grey():
    assert isinstance(from_arrays(COLOUR, LABELS, preprocessing="zca").train.preprocessing, Zca)
    assert isinstance(load("digits", preprocessing="zca").train.preprocessing, Standardize)


def test_zca_of_many_images_takes_some_of_each_class(monkeypatch):
    monkeypatch.setattr(fitting, "ZCA_IMAGES", 20)
    images = torch.from_numpy(COLOUR).permute(0, 3, 1, 2)
    fitted = fitting.fit_preprocessing("zca", images, None, "x")
    assert fitted == Zca.fit([images[::3].float() / 255])


def test_zca_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 600_000)
    assert isinstance(refusal(from_arrays, COLOUR, LABELS, preprocessing="zca"), NotEnoughMemory)


@pytest.mark.parametrize("shape", [(60, 3, 6, 6), (7, 1, 5, 3), (2, 3, 1, 1)])
def test_counting_bytes_gives_what_summing_floats_gives(monkeypatch, shape):
    monkeypatch.setattr(fitting, "BATCH_VALUES", 200)
    images = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    expected, fast = Standardize.fit(FloatBatches(images)), Standardize.of_counts(value_counts(images))
    assert torch.equal(expected.mean, fast.mean)
    assert torch.equal(expected.std, fast.std)


def test_a_channel_that_never_changes_is_left_as_it_is():
    fast = Standardize.of_counts(value_counts(torch.full((4, 2, 3, 3), 9, dtype=torch.uint8)))
    assert fast.std.tolist() == [1.0, 1.0]
