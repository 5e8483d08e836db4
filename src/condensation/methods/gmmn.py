"""Generative moment matching networks (GMMN; Li, Swersky & Zemel, ICML 2015), one a class or conditional."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet, Shape
from condensation.core.rng import Rng
from condensation.generators.autoencoder import Autoencoder
from condensation.generators.dense import DenseGenerator
from condensation.matching.kernels import RBF, Kernel, Scale
from condensation.matching.mmd import squared_mmd
from condensation.matching.pairwise_mmd import split_by_class
from condensation.methods.base import State, need_at_least, need_fraction, need_one_of, need_positive
from condensation.methods.generative import GenerativeMethod, GeneratorState
from condensation.networks.base import initialize

Networks = Literal["one-a-class", "conditional"]
OptimizerName = Literal["adam", "sgd"]
OPTIMIZERS: dict[OptimizerName, Callable[[list[nn.Parameter], float, float], Optimizer]] = {
    "adam": lambda parameters, lr, momentum: torch.optim.Adam(parameters, lr=lr, betas=(momentum, 0.999)),
    "sgd": lambda parameters, lr, momentum: torch.optim.SGD(parameters, lr=lr, momentum=momentum),
}
# Of the authors' code for MNIST, in distances of pictures in [0, 1]. Their sigma is a variance: exp(-d**2 / (2 sigma)).
PUBLISHED = tuple(variance**0.5 for variance in (2.0, 5.0, 10.0, 20.0, 40.0, 80.0))


@dataclass(kw_only=True)
class MomentMatching(GeneratorState):
    """The state of GMMN: the generator, and where codes are matched, what makes codes of pictures."""

    generator: DenseGenerator
    encoder: nn.Sequential | None
    done: Tensor  # steps, a scalar


@dataclass(frozen=True)
class GMMN(GenerativeMethod):
    """A generator whose images have the moments of the real ones: the MMD of pixels, or of an autoencoder's codes, is descended.

    The loss is the square root of the squared MMD (its biased estimate) between real and generated images of a class. A small
    network is trained for each class; or one for all, which is given the class. With an ``autoencoder`` that is trained
    first, on all classes, it makes codes, the MMD is theirs, and images are decoded.
    """

    name: ClassVar[str] = "gmmn"
    lr_setting = "lr"
    note: ClassVar[str] = (
        "How the DM paper trained GMMN for colour images and classes is not published. "
        "Here each class has a generator of its own unless one is conditional, "
        "and bandwidths are in median distances of real images unless a unit is set."
    )

    lengthened: ClassVar[str] = "iterations"

    iterations: int = 3000  # of the generator; those of an autoencoder come before
    lr: float = 1e-3
    optimizer: OptimizerName = "adam"
    momentum: float = 0.9  # of SGD, or the first beta of Adam
    lr_drop_step: int | None = None  # iterations, after which lr is a tenth, as is what momentum lacks of 1; None: never
    weight: float = 1000.0  # of the loss: only with SGD does it matter
    batch_per_class: int = 100  # real images; all of a class that has fewer
    samples_per_class: int = 100  # generated images
    latent: int = 10
    hidden: tuple[int, ...] = (64, 256, 256)
    networks: Networks = "one-a-class"
    kernel: Kernel = RBF((0.2, 0.5, 1.0, 2.0, 4.0, 8.0))
    unit: float | None = None  # the distance of pictures in [0, 1], or codes, in which bandwidths are; None: the median one
    autoencoder: Autoencoder | None = None

    @classmethod
    def paper(cls, ipc: int = 10, classes: int = 10) -> GMMN:
        """The authors' settings for MNIST in pixel space, for the generator of each class."""
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
            raise CondensationError(f"method.hidden is {list(self.hidden)}; it must be the sizes of one layer or more, each at least 1.")

    @property
    def steps(self) -> int:
        return self._before + self.iterations

    @property
    def _before(self) -> int:
        return self.autoencoder.total_steps if self.autoencoder else 0

    def build(self, shape: Shape, classes: int) -> DenseGenerator:
        networks = 1 if self.networks == "conditional" else classes
        if self.autoencoder is None:
            return DenseGenerator(shape, self.latent, self.hidden, classes, networks)
        decoder = self.autoencoder.decoder(math.prod(shape))
        return DenseGenerator(shape, self.latent, self.hidden, classes, networks, decoder, self.autoencoder.code)

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> MomentMatching:
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights when they are made, which are not used
            generator = self.build(real.shape, len(real.classes))
            encoder = self.autoencoder.encoder(math.prod(real.shape)) if self.autoencoder else None
        streams = [rng.child("generator", label) for label in real.classes]
        generator.redraw(streams if generator.networks > 1 else [rng.child("generator")])
        initialize(generator.decoder, rng.child("decoder"))
        generator = generator.to(real.device, compute.dtype)
        optimizers = [OPTIMIZERS[self.optimizer](list(generator.layers.parameters()), self.lr, self.momentum)]
        if self.autoencoder and encoder:
            initialize(encoder, rng.child("encoder"))
            encoder = encoder.to(real.device, compute.dtype)
            optimizers.append(torch.optim.Adam([*encoder.parameters(), *generator.decoder.parameters()], lr=self.autoencoder.lr))
        return MomentMatching(
            source=self.drawn(real, ipc, generator, rng, compute),
            optimizers=tuple(optimizers),
            generator=generator,
            encoder=encoder,
            done=torch.zeros((), dtype=torch.int64),
        )

    def step(self, state: State, real: ImageSet, rng: Rng) -> Tensor:
        assert isinstance(state, MomentMatching)  # what init made
        done = int(state.done)
        state.done += 1
        if self.autoencoder is not None and done < self._before:
            return self._learn_codes(self.autoencoder, state, real, done, rng)
        optimizer = state.optimizers[0]
        if done - self._before == self.lr_drop_step:
            slow_down(optimizer)
        draw = real.draw(self.batch_per_class, rng.child("real"))
        wanted = dict.fromkeys(real.classes, self.samples_per_class)
        latents = torch.stack([state.generator.draw(count, rng.child("latents", label)) for label, count in wanted.items()])
        with torch.no_grad():
            pictures = real.pictures(draw.indices).flatten(1).to(state.source.images)
            target = state.encoder(pictures) if state.encoder else pictures
        made = state.generator.codes(latents.to(target))
        of_real = split_by_class(target, draw.class_index, slice(0, len(real.classes)))
        distances = torch.stack([self.distance(one, other) for one, other in zip(of_real, made, strict=True)])
        optimizer.zero_grad()
        # The networks of classes share nothing, so that a sum trains each as if alone; one network descends their mean.
        loss = self.weight * distances.sum() * state.generator.networks / len(real.classes)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return distances.detach().sum()

    def distance(self, real: Tensor, generated: Tensor) -> Tensor:
        """The MMD, not squared, of real (n, dims) and generated (m, dims) pictures or codes of a class: a scalar."""
        scale = Scale.from_features(real)
        if self.unit is not None:
            scale = Scale(scale.dims, torch.full_like(scale.median, self.unit), scale.largest)
        # It is never below zero but by rounding; where it is zero the root has no slope.
        return squared_mmd(self.kernel, real, generated, scale).clamp(min=torch.finfo(real.dtype).tiny).sqrt()

    def _learn_codes(self, how: Autoencoder, state: MomentMatching, real: ImageSet, step: int, rng: Rng) -> Tensor:
        assert state.encoder is not None
        optimizer, decoder = state.optimizers[1], state.generator.decoder
        assert isinstance(decoder, nn.Sequential)
        chosen = torch.from_numpy(rng.child("real").choice(len(real), min(how.batch, len(real)))).to(real.device)
        optimizer.zero_grad()
        loss = how.loss(state.encoder, decoder, real.pictures(chosen).flatten(1).to(state.source.images), step, rng)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([*state.encoder.parameters(), *decoder.parameters()], how.largest_gradient)
        optimizer.step()
        return loss.detach()


def slow_down(optimizer: Optimizer) -> None:
    """A tenth of the rate, and of what momentum lacks of 1: 0.9 becomes 0.99 (as the authors' code does it)."""
    for group in optimizer.param_groups:
        group["lr"] /= 10
        if "momentum" in group:
            group["momentum"] = 1 - (1 - group["momentum"]) / 10
        else:
            first, second = group["betas"]
            group["betas"] = (1 - (1 - first) / 10, second)
