"""A user's method: k-means. Each step moves each synthetic image to the mean of the real images nearest to it.

From the command line: condense run --data digits --ipc 2 --method examples/own_method.py:KMeans method.steps=5
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from condensation import Compute, ConvNet, ImageSet, Method, Random, Recipe, Rng, condense, evaluate, load
from condensation.methods.base import State
from condensation.methods.initialization import from_real_images
from condensation.methods.synthetic import SyntheticImages


@dataclass(frozen=True)
class KMeans(Method[State]):
    """Centers of ``ipc`` clusters of each class (Lloyd's algorithm), initialized with random real images."""

    steps: int = 10
    """Iterations of k-means."""

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> State:
        return State(SyntheticImages(from_real_images(real, ipc, rng.child("start"))))

    def step(self, state: State, real: ImageSet, rng: Rng) -> Tensor:
        source = state.source
        loss = torch.zeros((), device=real.device)
        for label in real.classes:
            in_class = source.template.labels == label
            inputs = real.select([label]).inputs()
            images, centers = inputs.flatten(1), source.images.detach()[in_class].flatten(1)
            distances = torch.cdist(images, centers).square()
            nearest = distances.argmin(1)
            means = torch.stack([images[nearest == k].mean(0) if (nearest == k).any() else centers[k] for k in range(len(centers))])
            source.images.data[in_class] = means.view(-1, *real.shape)
            loss += distances.min(1).values.mean()
        return loss


def main() -> None:
    data = load("digits")
    for method in (Random(), KMeans()):
        small = condense(method, data.train, ipc=2)
        score = evaluate(small, data.test, network=ConvNet(width=32), recipe=Recipe(epochs=100), networks=3)
        print(f"{type(method).__name__:>6}: {score}")


if __name__ == "__main__":  # importing this file from the command runs nothing
    main()
