"""Blank images with a release of the real ones, which the steps of a private method see in their place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from condensation.augment.base import Augmentation, Transform
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.progress import OnProgress
from condensation.core.rng import Rng
from condensation.matching.class_means import matching_loss
from condensation.matching.clipped_sums import PublicMap, clipped
from condensation.matching.kernels import Kernel
from condensation.methods.base import Method, S
from condensation.methods.initialization import DEFAULT, Initialization
from condensation.methods.privacy import Privacy, Releasing, check_images, check_settings
from condensation.methods.public_draws import PublicDraws
from condensation.methods.release import Release
from condensation.networks.base import Classifier, NetworkSampler


@dataclass(frozen=True, eq=False)
class ReleasedImages(ImageSet):
    """One black image per class, with the release of the real images, whose pixels are not needed again."""

    release: Release | None = None
    """Noisy class sums."""

    @classmethod
    def of_release(cls, real: ImageSet, release: Release) -> ReleasedImages:
        """Return blank images with the shape, classes and preprocessing of ``real``."""
        blank = torch.zeros(len(real.classes), *real.shape, dtype=torch.uint8, device=real.device)
        labels = torch.tensor(real.classes, device=real.device)
        kept = {each.name: getattr(real, each.name) for each in fields(ImageSet)}
        return cls(**{**kept, "images": blank, "labels": labels}, release=release)

    def fingerprint(self) -> str:
        """Return the digest of the release: it is all that the steps know of the images."""
        assert self.release is not None
        return self.release.digest

    def target(self, number: int) -> Tensor:
        """Return the noisy class means (classes, dims) that the steps with network ``number`` match."""
        assert self.release is not None
        return self.release.mean(number)

    def draw_network(self, method: Releasing, network: Classifier, rng: Rng) -> tuple[int, Transform | None]:
        """Draw one of the networks of the release into ``network``, and return its number and its augmentation."""
        assert self.release is not None
        number = rng.child("network").integer() % len(self.release.sums)
        return number, self._public(method, network).draw(number, self)

    def loss_against(
        self, method: Releasing, kernel: Kernel, network: Classifier, number: int, classes: tuple[int, ...]
    ) -> Callable[[slice, Tensor, Tensor], Tensor]:
        """Return the loss of synthetic embeddings of ``classes`` by the network ``number`` of the release."""
        assert self.release is not None
        assert method.privacy is not None
        public_map = PublicMap(self.release.centers[number] if method.privacy.center else None, self._public(method, network).projection)
        target = self.target(number)[[self.release.labels.index(label) for label in classes]].to(self.device)
        return partial(released_loss, target, public_map, method.privacy.clip, kernel.mean_factor or 1.0)

    def _public(self, method: Releasing, network: Classifier) -> PublicDraws:
        assert self.release is not None
        return PublicDraws(method, self, int(self.release.card["seed"]), Compute(device=str(self.device)), network)


class ReleasingMethod(Method[S]):
    """A method with a setting ``privacy``, whose steps then see `ReleasedImages`."""

    if TYPE_CHECKING:  # settings of the subclass
        privacy: Privacy | None
        start: Initialization
        networks: NetworkSampler
        augmentation: Augmentation | None
        kernel: Kernel

    def check_private(self) -> None:
        """Begin with noise unless another initialization was set, and raise CondensationError for settings that privacy excludes."""
        if self.privacy:
            object.__setattr__(self, "start", "noise" if self.start is DEFAULT else self.start)
            check_settings(self.start, self.networks, self.augmentation, self.kernel)

    def draw_network(self, state: Any, real: ImageSet, rng: Rng) -> Transform | None:
        """Write the weights of a step into ``state.network``, and return its augmentation, with one draw per class."""
        if isinstance(real, ReleasedImages):
            state.number, transform = real.draw_network(self, state.network, rng)
            return transform
        if self.privacy:
            message = "The steps of a private method must not see real images."
            raise CondensationError(message, hint="Call condense, which makes a release first.", setting="method.privacy")
        self.networks.redraw(state.network, rng.child("network"))
        return self.augmentation.fit(real).per_class(real.classes, rng.child("augment")) if self.augmentation else None

    def validate(self, real: ImageSet) -> None:
        super().validate(real)
        if self.privacy and self.sampler:
            check_images(real, self.sampler)

    def for_steps(
        self, real: ImageSet, seed: int, compute: Compute, release: Release | Path | None = None, on_progress: OnProgress | None = None
    ) -> tuple[Method, ImageSet]:
        if not self.privacy:
            return super().for_steps(real, seed, compute, release, on_progress)
        return self, images_for_steps(self, real, seed, compute, release, on_progress)


def images_for_steps(
    method: Releasing, real: ImageSet, seed: int, compute: Compute, release: Release | Path | None, on_progress: OnProgress | None
) -> ReleasedImages:
    """Return what the steps of the private ``method`` see of ``real``; a path holds the release, or receives a new one.

    Raise CondensationError if the release is of other data or settings.
    """
    if not isinstance(release, Release):
        release = kept_release(method, real, seed, compute, release, on_progress)
    release.check(method, real)
    return ReleasedImages.of_release(real, release)


def kept_release(
    method: Releasing,
    real: ImageSet,
    seed: int,
    compute: Compute,
    path: Path | None,
    on_progress: OnProgress | None = None,
    name: str = "",
) -> Release:
    """Return the release at ``path``; without one there, make it, and save it before anything is computed from it."""
    if path is not None and path.exists():
        return Release.load(path)
    release = Release.of(method, real, seed, compute, name=name, on_images=on_progress)
    if path is not None:
        release.save(path)
    return release


def released_loss(
    target: Tensor, public_map: PublicMap, clip: float, factor: float, group: slice, features: Tensor, class_index: Tensor
) -> Tensor:
    """Return the loss of synthetic ``features`` (n, dims), which are mapped and clipped as real ones, in units of clip^2 / dims."""
    mapped = public_map(features)
    return factor * mapped.shape[1] / clip**2 * matching_loss(target.to(mapped.dtype), clipped(mapped, clip), class_index)
