"""Release of a private method: noisy class sums of clipped embeddings, the only result of looking at the images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import first_difference, to_dict
from condensation.core.preprocessing import Identity
from condensation.core.rng import Rng
from condensation.core.tensor_files import read_tensors, write_tensors
from condensation.matching.clipped_sums import GRID, PublicMap, add_noise_, clipped_class_sums, in_units
from condensation.methods.accounting import Accounting, account
from condensation.methods.privacy import FIXED, NOT_COVERED, RELATION, Privacy, Releasing
from condensation.methods.public_draws import PublicDraws
from condensation.methods.public_images import public_images

KIND = "release"
OnImages = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Release:
    """Noisy class sums, and everything public that is needed to learn images from them. It may be published.

    >>> from condensation import DM, ConvNet, Fresh, Privacy, Release, load
    >>> train = load("digits", preprocessing="centered").train
    >>> method = DM(privacy=Privacy(epsilon=1.0, networks=2), networks=Fresh(ConvNet(width=4)))
    >>> release = Release.of(method, train)
    >>> release.sums.shape, release.card["privacy"]["epsilon"]
    (torch.Size([2, 10, 144]), 1.0)
    """

    sums: Tensor
    """Noisy sums of the clipped embeddings of each network and class, (networks, classes, dims)."""
    counts: Tensor
    """Number of images of each class, (classes,); at least 1, with noise if the counts are not public."""
    centers: Tensor
    """Public vectors that are subtracted before clipping, (networks, embedding dims)."""
    card: Mapping[str, Any]
    """Data, settings, seed and privacy, as JSON."""

    @classmethod
    def of(
        cls,
        method: Releasing,
        real: ImageSet,
        seed: int = 0,
        compute: Compute = Compute(),
        *,
        name: str = "",
        on_images: OnImages | None = None,
    ) -> Release:
        """Look at all images of ``real`` once per network, and return their noisy sums; each call spends the whole epsilon.

        Networks and augmentations follow from ``seed`` and are public; noise comes from the operating system and is different in each
        call. ``name`` is that of the data, for the card. Raise CondensationError if the settings or the images exclude privacy, and
        MissingExtra without dp-accounting.
        """
        privacy = method.privacy
        if privacy is None:
            hint = "Pass DM(privacy=Privacy(epsilon=1.0))."
            raise CondensationError("A release needs a private method.", hint=hint, setting="method.privacy")
        method.validate(real)
        compute = compute.with_compile_decision(real.shape, privacy.networks * len(real))
        real = real.to(compute.device)
        cost = account(privacy.epsilon, privacy.delta, privacy.releases)
        public, chunk = PublicDraws(method, real, seed, compute), compute.chunk or compute.suitable_chunk(real.shape)
        embed = compute.wrap(public.network.embed)
        references = public_images(privacy.center, real, Rng(seed).child("release", "center")) if privacy.center else None
        sums, centers = [], []
        for number in range(privacy.networks):
            transform = public.draw(number, real)
            centers.append(public.center(references, embed, chunk))
            public_map = PublicMap(centers[-1] if privacy.center else None, public.projection)
            done = on_images and partial(_count, on_images, number * len(real), privacy.networks * len(real))
            sums.append(clipped_class_sums(embed, real, transform, public_map, privacy.clip, chunk, compute.dtype, done))
            sums[-1] = in_units(add_noise_(sums[-1], cost.noise_multiplier), privacy.clip).cpu()
        counts = torch.tensor([real.counts[label] for label in real.classes])
        if privacy.counts == "noised":  # one image changes one count by 1
            counts = in_units(add_noise_(counts * GRID, cost.noise_multiplier), 1.0).round()
        card = {"data": _data(method, real, name), "settings": decisive(method), "seed": int(seed), "privacy": _statement(privacy, cost)}
        return cls(torch.stack(sums), counts.clamp(min=1).float(), torch.stack(centers).cpu(), card)

    def save(self, path: str | Path) -> None:
        """Write the release to one file. Raise NotWritten if that is impossible."""
        write_tensors(Path(path), KIND, {"sums": self.sums, "counts": self.counts, "centers": self.centers}, dict(self.card), version=3)

    @classmethod
    def load(cls, path: str | Path) -> Release:
        """Read a release. Raise CondensationError if it is missing, damaged or something else."""
        tensors, card = read_tensors(Path(path), KIND)
        try:
            return cls(tensors["sums"], tensors["counts"], tensors["centers"], card)
        except KeyError as error:
            raise CondensationError(f"{path} is damaged: the tensor {error} is missing.", hint="Make the release again.") from None

    @property
    def labels(self) -> list[int]:
        """Label of each class of the sums."""
        labels: list[int] = self.card["data"]["labels"]
        return labels

    @property
    def digest(self) -> str:
        """Digest of the noisy sums and the card."""
        content = hashlib.blake2b(json.dumps(self.card, sort_keys=True).encode(), digest_size=16)
        content.update(self.sums.contiguous().numpy().data)
        return content.hexdigest()

    @property
    def statement(self) -> dict[str, Any]:
        """The guarantee, for the card of a set."""
        return {**self.card["privacy"], "release": self.digest}

    def check(self, method: Releasing, real: ImageSet, name: str = "") -> None:
        """Raise CondensationError, which names the difference, if the release is of other data or settings than these."""
        data = self.card.get("data", {})
        wanted = _data(method, real, name or data.get("name", ""))
        hint = "Use the data and settings of the release, or make a new one, which costs its whole epsilon again."
        if difference := first_difference(data, wanted, "data"):
            raise CondensationError(f"The release is of other data: {difference}.", hint=hint, setting="release")
        if difference := first_difference(self.card.get("settings"), decisive(method), "method"):
            raise CondensationError(f"The release has other settings: {difference}.", hint=hint, setting="release")

    def mean(self, number: int) -> Tensor:
        """Return the noisy class means (classes, dims) of the network ``number``."""
        return self.sums[number] / self.counts[:, None]


def decisive(method: Releasing) -> dict[str, Any]:
    """Return the settings of ``method`` that a release depends on, as plain values."""
    settings = {name: to_dict(getattr(method, name)) for name in ("privacy", "networks", "augmentation")}
    content: dict[str, Any] = json.loads(json.dumps(settings))  # as a file returns them
    return content


def _count(on_images: OnImages, before: int, total: int, images: int) -> None:
    on_images(before + images, total)


def _data(method: Releasing, real: ImageSet, name: str) -> dict[str, Any]:
    """Return what is public of the images."""
    assert method.privacy is not None
    fixed = FIXED[isinstance(real.preprocessing, Identity)]
    names = [real.class_names[label] for label in real.classes]
    about = {"shape": list(real.shape), "classes": names, "labels": list(real.classes), "preprocessing": fixed}
    counts = {"images": [real.counts[label] for label in real.classes]} if method.privacy.counts == "public" else {}
    return {"name": name, **about, "flip_invariant": real.flip_invariant, **counts}


def _statement(privacy: Privacy, cost: Accounting) -> dict[str, Any]:
    """Return the guarantee, and what it does not cover."""
    noised = privacy.counts == "noised"
    return {
        "epsilon": privacy.epsilon,
        "delta": privacy.delta,
        "relation": RELATION,
        "labels": "classes are public, counts have noise" if noised else "classes and numbers of images are public",
        "clip": privacy.clip,
        "networks": privacy.networks,
        "sigma": cost.noise_multiplier * privacy.clip,
        "noise_multiplier": cost.noise_multiplier,
        "noise": "Gaussian, drawn once from the generator of the operating system, rounded to a grid of clip / 2^31",
        "accountant": cost.accountant,
        "epsilon_by_pld": cost.epsilon_pld,
        "epsilon_by_rdp": cost.epsilon_rdp,
        "not_covered": list(NOT_COVERED),
    }
