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
from condensation.methods.base import State, need_at_least, need_fraction, need_positive
from condensation.methods.generative import GeneratedImages, GenerativeMethod, GeneratorState, blank, latents_for
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.base import Classifier, NetworkSpec
from condensation.networks.weight_norm import WeightNormConvNet
from condensation.training.curriculum import Schedule, lessons_of
from condensation.training.meta_gradient import InnerBatch, OuterBatch, UnrolledTraining, beginning, meta_gradient


class Curriculum(GeneratedImages):
    """Lessons that a generator makes of latents that are learned, and the rates at which they are to be learned from.

    The images of a lesson are made together: the generator's batch norm has their statistics, whoever asks. As in every set, images
    are sorted by class; ``pieces`` says which of them each lesson holds.
    """

    generator: LessonGenerator
    latents: nn.Parameter  # (n, latent), which training changes: they are part of the state

    def __init__(self, start: ImageSet, generator: LessonGenerator, latents: Tensor, method: GTN) -> None:
        super().__init__(start, generator, latents, method.batch)
        self.latents = nn.Parameter(latents)
        self.pieces = [piece.to(latents.device) for piece in lessons_of(list(start.counts.values()), method.batch)]
        steps = method.passes * len(self.pieces)
        self.log_lr = nn.Parameter(torch.full_like(latents[0, :1], math.log(method.learner_lr)).repeat(steps))
        self.log_momentum = nn.Parameter(torch.full_like(latents[0, :1], math.log(method.learner_momentum)).repeat(steps))

    @property
    def length(self) -> int:
        """Steps of a learner."""
        return len(self.log_lr)

    def learned(self) -> list[nn.Parameter]:
        """All that the method learns."""
        return [self.latents, self.log_lr, self.log_momentum, *self.generator.parameters()]

    def lesson(self, step: int) -> InnerBatch:
        """What a learner is given in ``step``, with a graph to all that is learned; without one, the images are those made `anew`."""
        piece = self.pieces[step % len(self.pieces)]
        images = self._made(piece, {}) if torch.is_grad_enabled() else self.images[piece]
        return InnerBatch(images, self.template.labels[piece], self.log_lr[step].exp(), self.log_momentum[step].exp())

    def anew(self, statistics: Mapping[str, Tensor] | None = None) -> None:
        """Make all images by the generator as it is, with the running ``statistics`` given in place of its own."""
        images = torch.empty_like(self.images)
        with torch.no_grad():
            for piece in self.pieces:
                images[piece] = self._made(piece, statistics or {})
        self.assign(images)

    def _made(self, piece: Tensor, statistics: Mapping[str, Tensor]) -> Tensor:
        self.generator.train()
        images: Tensor = functional_call(self.generator, dict(statistics), (self.latents[piece], self.template.class_index[piece]))
        return images

    def snapshot(self) -> ImageSet:
        self.anew({name: buffer.clone() for name, buffer in self.generator.named_buffers()})  # looking on changes nothing
        return SyntheticImages.snapshot(self)

    def schedule(self, batch: int) -> Schedule:
        """The rates as numbers."""
        lr, momentum = (tuple(rates.detach().exp().tolist()) for rates in (self.log_lr, self.log_momentum))
        return Schedule(batch, lr, momentum)

    def is_finite(self) -> bool:
        return all(bool(tensor.isfinite().all()) for tensor in self.state_dict().values())


@dataclass(kw_only=True)
class GTNState(GeneratorState):
    """The state of GTN: the curriculum, and beside it a learner, which is new at every step."""

    source: Curriculum
    learner: Classifier
    batch: int

    @property
    def parts(self) -> dict[str, nn.Module | Tensor]:
        return {}  # the learner leaves nothing behind

    def card(self) -> dict[str, Any]:
        return {"schedule": self.source.schedule(self.batch).plain()}


