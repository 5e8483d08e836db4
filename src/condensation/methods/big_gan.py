"""BigGAN (Brock et al., 2019) with differentiable augmentation (Zhao et al., 2020), as it is trained on CIFAR."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from condensation.augment.base import Augmentation
from condensation.augment.diffaugment import DiffAugment
from condensation.core.compute import Compute
from condensation.core.images import ImageSet, Shape
from condensation.core.rng import Rng
from condensation.generators.big_gan import BigGenerator, ProjectionCritic
from condensation.generators.channels_last import to_channels_last
from condensation.generators.ema import frozen, update_ema
from condensation.generators.gan_losses import generator_loss, hinge_loss_fake, hinge_loss_real
from condensation.generators.sizes import upsampling_plan
from condensation.methods.base import State, need_at_least, need_fraction, need_positive
from condensation.methods.generative import GenerativeMethod, GeneratorState

BETAS = (0.0, 0.999)  # of Adam, for both networks


@dataclass(kw_only=True)
class BigGANState(GeneratorState):
    """The state of BigGAN: generator and critic; the source draws from the running average of the generator."""

    generator: BigGenerator
    critic: ProjectionCritic
    done: Tensor  # steps, a scalar
    make: Callable[[Tensor, Tensor], Tensor]  # the generator and the critic in the precision chosen
    score: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class BigGAN(GenerativeMethod):
    """A generator of all classes and a critic that must tell its images from real ones, each class by its own standard.

    In each step the critic learns from several batches, real images beside made ones, by hinge losses; then the generator learns
    from one. Whatever the critic sees is augmented, and what the generator learns passes through the augmentation. The images are
    those of a running average of generators. The loss told is the critic's: 2 where it cannot tell at all, 0 where it always can.
    """

    name: ClassVar[str] = "biggan"
    lr_setting = "lr"
    note: ClassVar[str] = (
        "BigGAN as published for CIFAR with DiffAugment; for other sizes the generator has a block more or less, "
        "and the critic halves images to 7 or 8 pixels. Real images are drawn anew for each batch instead of epoch by epoch."
    )

    steps: int = 250_000  # 1000 epochs of CIFAR10
    lr: float = 2e-4  # of Adam, for both networks
    batch: int = 50  # real images, and as many made ones
    critic_steps: int = 4  # in each step, before that of the generator
    width: int = 256  # channels of every block, of both networks
    depth: int = 2  # blocks of the critic after those that halve
    latent: int = 128
    averaging: float = 0.9999  # in [0, 1): the part that the average of generators keeps in a step
    averaging_from: int = 1000  # steps; until then the generator itself takes the place of the average
    augmentation: Augmentation | None = DiffAugment()
    mirror: bool = True  # turn real images left to right by chance, where they may be mirrored

    @classmethod
    def fast(cls, ipc: int = 10, classes: int = 10) -> BigGAN:
        """Minutes on a CPU: an eighth of the width, few images a step, a higher rate and a shorter average."""
        return cls(
            steps=3000,
            lr=5e-4,
            batch=32,
            width=32,
            depth=1,
            latent=32,
            averaging=0.98,
            averaging_from=100,
        )

    def __post_init__(self) -> None:
        need_at_least(self, steps=0, batch=1, critic_steps=1, width=1, depth=0, latent=1, averaging_from=0)
        need_positive(self, "lr")
        need_fraction(self, "averaging")

    def build(self, shape: Shape, classes: int) -> BigGenerator:
        return to_channels_last(self._generator(shape, classes, Rng(0)))

    def _generator(self, shape: Shape, classes: int, rng: Rng) -> BigGenerator:
        return BigGenerator(shape[0], *upsampling_plan(shape, "biggan"), self.width, self.latent, classes, rng)

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> BigGANState:
        classes = len(real.classes)
        generator = self._generator(real.shape, classes, rng.child("generator"))
        critic = ProjectionCritic(real.shape[0], real.shape[1], self.width, self.depth, classes, rng.child("critic"))
        for network in (generator, critic):
            to_channels_last(network.to(real.device, compute.dtype))
        if self.augmentation is not None:  # find out before the first step that it cannot be used
            transform = self.augmentation.fit(real).per_image(1, rng.child("augment"))
            transform(signed(real.pictures(torch.zeros(1, dtype=torch.long, device=real.device))), torch.zeros(1, dtype=torch.long))
        as_they_are = replace(compute, compile="never")  # what a spectral norm keeps changes with every use
        return BigGANState(
            source=self.drawn(real, ipc, copy.deepcopy(generator), rng, compute),
            optimizers=tuple(torch.optim.Adam(one.parameters(), lr=self.lr, betas=BETAS) for one in (generator, critic)),
            generator=generator,
            critic=critic,
            done=torch.zeros((), dtype=torch.int64),
            make=as_they_are.wrap(generator),
            score=as_they_are.wrap(critic),
        )

    def step(self, state: State, real: ImageSet, rng: Rng) -> Tensor:
        assert isinstance(state, BigGANState)  # what init made
        losses = [self._teach_critic(state, real, rng.child("critic", number)) for number in range(self.critic_steps)]
        self._teach_generator(state, real, rng.child("generator"))
        kept = self.averaging if int(state.done) >= self.averaging_from else 0.0
        update_ema(state.source.generator, state.generator, kept)
        state.done += 1
        return torch.stack(losses).mean()

    def _teach_critic(self, state: BigGANState, real: ImageSet, rng: Rng) -> Tensor:
        """One batch for the critic, and its loss."""
        optimizer = state.optimizers[1]
        count = min(self.batch, len(real))
        places = torch.from_numpy(rng.child("real").choice(len(real), count)).to(real.device)
        pictures = real.pictures(places).to(state.source.images)
        if self.mirror and real.flip_invariant:
            turned = torch.from_numpy(rng.child("mirror").generator().random(count) < 0.5).to(real.device)
            pictures = torch.where(turned.view(-1, 1, 1, 1), pictures.flip(3), pictures)
        with torch.no_grad():
            made, rows = self._made(state, real, count, rng)
        optimizer.zero_grad()
        # One pass for both, as no layer of the critic mixes images.
        scores = self._scores(state, real, torch.cat([pictures, made]), torch.cat([real.class_index[places], rows]), rng)
        loss = hinge_loss_real(scores[:count]) + hinge_loss_fake(scores[count:])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    def _teach_generator(self, state: BigGANState, real: ImageSet, rng: Rng) -> None:
        optimizer = state.optimizers[0]
        optimizer.zero_grad()
        with frozen(state.critic):
            made, rows = self._made(state, real, self.batch, rng)
            generator_loss(self._scores(state, real, made, rows, rng)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def _made(self, state: BigGANState, real: ImageSet, count: int, rng: Rng) -> tuple[Tensor, Tensor]:
        """Pictures (count, c, h, w) of the generator, of random classes, and their rows (count,)."""
        latents = state.generator.draw(count, rng.child("latents")).to(state.source.images)
        rows = torch.from_numpy(rng.child("rows").generator().integers(len(real.classes), size=count)).to(real.device)
        return state.make(latents, rows).to(latents), rows

    def _scores(self, state: BigGANState, real: ImageSet, pictures: Tensor, rows: Tensor, rng: Rng) -> Tensor:
        """What the critic gives ``pictures`` (n, c, h, w), augmented, as images of the classes ``rows`` (n,): (n,)."""
        images = signed(pictures)
        if self.augmentation is not None:
            transform = self.augmentation.fit(real).per_image(len(images), rng.child("augment"))
            images = transform(images, torch.arange(len(images)))
        return state.score(images, rows).to(images)


def signed(pictures: Tensor) -> Tensor:
    """Pictures in [0, 1] as critics and encoders see them, in [-1, 1]."""
    return 2 * pictures - 1
