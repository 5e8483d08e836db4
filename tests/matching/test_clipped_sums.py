"""Class sums of clipped embeddings and their noise."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from condensation import ImageSet
from condensation.augment.dsa import DSA
from condensation.core.rng import Rng
from condensation.matching.clipped_sums import GRID, PublicMap, add_noise_, clipped, clipped_class_sums, in_units, secure_normal
from condensation.networks.convnet import ConvNet

SHAPE = (1, 16, 16)


def images(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return ImageSet.of(torch.rand(count, *SHAPE, generator=generator), torch.arange(count) % 2, ["a", "b"])


def embedding(norm):
    return ConvNet(width=4, norm=norm).build(SHAPE, 2, Rng(0)).eval().requires_grad_(False).embed


def sums(embed, real, clip, chunk=4, transform=None, public_map=PublicMap()):
    return clipped_class_sums(embed, real, transform, public_map, clip, chunk)


def plainly(embed, real, clip):
    """Class sums, one image at a time in float64."""
    total = torch.zeros(2, embed(real.images[:1]).shape[1], dtype=torch.float64)
    for image, label in zip(real.images, real.labels, strict=True):
        vector = embed(image[None])[0].double()
        total[label] += vector * min(1.0, clip / float(vector.norm()))
    return total


@pytest.mark.parametrize("clip", [0.5, 5.0, 1000.0])
def test_sums_equal_those_of_a_plain_loop(clip):
    real, embed = images(11), embedding("instance")
    exact = plainly(embed, real, clip)
    assert torch.allclose(in_units(sums(embed, real, clip), clip).double(), exact, atol=1e-5 * clip)


def worst_images(embed, clip):
    """Images that might move a sum by more than the clip: extreme, not finite, and found by ascent on the norm."""
    yield from (images(3, seed).images for seed in (1, 2))
    yield torch.stack([torch.full(SHAPE, value) for value in (0.0, 1.0, -1e3, 1e6, 1e30, torch.inf, torch.nan)])
    board = torch.arange(256).view(SHAPE) % 2
    found = torch.stack([board * 1e4, board - 0.5, torch.eye(16).expand(SHAPE)]).float().requires_grad_()
    for _ in range(20):
        (gradient,) = torch.autograd.grad(embed(found).norm(dim=1).sum(), found)
        found = (found + 0.5 * gradient.sign()).detach().requires_grad_()
    yield found.detach()


@pytest.mark.parametrize("norm", ["instance", "none"])
@pytest.mark.parametrize("clip", [0.05, 1.0, 7.0])
@pytest.mark.parametrize("mapped", [False, True])
def test_no_image_moves_the_sums_by_more_than_the_clip(norm, clip, mapped):
    embed, real = embedding(norm), images(6)
    dims = embed(real.images[:1]).shape[1]
    center, projection = Rng(1).child("c").normal((dims,)), Rng(1).child("p").normal((dims, 5))
    public_map = PublicMap(center, projection) if mapped else PublicMap()
    transform, moved = DSA(operations=("color", "scale")).per_class([0, 1], Rng(3)), []
    before = sums(embed, real, clip, transform=transform, public_map=public_map)
    for candidates in worst_images(embed, clip):
        for image in candidates:
            for label in (0, 1):
                with_it = real.concat(ImageSet.of(image[None], torch.tensor([label]), ["a", "b"]))
                change = (sums(embed, with_it, clip, transform=transform, public_map=public_map) - before).double() / GRID
                assert change.any(1).sum() <= 1  # of one class alone
                moved.append(float(change.norm()))
    assert max(moved) <= 1.0  # in clips, also after rounding
    assert max(moved) > 0.999  # the search finds images that use all of it, so the bound is not loose


def test_the_order_and_the_chunks_of_the_images_change_nothing():
    real, embed = images(13), embedding("instance")
    reverse = ImageSet.of(real.images.flip(0), real.labels.flip(0), ["a", "b"])
    for chunk in (1, 5):
        assert torch.equal(sums(embed, real, 2.0, chunk), sums(embed, reverse, 2.0, chunk))


def test_an_image_that_is_not_finite_adds_nothing():
    real, embed = images(4), embedding("none")
    broken = real.concat(ImageSet.of(torch.full((1, *SHAPE), torch.nan), torch.tensor([0]), ["a", "b"]))
    assert torch.equal(sums(embed, broken, 1.0), sums(embed, real, 1.0))


def test_clipping_keeps_short_rows_and_directions():
    rows = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    assert torch.allclose(clipped(rows, 1.0), torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


@pytest.mark.parametrize("multiplier", [0.5, 20.0])
@pytest.mark.parametrize("clip", [0.1, 1.0, 30.0])
def test_noise_has_the_scale_of_the_clip(multiplier, clip):
    noise = in_units(add_noise_(torch.zeros(10, 2000, dtype=torch.int64), multiplier), clip).flatten().double()
    assert float(noise.std()) == pytest.approx(multiplier * clip, rel=0.03)  # 6 standard errors of 20,000 numbers
    assert kstest(noise / (multiplier * clip), "norm").pvalue > 1e-6


def test_noise_is_new_in_each_call_and_no_seed_decides_it():
    first, second = (secure_normal(50_001) for _ in range(2) if np.random.seed(0) is None and torch.manual_seed(0))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    assert len(first) == 50_001


def test_noise_is_added_in_place_so_that_no_clean_sum_is_left():
    sums = torch.full((2, 3), 5, dtype=torch.int64)
    noisy = add_noise_(sums, 1.0)
    assert noisy.data_ptr() == sums.data_ptr()
    assert not (sums == 5).any()
