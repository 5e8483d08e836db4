"""Generative teaching networks (GTN; Such, Rawal, Lehman, Stanley & Clune, ICML 2020), with a curriculum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet, Shape
from condensation.core.rng import Rng
from condensation.generators.lesson_generator import LessonGenerator
from condensation.methods.base import need_at_least, need_fraction, need_positive
from condensation.methods.generative import GeneratedImages, GenerativeMethod, GeneratorState, blank
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.base import Classifier, NetworkSpec
from condensation.networks.weight_norm import WeightNormConvNet
from condensation.training.curriculum import Schedule, curriculum_batches
from condensation.training.meta_gradient import InnerBatch, OuterBatch, UnrolledTraining, initial_state, meta_gradient


class Curriculum(GeneratedImages):
    """Batches that a generator makes from learned latents, with a learned learning rate and momentum for each step.

    The images of a batch are generated together, since the generator has batch norm; ``batches`` holds the indices of each batch.
    """

    generator: LessonGenerator
    latents: nn.Parameter  # (n, latent), learned, so part of the state

    def __init__(self, template: ImageSet, generator: LessonGenerator, rng: Rng, method: GTN) -> None:
        super().__init__(template, generator, rng, method.batch)
        latents = self.latents.detach()
        self.latents = nn.Parameter(latents)
        self.batches = [batch.to(latents.device) for batch in curriculum_batches(list(template.counts.values()), method.batch)]
        steps = method.passes * len(self.batches)
        self.log_lr = nn.Parameter(torch.full_like(latents[0, :1], math.log(method.learner_lr)).repeat(steps))
        self.log_momentum = nn.Parameter(torch.full_like(latents[0, :1], math.log(method.learner_momentum)).repeat(steps))

    @property
    def length(self) -> int:
        """Training steps of a learner."""
        return len(self.log_lr)

    def trainable(self) -> list[nn.Parameter]:
        """Return all parameters that the method learns."""
        return [self.latents, self.log_lr, self.log_momentum, *self.generator.parameters()]

    def inner_batch(self, step: int) -> InnerBatch:
        """Return the batch of ``step``, differentiable in `trainable`; without gradients, with the images of the last `regenerate`."""
        batch = self.batches[step % len(self.batches)]
        images = self._generated(batch, {}) if torch.is_grad_enabled() else self.images[batch]
        return InnerBatch(images, self.template.labels[batch], self.log_lr[step].exp(), self.log_momentum[step].exp())

    def regenerate(self, statistics: Mapping[str, Tensor] | None = None) -> None:
        """Generate all images again. ``statistics`` replace the generator's buffers, which then stay unchanged."""
        images = torch.empty_like(self.images)
        with torch.no_grad():
            for batch in self.batches:
                images[batch] = self._generated(batch, statistics or {})
        self.assign(images)

    def _generated(self, batch: Tensor, statistics: Mapping[str, Tensor]) -> Tensor:
        self.generator.train()
        images: Tensor = functional_call(self.generator, dict(statistics), (self.latents[batch], self.template.class_index[batch]))
        return images

    def snapshot(self) -> ImageSet:
        self.regenerate({name: buffer.clone() for name, buffer in self.generator.named_buffers()})  # a snapshot must not change the state
        return SyntheticImages.snapshot(self)

    def schedule(self, batch: int) -> Schedule:
        """Return the learned learning rates and momenta as numbers."""
        lr, momentum = (tuple(rates.detach().exp().tolist()) for rates in (self.log_lr, self.log_momentum))
        return Schedule(batch, lr, momentum)

    def is_finite(self) -> bool:
        return all(bool(tensor.isfinite().all()) for tensor in self.state_dict().values())


@dataclass(kw_only=True)
class GTNState(GeneratorState):
    """The curriculum, and a learner that is re-initialized in each step."""

    source: Curriculum
    learner: Classifier
    batch: int

    @property
    def parts(self) -> dict[str, nn.Module | Tensor]:
        return {}  # the learner is not part of a checkpoint

    def card(self) -> dict[str, Any]:
        return {"schedule": self.source.schedule(self.batch).to_card()}


