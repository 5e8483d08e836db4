"""BigGAN (Brock et al., ICLR 2019) with differentiable augmentation (Zhao et al., NeurIPS 2020), as trained on CIFAR."""

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
from condensation.methods.base import need_at_least, need_fraction, need_positive
from condensation.methods.generative import GenerativeMethod, GeneratorState

BETAS = (0.0, 0.999)  # of Adam, for both networks


@dataclass(kw_only=True)
class BigGANState(GeneratorState):
    """Generator and critic; the source draws from the moving average of the generator."""

    generator: BigGenerator
    critic: ProjectionCritic
    generate: Callable[[Tensor, Tensor], Tensor]  # the generator, in the chosen precision
    score: Callable[[Tensor, Tensor], Tensor]  # the critic, in the chosen precision


@dataclass(frozen=True)
class BigGAN(GenerativeMethod[BigGANState]):
    """A class-conditional generator and a projection critic, trained with hinge losses on augmented images.

    Each step updates the critic several times and then the generator once. The images come from an exponential moving average of
    the generator. The reported loss is the critic's: 2 if it cannot tell real from generated images, 0 if it always can.

    >>> from condensation import BigGAN, condense, load
    >>> method = BigGAN(steps=1, batch=4, critic_steps=1, width=8, latent=8)
    >>> condense(method, load("digits", size=16).train, ipc=2).images.shape
    torch.Size([20, 1, 16, 16])
    """

    name: ClassVar[str] = "biggan"
    lr_setting = "lr"
    growing_setting = "steps"
    note: ClassVar[str] = (
        "BigGAN as published for CIFAR with DiffAugment. For other image sizes the generator has one block more or fewer, "
        "and the critic halves images to 7 or 8 pixels. Each batch of real images is drawn independently instead of epoch by epoch."
    )

    steps: int = 250_000
    """Generator updates; the default is 1000 epochs of CIFAR-10."""
    lr: float = 2e-4
    """Learning rate of Adam, for both networks."""
    batch: int = 50
    """Real images per batch; the critic sees as many generated ones."""
    critic_steps: int = 4
    """Critic updates per step."""
    width: int = 256
    """Channels of every block of both networks."""
    depth: int = 2
    """Blocks of the critic after those that halve the image."""
    latent: int = 128
    """Dimensions of a latent."""
    averaging: float = 0.9999
    """Decay of the exponential moving average of the generator, in [0, 1)."""
    averaging_from: int = 1000
    """Step at which averaging begins; until then the average is the generator itself."""
    augmentation: Augmentation | None = DiffAugment()
    """Augmentation of all images that the critic sees; None for no augmentation."""
    mirror: bool = True
    """Flip real images left to right at random, if the data is flip-invariant."""

    @classmethod
    def fast(cls, ipc: int = 10, classes: int = 10) -> BigGAN:
        """Return settings that take minutes on a CPU: an eighth of the width, small batches, a higher learning rate, a shorter average."""
        return cls(steps=3000, lr=5e-4, batch=32, width=32, depth=1, latent=32, averaging=0.98, averaging_from=100)

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
        if self.augmentation is not None:  # raises before the first step if the augmentation does not fit the images
            transform = self.augmentation.fit(real).per_image(1, rng.child("augment"))
            transform(signed(real.pictures(torch.zeros(1, dtype=torch.long, device=real.device))), torch.zeros(1, dtype=torch.long))
        source = self.drawn(real, ipc, copy.deepcopy(generator), rng, compute)
        optimizers = tuple(torch.optim.Adam(network.parameters(), lr=self.lr, betas=BETAS) for network in (generator, critic))
        wrap = replace(compute, compile="never").wrap  # each call changes the buffers of the spectral norm
        generate, score = wrap(generator), wrap(critic)
        return BigGANState(source=source, optimizers=optimizers, generator=generator, critic=critic, generate=generate, score=score)

    def step(self, state: BigGANState, real: ImageSet, rng: Rng) -> Tensor:
        losses = [self._train_critic(state, real, rng.child("critic", number)) for number in range(self.critic_steps)]
        self._train_generator(state, real, rng.child("generator"))
        decay = self.averaging if int(state.done) >= self.averaging_from else 0.0
        update_ema(state.source.generator, state.generator, decay)
        state.done += 1
        return torch.stack(losses).mean()

    def _train_critic(self, state: BigGANState, real: ImageSet, rng: Rng) -> Tensor:
        """Update the critic on one batch and return its loss."""
        optimizer = state.optimizers[1]
        count = min(self.batch, len(real))
        indices = torch.from_numpy(rng.child("real").choice(len(real), count)).to(real.device)
        pictures = real.pictures(indices).to(state.source.images)
        if self.mirror and real.flip_invariant:
            flipped = torch.from_numpy(rng.child("mirror").generator().random(count) < 0.5).to(real.device)
            pictures = torch.where(flipped.view(-1, 1, 1, 1), pictures.flip(3), pictures)
        with torch.no_grad():
            generated, class_index = self._generated(state, real, count, rng)
        optimizer.zero_grad()
        # One forward pass for both kinds, as no layer of the critic mixes images.
        both = torch.cat([pictures, generated]), torch.cat([real.class_index[indices], class_index])
        scores = self._scores(state, real, *both, rng)
        loss = hinge_loss_real(scores[:count]) + hinge_loss_fake(scores[count:])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    def _train_generator(self, state: BigGANState, real: ImageSet, rng: Rng) -> None:
        optimizer = state.optimizers[0]
        optimizer.zero_grad()
        with frozen(state.critic):
            generated, class_index = self._generated(state, real, self.batch, rng)
            generator_loss(self._scores(state, real, generated, class_index, rng)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def _generated(self, state: BigGANState, real: ImageSet, count: int, rng: Rng) -> tuple[Tensor, Tensor]:
        """Return generated pictures (count, c, h, w) of random classes, and their class indices (count,)."""
        latents = state.generator.draw(count, rng.child("latents")).to(state.source.images)
        class_index = torch.from_numpy(rng.child("rows").generator().integers(len(real.classes), size=count)).to(real.device)
        return state.generate(latents, class_index).to(latents), class_index

    def _scores(self, state: BigGANState, real: ImageSet, pictures: Tensor, class_index: Tensor, rng: Rng) -> Tensor:
        """Return the critic's scores (n,) of augmented ``pictures`` (n, c, h, w) of classes ``class_index`` (n,)."""
        images = signed(pictures)
        if self.augmentation is not None:
            transform = self.augmentation.fit(real).per_image(len(images), rng.child("augment"))
            images = transform(images, torch.arange(len(images)))
        return state.score(images, class_index).to(images)


def signed(pictures: Tensor) -> Tensor:
    """Return pictures in [0, 1] scaled to [-1, 1], the input range of critics and encoders."""
    return 2 * pictures - 1
