"""Settings of differential privacy, and the checks of what they exclude."""

import logging
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch

from condensation.augment.base import Augmentation
from condensation.augment.diffaugment import DiffAugment
from condensation.augment.dsa import DSA
from condensation.core.errors import CondensationError, require
from condensation.core.images import ImageSet
from condensation.core.modules import draws_numbers, mixes_images
from condensation.core.preprocessing import Identity, Preprocessing, Standardize
from condensation.core.rng import Rng
from condensation.matching.kernels import Kernel
from condensation.networks.base import NetworkSampler
from condensation.networks.samplers import Fresh

logger = logging.getLogger(__name__)

FIXED = ("centered", "none")  # values of data.preprocessing that use no image
CLOSE = 1e-3  # relative difference of an embedding alone and in a batch, above which the batch matters
RELATION = "add or remove one image"
NOT_COVERED = (
    "settings that were chosen by looking at the data",
    "class names and image size, which are public",
    "several images of one person or object: the unit is one image",
    "accuracies on test images, which are not training images",
    "rounding of embeddings, and the time and memory that the run took",
)


@dataclass(frozen=True)
class Privacy:
    """Differential privacy of the images that are condensed: noise is added once to class sums of clipped embeddings.

    The noisy sums of ``networks`` random networks are the only result of looking at the images; all steps use them alone. The guarantee is
    (epsilon, delta) under adding or removing one image. It holds for any number of steps, sets and images per class from one release.

    >>> from condensation import DM, Privacy
    >>> DM(privacy=Privacy(epsilon=1.0, delta=1e-5)).start
    'noise'
    """

    epsilon: float
    """Bound of the privacy loss, above 0 and at most 100; 1 is strong, 10 is weak."""
    delta: float = 1e-5
    """Probability with which the bound may fail, above 0 and below 1; it should be far below 1 / (number of images)."""
    clip: float = 1.0
    """Largest L2 norm of the embedding of one image, above 0; larger ones are scaled down. Embeddings of ConvNets have 5 to 30."""
    networks: int = 40
    """Random networks, each with one random augmentation per class, whose class sums are released; at least 1."""
    counts: Literal["public", "noised"] = "public"
    """Numbers of images per class: ``public``, or released with the same noise as one more sum."""
    center: str | None = "noise"
    """Images whose mean embedding is subtracted before clipping: smooth ``noise``, or the name or path of public data; None: none."""
    projection: int | None = None
    """Dimensions of a random projection of the embeddings, drawn without looking at the images; None for no projection."""

    def __post_init__(self) -> None:
        require(self, "method.privacy", ("epsilon",), lambda value: 0 < value <= 100, "above 0 and at most 100")
        require(self, "method.privacy", ("delta",), lambda value: 0 < value < 1, "above 0 and below 1")
        require(self, "method.privacy", ("clip",), lambda value: value > 0, "above 0")
        require(self, "method.privacy", ("networks",), lambda value: value >= 1, "at least 1")
        require(self, "method.privacy", ("projection",), lambda value: value is None or value >= 1, "at least 1")
        require(self, "method.privacy", ("counts",), lambda value: value == "public" or value == "noised", "public or noised")

    @property
    def releases(self) -> int:
        """Number of Gaussian releases: one per network, and one for noised counts."""
        return self.networks + (self.counts == "noised")


class Releasing(Protocol):
    """Settings of a method that a release depends on; `DM` has them."""

    @property
    def privacy(self) -> Privacy | None:
        """Guarantee; None for a method that is not private."""

    @property
    def networks(self) -> NetworkSampler:
        """Distribution of the networks."""

    @property
    def augmentation(self) -> Augmentation | None:
        """Augmentation of real and synthetic images."""

    def validate(self, real: ImageSet) -> None:
        """Raise CondensationError if the settings do not fit ``real``, or the images exclude privacy."""


def check_settings(start: str, networks: NetworkSampler, augmentation: Any, kernel: Kernel) -> None:
    """Raise CondensationError for settings of DM that would look at the images beside the release."""
    if start != "noise":
        _refuse(f"start={start!r}, which begins with training images", "start", 'Use start="noise".')
    if not isinstance(networks, Fresh):
        _refuse(f"{type(networks).__name__} networks, which are trained on the images", "networks", "Use new random networks: Fresh().")
    if not isinstance(augmentation, DSA | DiffAugment | None):
        message = "an augmentation of your own, which could mix images"
        _refuse(message, "augmentation", "Use DSA, DiffAugment or None.")
    if kernel.mean_factor is None:
        message = "a kernel that compares pairs of images"
        _refuse(message, "kernel", "Use the linear kernel, which needs class means alone.")


def check_images(real: ImageSet, networks: NetworkSampler) -> None:
    """Raise CondensationError if the preprocessing was fitted on the images, or an embedding depends on the other images of a batch."""
    if not is_fixed(real.preprocessing):
        raise fitted_error()
    network = networks.network(real.shape, real.num_classes, "cpu")
    kind = "batch norm" if mixes_images(network) else "dropout" if draws_numbers(network) else ""
    if not kind:
        networks.redraw(network, Rng(0).child("check"))
        noise = Rng(0).child("check", "images").normal((3, *real.shape))
        with torch.no_grad():
            alone, together = network.embed(noise[:1]), network.embed(noise)[:1]
        if float((alone - together).abs().max()) > CLOSE * max(1e-6, float(together.abs().max())):
            kind = "layers that mix the images of a batch"
    if kind:
        message = f"networks with {kind}: one image would change more than its own embedding"
        _refuse(message, "networks.spec", 'Use a network with instance norm, such as ConvNet(norm="instance").')


def is_fixed(preprocessing: Preprocessing) -> bool:
    """Return whether ``preprocessing`` uses constants that no image has decided."""
    if isinstance(preprocessing, Standardize):
        return preprocessing == Standardize.centered(len(preprocessing.mean))
    return isinstance(preprocessing, Identity)


def fitted_error() -> CondensationError:
    """Return the error for a preprocessing that was fitted on images."""
    message = "Differential privacy excludes a preprocessing fitted on the training images, and constants measured on them."
    return CondensationError(message, hint='Use preprocessing="centered", whose constants are fixed.', setting="data.preprocessing")


def _refuse(what: str, setting: str, hint: str) -> None:
    raise CondensationError(f"Differential privacy excludes {what}.", hint=hint, setting=f"method.{setting}")
