"""Initialization of synthetic images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from condensation import DM, ImageSet, Rng
from condensation.methods.initialization import _kmeans_plus_plus, _small_pixels, cluster_centers, from_kmeans
from tests.small import images


def points(count: int = 300, dims: int = 5) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(count, dims)))


def test_cluster_centers_equal_those_of_scikit_learn() -> None:
    from sklearn.cluster import KMeans  # slow to import

    begun = _kmeans_plus_plus(points(), 7, Rng(3))
    theirs = KMeans(7, init=begun.numpy(), n_init=1, tol=0, algorithm="lloyd").fit(points().numpy())
    assert torch.allclose(cluster_centers(points(), 7, Rng(3)), torch.from_numpy(theirs.cluster_centers_), atol=1e-9)


def test_initial_centers_are_distinct_while_possible() -> None:
    few = points(4).repeat(25, 1)
    assert len(_kmeans_plus_plus(few, 4, Rng(0)).unique(dim=0)) == 4
    assert len(_kmeans_plus_plus(few, 6, Rng(0))) == 6


def in_groups(groups: int, of_each: int) -> ImageSet:
    """Three classes with ``of_each`` similar images in each of ``groups`` very different groups, alternating."""
    real = images(per_class=groups * of_each)
    kinds = torch.arange(groups).repeat(3 * of_each)
    return replace(real, images=(real.images // 60 + (40 * kinds)[:, None, None, None].to(torch.uint8)))


def test_kmeans_takes_one_image_of_each_group() -> None:
    for seed in range(5):
        start = from_kmeans(in_groups(5, 8), {0: 5, 1: 5, 2: 5}, Rng(seed))
        shades = start.images.mean((1, 2, 3))
        assert start.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5
        for of_class in shades.view(3, 5):
            assert of_class.sort().values.diff().min() > 0.3


def test_kmeans_takes_each_real_image_at_most_once(monkeypatch: pytest.MonkeyPatch) -> None:
    real = images(per_class=6)
    same = replace(real, images=real.images[:1].expand_as(real.images).contiguous())  # all alike: there is nothing to cluster
    taken, take = [], ImageSet.take
    monkeypatch.setattr(ImageSet, "take", lambda self, indices: (taken.append(indices.tolist()), take(self, indices))[1])
    for data in (real, same):
        for ipc in ({0: 6, 1: 2, 2: 1}, {0: 9, 1: 6, 2: 1}):  # more than there are: all
            start = from_kmeans(data, ipc, Rng(0))
            indices = taken.pop()
            assert len(set(indices)) == len(indices) == sum(min(6, count) for count in ipc.values())
            assert real.labels[indices].tolist() == start.labels.tolist()
            assert torch.equal(start.images, data.inputs(torch.tensor(indices)))


def test_kmeans_of_a_class_does_not_depend_on_other_classes() -> None:
    real = images(per_class=9)
    without = real.take((real.labels != 1).nonzero().squeeze(1))
    ours, theirs = from_kmeans(real, {0: 2, 1: 4, 2: 3}, Rng(0)), from_kmeans(without, {0: 2, 2: 3}, Rng(0))
    assert torch.equal(ours.images[ours.labels != 1], theirs.images)


def test_a_sample_of_large_classes_is_clustered(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("condensation.methods.initialization.CLUSTERED", 7)
    monkeypatch.setattr(
        "condensation.methods.initialization.cluster_centers", lambda points, count, rng: (seen.append(len(points)), points[:count])[1]
    )
    from_kmeans(images(per_class=[12, 7, 5]), {0: 2, 1: 2, 2: 2}, Rng(0))
    assert seen == [7, 7, 5]


def test_large_images_are_shrunk_before_clustering() -> None:
    picture = torch.randn(2, 3, 64, 64)
    assert torch.allclose(_small_pixels(picture), F.avg_pool2d(picture, 2).flatten(1), atol=1e-6)
    assert torch.equal(_small_pixels(picture[..., :28, :28]), picture[..., :28, :28].flatten(1))


def test_only_greyscale_presets_use_kmeans() -> None:
    assert DM.classic(10, 10, channels=1).start == DM.long(10, 10, channels=1).start == "kmeans"
    assert DM.classic(10, 10).start == DM.paper(10).start == "real"
    assert DM.classic(1, 10, channels=1).start == "real"
