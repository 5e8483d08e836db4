"""Duplicates in the training and test split."""

import time

import numpy as np
import pytest
import torch

from condensation.data import duplicates
from condensation.data.duplicates import find_duplicates, find_repeated
from condensation.data.load import from_arrays


def images(count, shape=(3, 8, 8), seed=0):
    return torch.randint(0, 256, (count, *shape), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def by_looking_at_all_pairs(train, test):
    return [n for n, image in enumerate(test) if any(torch.equal(image, other) for other in train)]


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 3, 3), (1, 1, 1), (1, 5, 7)])
def test_duplicates_equal_a_comparison_of_all_pairs(shape):
    train, test = images(40, shape), images(30, shape, seed=1)
    test[[3, 17, 29]] = train[[5, 5, 0]]
    indices = find_duplicates(train, test).tolist()
    assert indices == by_looking_at_all_pairs(train, test)
    assert {3, 17, 29} <= set(indices)


def test_a_bit_is_a_difference():
    train = images(10)
    test = train.clone()
    test[:, 0, 0, 0] ^= 1
    assert find_duplicates(train, test).tolist() == []


def test_equal_hashes_are_verified(monkeypatch):
    monkeypatch.setattr(duplicates, "hash_rows", lambda rows: np.zeros(len(rows), dtype=np.uint64))
    assert find_duplicates(images(10), images(10, seed=1)).tolist() == []


def test_the_order_of_axes_in_memory_is_no_matter():
    train = images(6).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert find_duplicates(train, images(6)).tolist() == list(range(6))


def test_many_alike_images_take_no_longer():
    started = time.perf_counter()
    assert (
        len(find_duplicates(torch.zeros((20_000, 1, 8, 8), dtype=torch.uint8), torch.zeros((5_000, 1, 8, 8), dtype=torch.uint8))) == 5_000
    )
    assert time.perf_counter() - started < 5  # some 0.02 s; every pair would be 10^8 comparisons


def test_duplicates_in_arrays_are_warned_about(caplog):
    pixels = images(12).numpy()
    data = from_arrays(pixels, [0, 1] * 6, pixels[:4], [0, 1, 0, 1])
    assert data.details["in_both"] == 4
    assert "4 of 4 test images" in caplog.text


def test_repeated_images_are_found_once():
    images = torch.randint(0, 256, (6, 1, 3, 3), dtype=torch.uint8)
    images[4], images[5] = images[1], images[1]
    assert find_repeated(images).tolist() == [4, 5]
    assert find_repeated(images[:4]).tolist() == []
