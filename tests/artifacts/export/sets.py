"""Small sets to export: learned ones with values outside [0, 1], greyscale and colour, and one of real 8-bit images."""

from __future__ import annotations

from dataclasses import replace

import torch

from condensation import CondensedSet, Identity, ImageSet, Standardize, Zca
from condensation.core.form import Frequencies, Tiles

PICTURES = torch.rand((40, 3, 4, 6), generator=torch.Generator().manual_seed(0))
NAMES = ("Äpfel", "Brötchen/süß", "猫 | dog")
CARD = {"data": {"name": "mine", "images": 40}}


def learned(preprocessing, pictures=PICTURES):
    """Return six images, some with values outside [0, 1]."""
    inputs = preprocessing(pictures[:6]) * 1.3
    return CondensedSet(ImageSet.of(inputs, torch.arange(6) // 2, NAMES, preprocessing=preprocessing), CARD)


GREY = PICTURES[:, :1]
PIXELS = (PICTURES[:6] * 255).round().to(torch.uint8)
STANDARD = Standardize.fit([PICTURES])
SETS = {
    "colour": learned(STANDARD),
    "grey": learned(Standardize.fit([GREY]), GREY),
    "plain": learned(Identity()),
    "tiles": replace(learned(STANDARD), images=replace(learned(STANDARD).images, form=Tiles(2))),
    "frequencies": replace(learned(STANDARD), images=replace(learned(STANDARD).images, form=Frequencies(4))),
    "zca": learned(Zca.fit([PICTURES])),
    "pixels": CondensedSet(ImageSet.of(PIXELS, torch.arange(6) // 2, NAMES, preprocessing=STANDARD), CARD),
    "zca pixels": CondensedSet(ImageSet.of(PIXELS, torch.arange(6) // 2, NAMES, preprocessing=Zca.fit([PICTURES])), CARD),
}
# Every set in every format, except 8-bit images of whitened sets and of coefficients, which are refused.
NOT_OF_8_BITS = ("zca", "zca pixels", "frequencies")
PAIRS = [
    (name, to)
    for name in SETS
    for to in ("png", "npz", "parquet", "torch", "hub")
    if to not in ("png", "parquet") or name not in NOT_OF_8_BITS
]


def seen(condensed, to):
    """Return the network inputs that an export must give."""
    images = condensed.images
    if to in ("png", "parquet"):
        pixels = images.images if images.images.dtype == torch.uint8 else (condensed.pictures() * 255).round().to(torch.uint8)
        images = replace(images, images=condensed.preprocessing(pixels.float() / 255))
    return images.decoded().inputs()
