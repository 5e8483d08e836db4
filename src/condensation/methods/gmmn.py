"""Generative moment matching networks (GMMN; Li, Swersky & Zemel, ICML 2015), one per class or conditional."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from condensation.core.class_plan import ClassPlan, class_offsets, draw_of_group, group_classes
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet, Shape
from condensation.core.rng import ClassDraw, Rng
from condensation.generators.autoencoder import Autoencoder
from condensation.generators.base import Generator
from condensation.generators.dense import DenseGenerator
from condensation.matching.kernels import RBF, Kernel, Scale
from condensation.matching.mmd import squared_mmd
from condensation.matching.pairwise_mmd import split_by_class
from condensation.methods.base import need_at_least, need_fraction, need_one_of, need_positive
from condensation.methods.generative import GeneratedImages, GenerativeMethod, GeneratorState, blank
from condensation.networks.base import initialize

Networks = Literal["one-a-class", "conditional"]
OptimizerName = Literal["adam", "sgd"]
OPTIMIZERS: dict[OptimizerName, Callable[[list[nn.Parameter], float, float], Optimizer]] = {
    "adam": lambda parameters, lr, momentum: torch.optim.Adam(parameters, lr=lr, betas=(momentum, 0.999)),
    "sgd": lambda parameters, lr, momentum: torch.optim.SGD(parameters, lr=lr, momentum=momentum),
}
# Bandwidths of the authors' code for MNIST, for pictures in [0, 1]. Their sigma is a variance: exp(-d**2 / (2 sigma)).
PUBLISHED = tuple(variance**0.5 for variance in (2.0, 5.0, 10.0, 20.0, 40.0, 80.0))


@dataclass(kw_only=True)
class GMMNState(GeneratorState):
    """The generator and, with an autoencoder, the encoder that maps pictures to codes."""

    generator: DenseGenerator
    encoder: nn.Sequential | None


@dataclass(frozen=True)
class GMMN(GenerativeMethod[GMMNState]):
    """A generator that minimizes the MMD between real and generated images of each class.

    The loss is the square root of the biased estimate of the squared MMD (Li et al., 2015, algorithm 1). Each class has a small
    network, or one conditional network serves all classes. With an ``autoencoder``, trained first on all classes, the MMD compares codes,
    and generated codes are decoded to images.

    >>> from condensation import GMMN, condense, load
    >>> condense(GMMN(iterations=1), load("digits").train, ipc=2).images.shape
    torch.Size([20, 1, 8, 8])
    """

    name: ClassVar[str] = "gmmn"
    lr_setting = "lr"
    growing_setting = "iterations"
    lengthened: ClassVar[str] = "iterations"
    note: ClassVar[str] = (
        "How the DM paper trained GMMN for colour images and classes is not published. "
        "Here each class has its own generator unless the generator is conditional, "
        "and bandwidths are multiples of the median distance of real images unless a unit is set."
    )

    iterations: int = 3000
    """Training iterations of the generator, after those of the autoencoder."""
    lr: float = 1e-3
    """Learning rate of the generator."""
    optimizer: OptimizerName = "adam"
    """Optimizer of the generator: ``adam`` or ``sgd``."""
    momentum: float = 0.9
    """Momentum of SGD, or the first beta of Adam, in [0, 1)."""
    lr_drop_step: int | None = None
    """Iteration at which lr and 1 - momentum drop to a tenth; None for never."""
    weight: float = 1000.0
    """Factor of the loss, above 0; it has an effect with SGD only."""
    batch_per_class: int = 100
    """Real images per class and iteration, or all if the class has fewer."""
    samples_per_class: int = 100
    """Generated images per class and iteration."""
    latent: int = 10
    """Dimensions of a latent."""
    hidden: tuple[int, ...] = (64, 256, 256)
    """Sizes of the hidden layers."""
    networks: Networks = "one-a-class"
    """``one-a-class``: one generator per class; ``conditional``: one for all classes."""
    kernel: Kernel = RBF((0.2, 0.5, 1.0, 2.0, 4.0, 8.0))
    """Kernel of the MMD."""
    unit: float | None = None
    """Unit of the bandwidths: a distance of pictures in [0, 1], or of codes; None for the median distance of real images."""
    autoencoder: Autoencoder | None = None
    """Autoencoder whose codes are matched; None to match pixels."""

    @classmethod
    def paper(cls, ipc: int = 10, classes: int = 10) -> GMMN:
        """Return the authors' settings for MNIST in pixel space, with one generator per class."""
        return cls(
            iterations=40_000,
            lr=2.0,
            optimizer="sgd",
            lr_drop_step=10_000,
            batch_per_class=1000,
            samples_per_class=1000,
            hidden=(64, 256, 256, 1024),
            kernel=len(PUBLISHED) * RBF(PUBLISHED),  # a sum, not a mean
            unit=1.0,
        )

    def __post_init__(self) -> None:
        need_at_least(self, iterations=0, lr_drop_step=0, batch_per_class=1, samples_per_class=1, latent=1)
        need_positive(self, "lr", "weight", *(("unit",) if self.unit is not None else ()))
        need_fraction(self, "momentum")
        need_one_of(self, "networks", get_args(Networks))
        need_one_of(self, "optimizer", OPTIMIZERS)
        if not self.hidden or min(self.hidden) < 1:
            message = f"Expected method.hidden to be one or more layer sizes of at least 1, got {list(self.hidden)}."
            raise CondensationError(message, setting="method.hidden")

    @property
    def steps(self) -> int:
        return self._autoencoder_steps + self.iterations

    @property
    def _autoencoder_steps(self) -> int:
        return self.autoencoder.total_steps if self.autoencoder else 0

    def build(self, shape: Shape, classes: int) -> DenseGenerator:
        return self._build(shape, classes)

    def _build(self, shape: Shape, classes: int, conditional: bool | None = None) -> DenseGenerator:
        networks = 1 if self.networks == "conditional" else classes
        if self.autoencoder is None:
            return DenseGenerator(shape, self.latent, self.hidden, classes, networks, conditional=conditional)
        decoder = self.autoencoder.decoder(math.prod(shape))
        return DenseGenerator(shape, self.latent, self.hidden, classes, networks, decoder, self.autoencoder.code)

    def class_plan(self, real: ImageSet, ipc: Mapping[int, int], compute: Compute) -> ClassPlan:
        drawn = {label: min(self.batch_per_class, count) for label, count in real.counts.items()}
        reasons = {"an autoencoder": self.autoencoder is not None, "one generator": self.networks == "conditional" or len(drawn) == 1}
        undivided = next((f"with {reason}" for reason, applies in reasons.items() if applies), "")
        groups = group_classes(drawn, None if undivided else compute.group_size(real.shape, sum(drawn.values())))
        plan = ClassPlan.of(groups, compute, {label: drawn[label] + self.samples_per_class for label in drawn})
        return replace(plan, undivided=undivided)

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> GMMNState:
        return self.init_classes(real, ipc, rng, self.class_plan(real, ipc, compute))

    def init_classes(self, real: ImageSet, ipc: dict[int, int], rng: Rng, plan: ClassPlan) -> GMMNState:
        compute = plan.compute
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights on construction; they are replaced below
            generator = self._build(real.shape, len(real.classes), None if plan.undivided else False)
            encoder = self.autoencoder.encoder(math.prod(real.shape)) if self.autoencoder else None
        streams = [rng.child("generator", label) for label in real.classes]
        generator.redraw([rng.child("generator")] if generator.conditional else streams)
        initialize(generator.decoder, rng.child("decoder"))
        generator = generator.to(real.device, compute.dtype)
        optimizers = [OPTIMIZERS[self.optimizer](list(generator.layers.parameters()), self.lr, self.momentum)]
        if self.autoencoder and encoder:
            initialize(encoder, rng.child("encoder"))
            encoder = encoder.to(real.device, compute.dtype)
            optimizers.append(torch.optim.Adam([*encoder.parameters(), *generator.decoder.parameters()], lr=self.autoencoder.lr))
        source = self._drawn(real, ipc, generator, rng, plan)
        return GMMNState(source=source, optimizers=tuple(optimizers), plan=plan, generator=generator, encoder=encoder)

    def drawn(self, real: ImageSet, ipc: Mapping[int, int], generator: Generator, rng: Rng, compute: Compute) -> GeneratedImages:
        return self._drawn(real, ipc, generator, rng, self.class_plan(real, ipc, compute))

    def _drawn(self, real: ImageSet, ipc: Mapping[int, int], generator: Generator, rng: Rng, plan: ClassPlan) -> GeneratedImages:
        assert isinstance(generator, DenseGenerator)
        template = blank(real, ipc, next(generator.parameters()).dtype)
        parts = [(part, generator.part(part)) for part in plan.ranges] if len(plan.groups) > 1 else []
        return GeneratedImages(template, generator, rng.child("images"), plan.compute.suitable_chunk(real.shape), parts)

    def step(self, state: GMMNState, real: ImageSet, rng: Rng) -> Tensor:
        done = int(state.done)
        state.done += 1
        if self.autoencoder is not None and done < self._autoencoder_steps:
            return self._train_autoencoder(self.autoencoder, state, real, done, rng)
        optimizer, whole = state.optimizers[0], state.generator
        if done - self._autoencoder_steps == self.lr_drop_step:
            drop_lr(optimizer)
        draw = real.draw(self.batch_per_class, rng.child("real"))
        drawn = class_offsets(draw.class_index, len(real.classes))
        optimizer.zero_grad()
        losses = []
        for classes, generator in state.source.groups:
            assert isinstance(generator, DenseGenerator)
            distances = self._distances(state, generator, real, draw_of_group(draw, classes, drawn), rng)
            # Networks of different classes share no parameters, so the sum trains each separately; a single network uses the mean.
            loss = self.weight * distances.sum() / (len(real.classes) if whole.conditional else 1)
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(distances.detach().sum())
        if len(state.source.groups) > 1:
            whole.take_gradients([part for _, part in state.source.groups if isinstance(part, DenseGenerator)])
        optimizer.step()
        return state.add_up(losses)

    def _distances(self, state: GMMNState, generator: DenseGenerator, real: ImageSet, draw: ClassDraw, rng: Rng) -> Tensor:
        """Return the MMD of each class of ``draw`` (classes,)."""
        latents = torch.stack([generator.draw(self.samples_per_class, rng.child("latents", label)) for label in draw.classes])
        with torch.no_grad():
            pictures = real.pictures(draw.indices).flatten(1).to(state.source.images)
            target = state.encoder(pictures) if state.encoder else pictures
        generated = generator.codes(latents.to(target))
        real_classes = split_by_class(target, draw.class_index, slice(0, len(draw.classes)))
        return torch.stack([self.distance(*pair) for pair in zip(real_classes, generated, strict=True)])

    def distance(self, real: Tensor, generated: Tensor) -> Tensor:
        """Return the MMD, not squared, between real (n, dims) and generated (m, dims) pictures or codes of a class."""
        scale = Scale.from_features(real)
        if self.unit is not None:
            scale = Scale(scale.dims, torch.full_like(scale.median, self.unit), scale.largest)
        # Rounding can make the estimate negative, and the square root has no derivative at 0.
        return squared_mmd(self.kernel, real, generated, scale).clamp(min=torch.finfo(real.dtype).tiny).sqrt()

    def _train_autoencoder(self, autoencoder: Autoencoder, state: GMMNState, real: ImageSet, step: int, rng: Rng) -> Tensor:
        """Train the autoencoder for one step and return its loss."""
        assert state.encoder is not None
        optimizer, decoder = state.optimizers[1], state.generator.decoder
        assert isinstance(decoder, nn.Sequential)
        indices = torch.from_numpy(rng.child("real").choice(len(real), min(autoencoder.batch, len(real)))).to(real.device)
        optimizer.zero_grad()
        loss = autoencoder.loss(state.encoder, decoder, real.pictures(indices).flatten(1).to(state.source.images), step, rng)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([*state.encoder.parameters(), *decoder.parameters()], autoencoder.largest_gradient)
        optimizer.step()
        return loss.detach()


def drop_lr(optimizer: Optimizer) -> None:
    """Reduce the learning rate and 1 - momentum to a tenth, as the authors' code does: 0.9 becomes 0.99."""
    for group in optimizer.param_groups:
        group["lr"] /= 10
        if "momentum" in group:
            group["momentum"] = 1 - (1 - group["momentum"]) / 10
        else:
            first, second = group["betas"]
            group["betas"] = (1 - (1 - first) / 10, second)