@dataclass(frozen=True)
class GTN(GenerativeMethod):
    """A generator whose images teach: a new network is trained on them for some steps, and its loss on real images descended.

    The gradient goes back through the training into the generator, its latents, which have a fixed order (the curriculum) and
    hard labels in turn, and the rates of each step. All images together, ``ipc`` of each class, are gone through once by
    a learner; 410 images of each of ten classes, in 33 lessons, are about the paper's 4,096.
    """

    name: ClassVar[str] = "gtn"
    network_setting = "learner"
    lr_setting = "lr"
    note: ClassVar[str] = (
        "The images are lessons: `condense teach` trains a network on them as they are meant, in their order and at their learned rates; "
        "`condense evaluate` judges them as any other set: shuffled, for many epochs, at common rates."
    )

    any_ipc: ClassVar[bool] = False

    steps: int = 2000  # a new learner, and a step of Adam, each
    lr: float = 0.02  # of Adam
    betas: tuple[float, ...] = (0.9, 0.999)
    final_lr: float = 0.1  # what is left of lr at the last step; it falls along a cosine
    batch: int = 128  # images of a lesson, at most
    passes: int = 1  # how often a learner goes through the lessons; each step has rates of its own
    learner: NetworkSpec = WeightNormConvNet()
    learner_lr: float = 0.02  # of SGD; what it and momentum are in the beginning
    learner_momentum: float = 0.5
    real_batch: int = 128  # real images that a learner is examined with after a step, of any classes
    intermediate: float = 1.0  # weight of the loss after each step but the last, which has 1
    latent: int = 128
    hidden: int = 1024  # of the generator
    channels: tuple[int, ...] = (128, 64)  # of the generator, at a quarter and at half of the size
    keep_every: int | None = None  # the same result; steps between two states of a learner that are kept; None: their square root

    @classmethod
    def fast(cls, ipc: int = 10, classes: int = 10) -> GTN:
        """Smaller networks and lessons for a CPU, a learner that is faster from the start, and more passes where lessons are few."""
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
        """The published settings; few lessons are gone through again, until a learner has taken about the published 32 steps."""
        return cls(passes=max(1, round(32 / math.ceil(ipc * classes / cls.batch))))

    def __post_init__(self) -> None:
        need_at_least(self, steps=0, batch=2, passes=1, real_batch=1, latent=1, hidden=1, keep_every=1, intermediate=0)
        need_positive(self, "lr", "learner_lr", "learner_momentum", "final_lr")
        need_fraction(self, "learner_momentum")
        if len(self.channels) != 2 or min(self.channels) <= 0:
            raise CondensationError(f"method.channels is {self.channels}; it must be two numbers above 0.")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise CondensationError(f"method.betas is {self.betas}; it must be two numbers in [0, 1).")

    def build(self, shape: Shape, classes: int) -> LessonGenerator:
        return LessonGenerator(self.latent, classes, shape, self.hidden, self.channels)

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> GTNState:
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights when they are made, which are not used
            generator = self.build(real.shape, len(real.classes))
        generator.redraw(rng.child("generator"))
        generator = generator.to(real.device, compute.dtype)
        start = blank(real, ipc, compute.dtype)
        source = Curriculum(start, generator, latents_for(generator, ipc, rng.child("images")).to(start.images), self)
        optimizer = torch.optim.Adam(source.learned(), lr=self.lr, betas=(self.betas[0], self.betas[1]))
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, self.steps), eta_min=self.final_lr * self.lr)
        learner = self.learner.build(real.shape, real.num_classes, Rng(0)).to(real.device, compute.dtype)
        return GTNState(source=source, optimizers=(optimizer,), schedulers=(falling,), learner=learner, batch=self.batch)

    def step(self, state: State, real: ImageSet, rng: Rng) -> Tensor:
        assert isinstance(state, GTNState)  # what init made
        source, learner = state.source, state.learner
        learner.redraw(rng.child("network"))
        source.anew()

        def exam(step: int) -> OuterBatch | None:
            weight = 1.0 if step == source.length - 1 else self.intermediate
            if not weight:
                return None
            drawn = rng.child("real", step).choice(len(real), min(self.real_batch, len(real)))
            places = torch.from_numpy(drawn).to(real.device)
            return OuterBatch(real.inputs(places).to(source.latents), real.labels[places], weight)

        syllabus, learned = UnrolledTraining(source.length, source.lesson, exam), source.learned()
        loss, gradient = meta_gradient(learner, beginning(learner), syllabus, learned, rng, self.keep_every)
        for parameter, of_parameter in zip(learned, gradient, strict=True):
            parameter.grad = of_parameter
        state.optimizers[0].step()
        state.schedulers[0].step()
        return loss


__all__ = ["GTN", "Curriculum", "GTNState"]
