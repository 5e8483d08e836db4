"""Dataset condensation with distribution matching (DM; Zhao & Bilen, WACV 2023)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from condensation.augment.base import Augmentation, Transform, shifted
from condensation.augment.dsa import DSA
from condensation.core.class_plan import ClassPlan, class_offsets, draw_of_group, group_classes
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError, require
from condensation.core.form import Form
from condensation.core.images import ImageSet
from condensation.core.microbatch import Embedding, microbatched, padded, split
from condensation.core.modules import draws_numbers, mixes_images
from condensation.core.rng import ClassDraw, Rng
from condensation.matching.class_means import calibration_loss, matching_loss, mean_embeddings
from condensation.matching.kernels import Kernel, Linear
from condensation.matching.pairwise_mmd import pairwise_mmd_loss
from condensation.methods import dm_presets
from condensation.methods.base import State, need_at_least, need_fraction, need_one_of, need_positive
from condensation.methods.initialization import DEFAULT, INITIALIZATIONS, Initialization, initial_images
from condensation.methods.privacy import Privacy
from condensation.methods.released_images import ReleasedImages, ReleasingMethod
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.base import Classifier, NetworkSampler, seeded
from condensation.networks.samplers import Fresh
from condensation.training.trained import require_trained

LrSchedule = Literal["constant", "cosine"]
# Summed loss of some classes, from the embeddings (n, dims) and the class indices (n,) of their synthetic images.
LossOfClasses = Callable[[slice, Tensor, Tensor], Tensor]


@dataclass(kw_only=True)
class DMState(State):
    """State of DM. A resumed run rebuilds the fields below."""

    network: Classifier
    embed: Embedding
    chunk: int | None  # real images embedded at a time
    number: int = 0  # of the network of the step, in a release


@dataclass(frozen=True)
class DM(ReleasingMethod[DMState]):
    """Minimize the distance between class-mean embeddings of real and synthetic images, with a new random network in each step.

    The loss is the sum over classes of the squared distance between the mean embeddings (Zhao & Bilen, 2023, algorithm 1); real and
    synthetic images are augmented alike. One pass gives the result of the published loop over classes, or with batch norm of its
    batch-norm variant, up to rounding. With another ``kernel``, the loss is the squared MMD of the embeddings.

    >>> from condensation import DM, ConvNet, Fresh, condense, load
    >>> method = DM(steps=2, batch_per_class=8, networks=Fresh(ConvNet(width=8)))
    >>> small = condense(method, load("digits").train, ipc=2)
    >>> small.images.shape, small.counts[0]
    (torch.Size([20, 1, 8, 8]), 2)
    """

    name: ClassVar[str] = "dm"
    network_setting = "networks.spec"
    lr_setting = "lr"
    steps: int = 20_000
    """Optimization steps; each draws a new network."""
    lr: float = 1.0
    """Learning rate of SGD on pixels; published: 1 up to 50 images per class, 10 above."""
    schedule: LrSchedule = "constant"
    """Learning-rate schedule: ``constant`` (published), or ``cosine``, which falls to 0 at the last step."""
    momentum: float = 0.5
    """Momentum of SGD, in [0, 1)."""
    averaging: float = 0.0
    """Decay of the exponential moving average that is returned, in [0, 1); 0 returns the last images."""
    batch_per_class: int = 256
    """Real images per class and step, or all if the class has fewer."""
    start: Initialization = DEFAULT
    """Initialization: ``real`` images (published), those nearest to ``kmeans`` centers, or ``noise``, as privacy requires."""
    networks: NetworkSampler = Fresh()
    """Distribution of the networks; published: newly initialized ConvNets."""
    augmentation: Augmentation | None = DSA()
    """Augmentation of real and synthetic images; None for no augmentation."""
    kernel: Kernel = Linear()
    """Kernel of the MMD; published: linear. Others compare all pairs of embeddings and need a different lr."""
    classes_at_a_time: int | None = None
    """Classes whose synthetic images are embedded together; fewer need less memory, with the same result. None for all."""
    form: Form | None = None
    """Form that a network sees of each stored image: ``tiles`` are several small images, enlarged; None: the image itself."""
    calibration: float = 0.0
    """Weight of the cross-entropy of the synthetic images under the network of the step, summed over classes; needs trained ones."""

    privacy: Privacy | None = None
    """Differential privacy of the real images, by noise on class sums of their embeddings; None for none."""

    @classmethod
    def paper(cls, ipc: int) -> DM:
        """Return the published settings for ``ipc`` images per class."""
        return cls(lr=1.0 if ipc <= 50 else 10.0)

    @classmethod
    def fast(cls, ipc: int, classes: int = 10, channels: int = 3) -> DM:
        """Return settings with several seen per stored image and networks trained for a few epochs, which take minutes on a CPU.

        One image per class holds 16 by their lowest frequencies, and more images hold four tiles each. Several greyscale images
        (``channels`` 1) have the settings of `classic` with tiles, and from 50 on without, since trained networks lose accuracy there.
        All values were chosen on images held out from training; see docs/notes/tiles.md.
        """
        return cls(**dm_presets.fast(ipc, classes, channels))

    @classmethod
    def best(cls, ipc: int, classes: int = 10, channels: int = 3) -> DM:
        """Return the settings of `fast` with three times the steps and longer trained networks, which take about an hour on a CPU.

        Where `fast` is `classic`, this is `long`.
        """
        return cls(**dm_presets.best(ipc, classes, channels))

    @classmethod
    def classic(cls, ipc: int, classes: int = 10, channels: int = 3) -> DM:
        """Return settings for full-size images and untrained networks, as published, which take minutes on a CPU.

        Fewer real images change the variance of the gradient, not its mean, and averaging removes the noise; a narrower
        network is cheaper. Sets of more than 500 images get fewer steps, since each takes longer. ``lr`` grows with ipc,
        because the weight of one image in its class mean falls. Greyscale images (``channels`` 1) tolerate a four times larger
        learning rate and gain from k-means initialization. All values were chosen on images held out from training.
        """
        return cls(**dm_presets.classic(ipc, classes, channels))

    @classmethod
    def long(cls, ipc: int, classes: int = 10, channels: int = 3) -> DM:
        """Return the settings of `classic` with ten times the steps, about an hour on a CPU."""
        return cls(**dm_presets.long(ipc, classes, channels))

    @property
    def growing_setting(self) -> str:
        return "steps" if self.schedule == "constant" else ""

    def __post_init__(self) -> None:
        need_at_least(self, steps=0, batch_per_class=1, classes_at_a_time=1)
        need_one_of(self, "start", INITIALIZATIONS)
        need_one_of(self, "schedule", get_args(LrSchedule))
        need_positive(self, "lr")
        need_fraction(self, "momentum", "averaging")
        require(self, "method", ("calibration",), lambda value: value >= 0, "at least 0")
        self.check_private()
        if self.calibration:
            require_trained(self.networks)

    def class_plan(self, real: ImageSet, ipc: Mapping[int, int], compute: Compute) -> ClassPlan:
        network = self.networks.network(real.shape, real.num_classes, "cpu")
        drawn = {label: min(self.batch_per_class, count) for label, count in real.counts.items()}
        together = mixes_images(network) or draws_numbers(network)
        groups = group_classes(drawn, None if together else compute.group_size(real.shape, sum(drawn.values())))
        seen = {label: drawn[label] + count * (self.form.count if self.form else 1) for label, count in ipc.items()}
        decided = compute.with_compile_decision(real.shape, self.steps * sum(seen.values()))
        multiple = 1 if together else decided.multiple_of(drawn.values(), ipc.values(), real.shape)
        separable = mixes_images(network) and not (network.mixes_images or draws_numbers(network))
        return ClassPlan.of(groups, decided, seen, multiple, separable)

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> DMState:
        return self.init_classes(real, ipc, rng, self.class_plan(real, ipc, compute))

    def init_classes(self, real: ImageSet, ipc: dict[int, int], rng: Rng, plan: ClassPlan) -> DMState:
        compute = plan.compute
        initial = initial_images(self.start, real, ipc, rng.child("start"), self.form)
        source = SyntheticImages(replace(initial, images=initial.images.to(compute.dtype)), self.averaging)
        network = self.networks.network(real.shape, real.num_classes, real.device).to(compute.dtype)
        plan.synchronize(network)
        if self.classes_at_a_time is not None and mixes_images(network):
            message = f"method.classes_at_a_time is {self.classes_at_a_time}, but batch norm must see all classes at once."
            hint = "Use classes_at_a_time=None, or a network with instance norm."
            raise CondensationError(message, hint=hint, setting="method.classes_at_a_time")
        if self.augmentation is not None:  # raises before the first step if the augmentation does not fit the images
            self.augmentation.fit(real).per_class(real.classes, rng.child("augment"))(source.seen().detach(), source.seen_class_index)
        optimizer = torch.optim.SGD(source.parameters(), lr=self.lr, momentum=self.momentum)
        decays = self.schedule == "cosine" and self.steps > 0
        return DMState(
            source=source,
            optimizers=(optimizer,),
            schedulers=(torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps),) if decays else (),
            plan=plan,
            network=network,
            embed=microbatched(network, padded(compute.wrap(network.embed), plan.multiple)),
            chunk=compute.chunk_for(network, real.shape),
        )

    def step(self, state: DMState, real: ImageSet, rng: Rng) -> Tensor:
        transform = self.draw_network(state, real, rng)
        draw = real.draw(self.batch_per_class, rng.child("real"))
        assert state.plan is not None
        (optimizer,) = state.optimizers
        optimizer.zero_grad()
        drawn, stored = (class_offsets(index, len(real.classes)) for index in (draw.class_index, state.source.template.class_index))
        with seeded(state.network, rng.child("dropout")):
            losses = [
                self._descend(state, real, draw_of_group(draw, part, drawn), stored[part.start : part.stop + 1], shifted(transform, part))
                for part in state.plan.ranges
            ]
        optimizer.step()
        for scheduler in state.schedulers:
            scheduler.step()
        state.source.update_average()
        return state.add_up(losses)

    def _descend(self, state: DMState, real: ImageSet, draw: ClassDraw, stored: list[int], transform: Transform | None) -> Tensor:
        """Add the gradient of the classes of ``draw``, whose synthetic images begin at ``stored``, and return their loss."""
        source, class_index = state.source, state.source.template.class_index
        loss_of = self._loss_against(state, real, draw, transform)
        loss = source.images.new_zeros(())
        for classes in split(len(draw.classes), self.classes_at_a_time):
            indices = slice(stored[classes.start], stored[classes.stop])
            rows = (class_index[indices] - class_index[stored[0]]).repeat_interleave(source.template.seen_per_stored)
            with source.part(indices) as pixels:
                images = source.decode(pixels)
                inputs = transform(images, rows) if transform else images
                features = state.embed(inputs).to(images.dtype)
                part_loss = loss_of(classes, features, rows)
                if self.calibration:
                    head = state.network.head
                    logits = head(features) if head else state.network(inputs)  # networks of users may need a second pass
                    part_loss = part_loss + self.calibration * calibration_loss(logits, rows, draw.classes)
                part_loss.backward()  # type: ignore[no-untyped-call]
            loss += part_loss.detach()
        return loss

    def is_classwise(self, real: ImageSet) -> bool:
        """Return False for batch norm, which mixes the images of all classes, and for dropout, which draws once per batch."""
        network = self.networks.network(real.shape, real.num_classes, real.device)
        return not mixes_images(network) and not draws_numbers(network)

    def _loss_against(self, state: DMState, real: ImageSet, draw: ClassDraw, transform: Transform | None) -> LossOfClasses:
        """Return the loss function of synthetic images against the drawn real images, or against a release of them."""
        if isinstance(real, ReleasedImages):
            return real.loss_against(self, self.kernel, state.network, state.number, draw.classes)
        weight, dtype = self.kernel.mean_factor, state.source.images.dtype
        if weight is None:
            return partial(pairwise_mmd_loss, self.kernel, state.embed, real, draw, transform, state.chunk)
        target = mean_embeddings(state.embed, real, draw, transform, state.chunk, dtype)
        return lambda group, features, class_index: weight * matching_loss(target, features, class_index)