@dataclass(frozen=True)
class GTN(GenerativeMethod[GTNState]):
    """Train a generator so that a new network trained on its images has a low loss on real images.

    The gradient passes through the training into the generator, its latents in a fixed order (the curriculum), and the learning rate and
    momentum of each step. A learner sees all images, ``ipc`` per class, once per pass; 410 images of each of ten classes, in 33
    batches, are about the paper's 4,096.

    >>> from condensation import GTN, condense, load
    >>> from condensation.networks.mlp import MLP
    >>> method = GTN(steps=1, batch=20, learner=MLP(width=8), real_batch=8, latent=8, hidden=8, channels=(4, 4))
    >>> condense(method, load("digits").train, ipc=4).images.shape
    torch.Size([40, 1, 8, 8])
    """

    name: ClassVar[str] = "gtn"
    network_setting = "learner"
    lr_setting = "lr"
    note: ClassVar[str] = (
        "The images are a curriculum: `condense teach` trains a network on them in order and with the learned rates; "
        "`condense evaluate` trains on them as on any other set: shuffled, for many epochs, with the usual rates."
    )
    any_ipc: ClassVar[bool] = False

    steps: int = 2000
    """Steps of Adam; each trains a new learner."""
    lr: float = 0.02
    """Learning rate of Adam."""
    betas: tuple[float, ...] = (0.9, 0.999)
    """The two betas of Adam, in [0, 1)."""
    final_lr: float = 0.1
    """Learning rate at the last step as a fraction of lr, after a cosine decay."""
    batch: int = 128
    """Maximum number of images per training batch of a learner."""
    passes: int = 1
    """Passes of a learner over the images; each step has its own learning rate and momentum."""
    learner: NetworkSpec = WeightNormConvNet()
    """Architecture of the learners."""
    learner_lr: float = 0.02
    """Initial value of the learned learning rate of a learner's SGD."""
    learner_momentum: float = 0.5
    """Initial value of the learned momentum of a learner's SGD, in (0, 1)."""
    real_batch: int = 128
    """Real images, over all classes, in the outer loss after each step of a learner."""
    intermediate: float = 1.0
    """Weight of the outer loss after each step but the last, whose weight is 1; 0 or more."""
    latent: int = 128
    """Dimensions of a latent."""
    hidden: int = 1024
    """Hidden units of the generator."""
    channels: tuple[int, ...] = (128, 64)
    """Channels of the generator at a quarter and at half of the image size."""
    keep_every: int | None = None
    """Steps between two stored states of a learner; the result is the same. None for the square root of all steps."""

    @classmethod
    def fast(cls, ipc: int = 10, classes: int = 10) -> GTN:
        """Return settings for a CPU: smaller networks and batches, a higher learner_lr, and more passes if there are few images."""
        return cls(
            steps=300,
            batch=50,
            passes=max(1, min(5, 500 // (ipc * classes))),
            learner=WeightNormConvNet(widths=(16, 32), hidden=64),
            learner_lr=0.1,
            hidden=256,
            channels=(32, 16),
            keep_every=1,
        )

    @classmethod
    def paper(cls, ipc: int = 10, classes: int = 10) -> GTN:
        """Return the published settings, with as many passes as give a learner about the published 32 steps."""
        return cls(passes=max(1, round(32 / math.ceil(ipc * classes / cls.batch))))

    def __post_init__(self) -> None:
        need_at_least(self, steps=0, batch=2, passes=1, real_batch=1, latent=1, hidden=1, keep_every=1, intermediate=0)
        need_positive(self, "lr", "learner_lr", "learner_momentum", "final_lr")
        need_fraction(self, "learner_momentum")
        if len(self.channels) != 2 or min(self.channels) <= 0:
            raise CondensationError(f"Expected method.channels to be two numbers above 0, got {self.channels}.", setting="method.channels")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise CondensationError(f"Expected method.betas to be two numbers in [0, 1), got {self.betas}.", setting="method.betas")

    def build(self, shape: Shape, classes: int) -> LessonGenerator:
        return LessonGenerator(self.latent, classes, shape, self.hidden, self.channels)

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> GTNState:
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights on construction; they are replaced below
            generator = self.build(real.shape, len(real.classes))
        generator.redraw(rng.child("generator"))
        generator = generator.to(real.device, compute.dtype)
        source = Curriculum(blank(real, ipc, compute.dtype), generator, rng.child("images"), self)
        optimizer = torch.optim.Adam(source.trainable(), lr=self.lr, betas=(self.betas[0], self.betas[1]))
        decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, self.steps), eta_min=self.final_lr * self.lr)
        learner = self.learner.build(real.shape, real.num_classes, Rng(0)).to(real.device, compute.dtype)
        return GTNState(source=source, optimizers=(optimizer,), schedulers=(decay,), learner=learner, batch=self.batch)

    def step(self, state: GTNState, real: ImageSet, rng: Rng) -> Tensor:
        source, learner = state.source, state.learner
        learner.redraw(rng.child("network"))
        source.regenerate()

        def outer_batch(step: int) -> OuterBatch | None:
            weight = 1.0 if step == source.length - 1 else self.intermediate
            if not weight:
                return None
            chosen = rng.child("real", step).choice(len(real), min(self.real_batch, len(real)))
            indices = torch.from_numpy(chosen).to(real.device)
            return OuterBatch(real.inputs(indices).to(source.latents), real.labels[indices], weight)

        unrolled, trainable = UnrolledTraining(source.length, source.inner_batch, outer_batch), source.trainable()
        loss, gradients = meta_gradient(learner, initial_state(learner), unrolled, trainable, rng, self.keep_every)
        for parameter, gradient in zip(trainable, gradients, strict=True):
            parameter.grad = gradient
        state.optimizers[0].step()
        state.schedulers[0].step()
        return loss
