"""Images of a membership attack: real ones and canaries, and the random halves of them that shadow pipelines are made from."""

from dataclasses import dataclass

import numpy as np
import torch

from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.methods.public_images import smooth_noise

KINDS = ("random images", "mislabelled canaries", "noise canaries")


@dataclass(frozen=True, eq=False)
class AttackPool:
    """Images whose membership is inferred."""

    images: ImageSet
    """All images, sorted by label."""
    kinds: np.ndarray
    """Index of the kind of each image in `KINDS`, (n,)."""
    seed: int

    def members(self, number: int) -> np.ndarray:
        """Return which images the half ``number`` has, bool (n,): each with probability 1/2, independent of the others."""
        uniform = Rng(self.seed).child("half", number).generator().random(len(self.kinds))
        return np.less(uniform, 0.5)

    def half(self, number: int) -> ImageSet:
        """Return the images of a half."""
        return self.images.take(torch.from_numpy(np.flatnonzero(self.members(number))))

    def fewest(self, number: int) -> int:
        """Return how many images of its smallest class the half ``number`` has; 0 if it lacks a class."""
        labels = self.images.labels.cpu().numpy()
        return min(int((labels[self.members(number)] == label).sum()) for label in self.images.classes)

    def starts(self, number: int, ipc: int) -> np.ndarray:
        """Return the indices of the images that `DM` from real images and `Random` begin with on a half, for its seed ``number``."""
        drawn = self.half(number).draw(ipc, Rng(number).child("init").child("start")).indices
        return np.take(np.flatnonzero(self.members(number)), drawn.cpu().numpy())


def make_pool(train: ImageSet, images: int, canaries: int, seed: int) -> AttackPool:
    """Return ``images`` training images, drawn evenly from the classes, and ``canaries``: images with wrong labels, and smooth noise."""
    rng, classes = Rng(seed).child("pool"), len(train.classes)
    wrong, noise = canaries - canaries // 2, canaries // 2
    per_class = -(-(images + wrong) // classes)
    chosen = train.draw(per_class, rng.child("images")).indices.cpu()
    order = chosen[rng.child("order").permutation(len(chosen))][: images + wrong]
    pixels = (train.pictures(order.to(train.device)).cpu() * 255).round().to(torch.uint8)
    labels = train.labels.cpu()[order].clone()
    kinds = np.array([0] * (len(order) - wrong) + [1] * wrong, dtype=np.int64)
    generator = rng.child("labels").generator()
    for index in np.flatnonzero(kinds == 1):
        others = [label for label in train.classes if label != int(labels[index])]
        labels[index] = others[int(generator.integers(len(others)))]
    if noise:
        pixels = torch.cat([pixels, (smooth_noise(noise, train.shape, rng.child("noise")) * 255).round().to(torch.uint8)])
        labels = torch.cat([labels, torch.tensor(train.classes)[torch.from_numpy(generator.integers(classes, size=noise))]])
        kinds = np.concatenate([kinds, np.full(noise, 2)])
    by_label = torch.argsort(labels, stable=True)
    fixed, flips = train.preprocessing.to("cpu"), train.flip_invariant
    pooled = ImageSet.of(pixels[by_label], labels[by_label], train.class_names, preprocessing=fixed, flip_invariant=flips)
    return AttackPool(pooled, kinds[by_label.numpy()], seed)
