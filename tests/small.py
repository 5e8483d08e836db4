"""Small image sets and settings for tests."""

from __future__ import annotations

import torch

from condensation import DC, DCVAE, DM, GMMN, GTN, BigGAN, ConvNet, Fresh, ImageSet, Recipe, SiameseDC, Standardize

SMALL = Fresh(ConvNet(width=8))
TRAINED = {"network": ConvNet(width=8), "recipe": Recipe(epochs=4, batch=16)}  # for methods that train a network to select images
CPU = {"device": "cpu", "precision": "float32", "compile": "never"}


def images(per_class: int | list[int] = 12, classes: int = 3, shape: tuple[int, int, int] = (3, 16, 16), seed: int = 0) -> ImageSet:
    """Return random images with a bright band whose position depends on the class, so that networks can learn it."""
    counts = [per_class] * classes if isinstance(per_class, int) else per_class
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    pixels = torch.randint(0, 120, (len(labels), *shape), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)
    height = shape[1] // len(counts)
    for image, label in zip(pixels, labels.tolist(), strict=True):
        image[:, label * height : (label + 1) * height] += 120
    channels = torch.full((shape[0],), 0.4), torch.full((shape[0],), 0.2)
    return ImageSet.of(pixels, labels, preprocessing=Standardize(*channels))


def dm(**settings: object) -> DM:
    """Return a DM that runs within a second."""
    return DM(**{"steps": 4, "batch_per_class": 6, "networks": SMALL, **settings})  # type: ignore[arg-type]


GRADIENTS = {"steps": 4, "batch_per_class": 6, "outer_loops": 1, "inner_loops": 1, "networks": Fresh(ConvNet(width=4))}


def dc(**settings: object) -> DC:
    """Return a DC that runs within a second."""
    return DC(**{**GRADIENTS, **settings})  # type: ignore[arg-type]


def gmmn(**settings: object) -> GMMN:
    """Return a GMMN that runs within a second."""
    return GMMN(**{"iterations": 4, "batch_per_class": 6, "samples_per_class": 5, "hidden": (8, 8), **settings})  # type: ignore[arg-type]


def dc_vae(**settings: object) -> DCVAE:
    """Return a DC-VAE that runs within a second."""
    small = {"steps": 4, "batch": 6, "samples": 8, "critic_steps": 2, "width": 4, "critic_width": 4, "depth": 1, "latent": 5, "queue": 16}
    return DCVAE(**{**small, **settings})  # type: ignore[arg-type]


def biggan(**settings: object) -> BigGAN:
    """Return a BigGAN that runs within a second."""
    small = {"steps": 4, "batch": 6, "critic_steps": 2, "width": 4, "depth": 1, "latent": 5, "averaging_from": 2}
    return BigGAN(**{**small, **settings})  # type: ignore[arg-type]


def gtn(**settings: object) -> GTN:
    """Return a GTN that runs within a second."""
    small = {"steps": 4, "batch": 4, "learner": ConvNet(width=4, depth=1), "real_batch": 6, "latent": 5, "hidden": 8, "channels": (4, 3)}
    return GTN(**{**small, **settings})  # type: ignore[arg-type]


def dsa(**settings: object) -> SiameseDC:
    """Return a DSA that runs within a second."""
    return SiameseDC(**{**GRADIENTS, **settings})  # type: ignore[arg-type]
