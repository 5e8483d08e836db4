"""Kernel inducing points (KIP; Nguyen, Chen & Lee, ICLR 2021; Nguyen, Novak, Xiao & Lee, NeurIPS 2021)."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet, Shape
from condensation.core.microbatch import split
from condensation.core.rng import Rng
from condensation.core.soft_labels import SoftLabels, centred
from condensation.methods.base import Method, State, need_at_least, need_one_of, need_positive
from condensation.methods.initialization import INITIALIZATIONS, Initialization
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.ntk.base import NTK
from condensation.networks.ntk.fully_connected import FullyConnected
from condensation.networks.ntk.gram import BLOCK_BYTES, gram, require_room
from condensation.networks.ntk.ridge import ridge_predictions, solved_labels

logger = logging.getLogger(__name__)

Labels = Literal["fixed", "learned", "solved"]
PREPARED_BYTES = 2**30  # real images up to this size are preprocessed once, not in each step
SLOW_STEP = 10**8  # numbers per step above which a warning is logged: about a minute on one CPU core


class Support(SyntheticImages):
    """Synthetic images in float64 with centered labels, which can be learned too."""

    def __init__(self, template: ImageSet, dtype: torch.dtype, *, learn_labels: bool) -> None:
        super().__init__(replace(template, images=template.images.double()))
        self.dtype = dtype  # of the result
        self.values = nn.Parameter(centred(template.labels, template.num_classes), requires_grad=learn_labels)

    def snapshot(self) -> ImageSet:
        soft = SoftLabels(self.values.detach().to(self.dtype, copy=True))
        return replace(self.template, images=self.images.detach().to(self.dtype, copy=True), soft_labels=soft)


@dataclass(kw_only=True)
class KIPState(State):
    """State of KIP. A resumed run prepares the real images again."""

    source: Support
    real: ImageSet  # preprocessed, if that fits in memory
    done: int = 0  # finished steps

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "done": self.done}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        super().load_state_dict(saved)
        self.done = saved["done"]


@dataclass(frozen=True)
class KIP(Method[KIPState]):
    """Minimize the error of kernel ridge regression on real images, with a neural tangent kernel (NTK) and the synthetic set as support.

    The loss is half the mean squared error on a class-balanced batch of real images with centered one-hot labels (Nguyen, Chen & Lee,
    ICLR 2021, algorithm 1), computed in float64 and without augmentation. The result has soft labels for the squared loss.

    >>> from condensation import KIP, condense, load
    >>> small = condense(KIP(steps=1, batch=20), load("digits").train, ipc=1)
    >>> small.images.shape, small.soft_labels.values.shape
    (torch.Size([10, 1, 8, 8]), torch.Size([10, 10]))
    """

    name: ClassVar[str] = "kip"
    lr_setting = "lr"
    steps: int = 300
    """Optimization steps; 0 keeps the initial images."""
    lr: float = 0.04
    """Learning rate of Adam (published)."""
    kernel: NTK = FullyConnected()
    """Neural tangent kernel of the regression."""
    reg: float = 1e-6
    """Ridge regularization, relative to the mean diagonal of the kernel matrix (published); 0 or more."""
    batch: int = 5000
    """Real images per step, over all classes (published)."""
    labels: Labels = "fixed"
    """``fixed`` centered one-hot labels, ``learned`` with the images, or ``solved`` on all real images at the end (Label Solve)."""
    start: Initialization = "real"
    """Initialization: ``real`` images, those nearest to ``kmeans`` centers, or ``noise``."""

    @property
    def growing_setting(self) -> str:
        return "steps" if self.labels != "solved" else ""

    def __post_init__(self) -> None:
        need_at_least(self, steps=0, batch=1, reg=0)
        need_positive(self, "lr")
        need_one_of(self, "labels", get_args(Labels))
        need_one_of(self, "start", INITIALIZATIONS)

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> KIPState:
        self._check_resources(real.shape, sum(ipc.values()), torch.device(compute.device))
        initial = INITIALIZATIONS[self.start](real, ipc, rng.child("start"))
        source = Support(initial, compute.dtype, learn_labels=self.labels == "learned")
        learned = [parameter for parameter in source.parameters() if parameter.requires_grad]
        if not real.images.is_floating_point() and 4 * real.images.numel() <= PREPARED_BYTES:
            # Whitening takes longer than a step of a small kernel.
            real = replace(real, images=torch.cat([real.inputs(part) for part in split(len(real), 5000)]))
        state = KIPState(source=source, optimizers=(torch.optim.Adam(learned, lr=self.lr),), real=real)
        if self.labels == "solved" and self.steps == 0:
            self._solve_labels(state)
        return state

    def step(self, state: KIPState, real: ImageSet, rng: Rng) -> Tensor:
        (optimizer,) = state.optimizers
        optimizer.zero_grad()
        draw = state.real.draw(max(1, self.batch // len(real.classes)), rng.child("real"))
        target = centred(state.real.labels[draw.indices], real.num_classes)
        loss = self._loss(state.source, state.real.inputs(draw.indices).double(), target)
        if loss.isfinite():  # otherwise the run stops and keeps the last good images
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        state.done += 1
        if self.labels == "solved" and state.done == self.steps:
            self._solve_labels(state)
        return loss.detach()

    def _loss(self, source: Support, images: Tensor, target: Tensor) -> Tensor:
        """Return half the mean squared error on ``images`` (m, c, h, w) with centered labels ``target`` (m, classes)."""
        within = gram(self.kernel, source.images, source.images)
        if not within.isfinite().all():
            return within.new_full((), torch.nan)
        across = gram(self.kernel, images, source.images)
        return (ridge_predictions(across, within, source.values, self.reg) - target).square().mean() / 2

    def _solve_labels(self, state: KIPState) -> None:
        """Set the labels that minimize the error on all real images."""
        source, real = state.source, state.real

        def blocks() -> Iterator[tuple[Tensor, Tensor]]:
            for part in split(len(real), self.batch):
                yield gram(self.kernel, real.inputs(part).double(), source.images), centred(real.labels[part], real.num_classes)

        with torch.no_grad():
            source.values.copy_(solved_labels(blocks(), gram(self.kernel, source.images, source.images), self.reg))

    def _check_resources(self, shape: Shape, images: int, device: torch.device) -> None:
        """Check before the first step that the kernel accepts the images, the device has float64, and the kernel matrices fit."""
        if device.type not in BLOCK_BYTES:
            message = f"KIP needs float64, which {device.type} does not support."
            raise CondensationError(message, hint='Use device="cpu".', setting="compute.device")
        self.kernel.validate(shape)
        pairs = images * (self.batch + images)
        advice = "Use a kernel without pooling (method.kernel=conv or fc), smaller images (size=...), or a smaller method.batch."
        require_room(self.kernel, shape, pairs, device, "KIP", advice)
        if pairs * self.kernel.numbers_per_pair(shape) > SLOW_STEP:
            numbers = f"{pairs:,} pairs of images with {self.kernel.numbers_per_pair(shape):,} numbers per pair"
            logger.warning("Steps will be slow: each computes %s. A smaller method.batch is faster.", numbers)
