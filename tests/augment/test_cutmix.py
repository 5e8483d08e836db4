"""CutMix: one box per batch, another image of the batch inside it, targets mixed by area."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from condensation import Rng
from condensation.augment.cutmix import cutmix

N, SIDE = 12, 16


def numbered(n: int = N) -> Tensor:
    """Return images whose pixels all hold the number of the image."""
    return torch.arange(n, dtype=torch.float32).view(-1, 1, 1, 1).expand(n, 2, SIDE, SIDE).contiguous()


@pytest.mark.parametrize("seed", range(8))
def test_a_mixed_batch_has_one_box_and_targets_of_its_area(seed: int) -> None:
    images, targets = cutmix(numbered(), torch.arange(N), [Rng(seed)], 1.0, N)
    foreign = images != numbered()
    assert torch.equal(foreign[:, 0], foreign[:, 1])
    boxes = foreign[:, 0].any(0)  # a fixed point of the permutation shows no box
    rows, columns = boxes.any(1), boxes.any(0)
    assert torch.equal(boxes, rows[:, None] & columns[None])
    area = float(boxes.float().mean())
    for number in range(N):
        inside = images[number, 0][boxes]
        partner = int(inside[0]) if len(inside) else number
        assert (inside == partner).all()
        expected = torch.zeros(N)
        expected[number] += 1 - area
        expected[partner] += area
        torch.testing.assert_close(targets[number], expected)


def test_the_area_is_uniform_before_clipping() -> None:
    # The expected area of a box of area U(0, 1) around a uniform centre, clipped to the image; by integration about 0.29.
    areas = [1 - float(cutmix(numbered(2), torch.arange(2), [Rng(seed)], 1.0, 2)[1].diagonal().mean()) for seed in range(600)]
    swapped = [area for area in areas if area > 0]  # half of the permutations of two images are the identity
    assert 0.4 < len(swapped) / len(areas) < 0.6
    assert 0.24 < sum(swapped) / len(swapped) < 0.36


def test_the_probability_is_that_of_a_batch() -> None:
    mixed = [not torch.equal(cutmix(numbered(), torch.arange(N), [Rng(seed)], 0.5, N)[0], numbered()) for seed in range(200)]
    assert 70 < sum(mixed) < 130


def test_without_a_box_labels_become_one_hot_targets() -> None:
    images, targets = cutmix(numbered(), torch.arange(N) % 3, [Rng(0)], 0.0, 3)
    assert torch.equal(images, numbered())
    assert torch.equal(targets, torch.nn.functional.one_hot(torch.arange(N) % 3, 3).float())


def test_batches_of_several_networks_are_mixed_as_alone() -> None:
    rngs = [Rng(1), Rng(2)]
    images, targets = cutmix(torch.cat([numbered(), numbered() + 50]), torch.arange(2 * N) % N, rngs, 1.0, N)
    for k, rng in enumerate(rngs):
        alone = cutmix(numbered() + 50 * k, torch.arange(N), [rng], 1.0, N)
        assert torch.equal(images[k * N : (k + 1) * N], alone[0])
        assert torch.equal(targets[k * N : (k + 1) * N], alone[1])


def test_soft_targets_are_mixed() -> None:
    soft = torch.rand(N, 4).softmax(1)
    _, targets = cutmix(numbered(), soft, [Rng(3)], 1.0, 4)
    torch.testing.assert_close(targets.sum(1), torch.ones(N))
    torch.testing.assert_close(targets.mean(0), soft.mean(0))  # a permutation keeps the mean
