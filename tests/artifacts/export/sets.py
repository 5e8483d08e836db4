"""Small sets to export: learned ones, whose values leave [0, 1], a grey and a colour one, and one of real pixels."""

from __future__ import annotations

import torch

from condensation import CondensedSet, Identity, ImageSet, Standardize, Zca

PICTURES = torch.rand((40, 3, 4, 6), generator=torch.Generator().manual_seed(0))
NAMES = ("Äpfel", "Brötchen/süß", "猫 | dog")
CARD = {"data": {"name": "mine", "images": 40}}


def learned(preprocessing, pictures=PICTURES):
    """Six images, some values of which no pixel can have."""
    inputs = preprocessing(pictures[:6]) * 1.3
    return CondensedSet(ImageSet.of(inputs, torch.arange(6) // 2, NAMES, preprocessing=preprocessing), CARD)


GREY = PICTURES[:, :1]
PIXELS = (PICTURES[:6] * 255).round().to(torch.uint8)
STANDARD = Standardize.fit([PICTURES])
SETS = {
    "colour": learned(STANDARD),
    "grey": learned(Standardize.fit([GREY]), GREY),
    "plain": learned(Identity()),
    "zca": learned(Zca.fit([PICTURES])),
    "pixels": CondensedSet(ImageSet.of(PIXELS, torch.arange(6) // 2, NAMES, preprocessing=STANDARD), CARD),
    "zca pixels": CondensedSet(ImageSet.of(PIXELS, torch.arange(6) // 2, NAMES, preprocessing=Zca.fit([PICTURES])), CARD),
}
# Every set in every format, but for pictures of whitened sets, which are refused.
PAIRS = [
    (name, to) for name in SETS for to in ("png", "npz", "parquet", "torch", "hub") if to not in ("png", "parquet") or "zca" not in name
]


def seen(condensed, to):
    """What a network shall see of an export."""
    images = condensed.images
    if to in ("png", "parquet"):
        pixels = images.images if images.images.dtype == torch.uint8 else (condensed.pictures() * 255).round().to(torch.uint8)
        return condensed.preprocessing(pixels.float() / 255)
    return images.inputs()
