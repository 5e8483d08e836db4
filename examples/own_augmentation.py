"""Condense with an augmentation of your own: any function from images to images.

As a command: condense run --data digits --ipc 1 method.augmentation=examples/own_augmentation.py:noisy_shift
"""

import torch
from torch import Tensor

from condensation import DM, ConvNet, Fresh, Recipe, Seeded, condense, evaluate, load


def noisy_shift(images: Tensor, reach: int = 1, strength: float = 0.1) -> Tensor:
    """Shift images (n, c, h, w) by up to ``reach`` pixels and add noise.

    It draws once per batch, so that real and synthetic images of a class get the same shift and noise. Use torch operations only, so
    that gradients pass. Draw from any global generator: it is seeded.
    """
    down, right = torch.randint(-reach, reach + 1, (2,)).tolist()
    noise = strength * torch.randn(1, *images.shape[1:]).to(images)
    return images.roll((down, right), (2, 3)) + noise


def main() -> None:
    data = load("digits")
    network = ConvNet(width=32)
    for name, augmentation in {"none": None, "own": Seeded(noisy_shift), "gentler": Seeded(noisy_shift, {"strength": 0.02})}.items():
        method = DM(steps=100, batch_per_class=64, networks=Fresh(network), augmentation=augmentation)
        condensed = condense(method, data.train, ipc=1)
        recipe = Recipe(epochs=60, augmentation=augmentation)
        print(f"augmentation {name}: {evaluate(condensed, data.test, network=network, recipe=recipe, networks=2)}")


if __name__ == "__main__":  # so that importing the file runs nothing
    main()
