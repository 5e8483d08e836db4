"""Kernel inducing points (KIP; Nguyen, Chen and Lee, ICLR 2021; Nguyen, Novak, Xiao and Lee, NeurIPS 2021)."""

from __future__ import annotations

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
from condensation.methods.initialization import STARTS, Initialization
from condensation.methods.synthetic import SyntheticImages
from condensation.ntk.base import NTK
from condensation.ntk.fully_connected import FullyConnected
from condensation.ntk.gram import BLOCK_BYTES, gram
from condensation.ntk.memory import require_room
from condensation.ntk.ridge import predictions, solved_labels

logger = logging.getLogger(__name__)

Labels = Literal["fixed", "learned", "solved"]
PREPARED_BYTES = 2**30  # real images that take no more than this are preprocessed once, not at each step
LONG = 10**8  # numbers a step, from which on a person is told that it is slow: a minute of a CPU core


class Support(SyntheticImages):
    """Images in float64 and the centred label of each, which may be learned as well."""

    def __init__(self, start: ImageSet, dtype: torch.dtype, *, learn_labels: bool) -> None:
        super().__init__(replace(start, images=start.images.double()))
        self.dtype = dtype  # of the result
        self.values = nn.Parameter(centred(start.labels, start.num_classes), requires_grad=learn_labels)

    def snapshot(self) -> ImageSet:
        soft = SoftLabels(self.values.detach().to(self.dtype, copy=True))
        return replace(self.template, images=self.images.detach().to(self.dtype, copy=True), soft_labels=soft)


@dataclass(kw_only=True)
class KIPState(State):
    """The state of KIP, and beside it the real images as the kernel sees them, which are only made anew after a restart."""

    source: Support
    seen: ImageSet
    done: int = 0  # steps

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "done": self.done}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        super().load_state_dict(saved)
        self.done = saved["done"]


@dataclass(frozen=True)
class KIP(Method):
    """Images with which kernel ridge regression, by an infinitely wide network's tangent kernel, says best what real images are.

    The loss is half the mean squared error of what `ntk.ridge.predictions` says of a batch of real images, balanced by class, and their
    centred one-hot labels. All is computed in float64. The result has soft labels for the squared loss: ``fixed`` are the centred
    one-hot ones, ``learned`` start there and go the way of the images, ``solved`` are, after the last step, those that suit
    all real images best ("Label Solve"; with no steps, of random real images). There is no augmentation.
    """

    name: ClassVar[str] = "kip"
    lr_setting = "lr"
    steps: int = 300
    lr: float = 0.04  # of Adam; published
    kernel: NTK = FullyConnected()
    reg: float = 1e-6  # of the mean diagonal of the kernel matrix; published
    batch: int = 5000  # real images a step, of all classes; published
    labels: Labels = "fixed"
    start: Initialization = "real"

    def __post_init__(self) -> None:
        need_at_least(self, steps=0, batch=1)
        need_positive(self, "lr")
        need_one_of(self, "labels", get_args(Labels))
        need_one_of(self, "start", STARTS)
        if not self.reg >= 0:
            raise CondensationError(f"method.reg is {self.reg}; it must be 0 or more, and 1e-6 is the published one.")

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> KIPState:
        self._check(real.shape, sum(ipc.values()), torch.device(compute.device))
        start = STARTS[self.start](real, ipc, rng.child("start"))
        source = Support(start, compute.dtype, learn_labels=self.labels == "learned")
        learned = [parameter for parameter in source.parameters() if parameter.requires_grad]
        state = KIPState(source=source, optimizers=(torch.optim.Adam(learned, lr=self.lr),), seen=_prepared(real))
        if self.labels == "solved" and self.steps == 0:
            self._solve(state)
        return state

    def step(self, state: State, real: ImageSet, rng: Rng) -> Tensor:
        assert isinstance(state, KIPState)  # what init made
        (optimizer,) = state.optimizers
        optimizer.zero_grad()
        draw = state.seen.draw(max(1, self.batch // len(real.classes)), rng.child("real"))
        target = centred(state.seen.labels[draw.indices], real.num_classes)
        loss = self._loss(state.source, state.seen.inputs(draw.indices).double(), target)
        if loss.isfinite():  # else the run stops, and the last good images are kept
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        state.done += 1
        if self.labels == "solved" and state.done == self.steps:
            self._solve(state)
        return loss.detach()

    def _loss(self, source: Support, images: Tensor, target: Tensor) -> Tensor:
        """Half the mean squared error on ``images`` (m, c, h, w) with centred labels ``target`` (m, classes)."""
        of_set = gram(self.kernel, source.images, source.images)
        if not of_set.isfinite().all():
            return of_set.new_full((), torch.nan)
        across = gram(self.kernel, images, source.images)
        return (predictions(across, of_set, source.values, self.reg) - target).square().mean() / 2

    def _solve(self, state: KIPState) -> None:
        """Put in place the labels that suit all real images best."""
        source, seen = state.source, state.seen

        def across() -> Iterator[tuple[Tensor, Tensor]]:
            for piece in split(len(seen), self.batch):
                yield gram(self.kernel, seen.inputs(piece).double(), source.images), centred(seen.labels[piece], seen.num_classes)

        with torch.no_grad():
            source.values.copy_(solved_labels(across(), gram(self.kernel, source.images, source.images), self.reg))

    def _check(self, shape: Shape, images: int, device: torch.device) -> None:
        """Find out before the first step that the kernel cannot be computed here.

        Raises:
            CondensationError: if images are too small for it or the device has no float64.
            NotEnoughMemory: if a pair of images, of which it takes at least one at a time, or the kernel matrices have no room.
        """
        if device.type not in BLOCK_BYTES:
            raise CondensationError(f"KIP computes in float64, which {device.type} does not have.\nUse --device cpu.")
        self.kernel.check(shape)
        pairs = images * (self.batch + images)
        advice = "Use a kernel without pooling (method.kernel=conv or fc), smaller images (--size), or a smaller method.batch."
        require_room(self.kernel, shape, pairs, device, "KIP", advice)
        if pairs * self.kernel.entries(shape) > LONG:
            logger.warning(
                "A step goes through %s pairs of images with %s numbers each, which takes long; a smaller method.batch makes it fewer.",
                f"{pairs:,}",
                f"{self.kernel.entries(shape):,}",
            )


def _prepared(real: ImageSet) -> ImageSet:
    """``real`` as a network sees it, if there is room for that; whitening takes longer than a step of a small kernel."""
    if real.images.is_floating_point() or 4 * real.images.numel() > PREPARED_BYTES:
        return real
    return replace(real, images=torch.cat([real.inputs(piece) for piece in split(len(real), 5000)]))
