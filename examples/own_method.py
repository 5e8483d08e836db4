"""A method of your own: k-means, whose every step moves each synthetic image to the mean of the real ones nearest to it.

As a command: condense run --data digits --ipc 2 --method examples/own_method.py:KMeans method.steps=5
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from condensation import Compute, ConvNet, ImageSet, Method, Random, Recipe, Rng, condense, evaluate, load
from condensation.methods.base import State
from condensation.methods.initialization import from_real_images
from condensation.methods.synthetic import SyntheticImages


@dataclass(frozen=True)
class KMeans(Method):
    """The centres of ``ipc`` clusters of each class (Lloyd's algorithm), from random real images."""

    steps: int = 10

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> State:
        return State(SyntheticImages(from_real_images(real, ipc, rng.child("start"))))

    def step(self, state: State, real: ImageSet, rng: Rng) -> Tensor:
        source = state.source
        loss = torch.zeros((), device=real.device)
        for label in real.classes:
            mine = source.template.labels == label
            inputs = real.select([label]).inputs()
            images, centres = inputs.flatten(1), source.images.detach()[mine].flatten(1)
            distances = torch.cdist(images, centres).square()
            nearest = distances.argmin(1)
            means = torch.stack([images[nearest == k].mean(0) if (nearest == k).any() else centres[k] for k in range(len(centres))])
            source.images.data[mine] = means.view(-1, *real.shape)
            loss += distances.min(1).values.mean()
        return loss


def main() -> None:
    data = load("digits")
    for method in (Random(), KMeans()):
        small = condense(method, data.train, ipc=2)
        score = evaluate(small, data.test, network=ConvNet(width=32), recipe=Recipe(epochs=100), networks=3)
        print(f"{type(method).__name__:>6}: {score}")


if __name__ == "__main__":  # so that the command can import this file and run nothing
    main()
