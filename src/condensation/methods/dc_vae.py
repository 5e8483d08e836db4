"""DC-VAE, the dual contradistinctive generative autoencoder (Parmar et al., CVPR 2021), conditional or one per class."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet, Shape
from condensation.core.rng import Rng
from condensation.generators.channels_last import to_channels_last
from condensation.generators.dc_vae_decoder import Decoder
from condensation.generators.dc_vae_encoder import DualAutoencoder
from condensation.generators.ema import frozen, update_ema
from condensation.generators.per_class import PerClassGenerator
from condensation.generators.sizes import upsampling_plan
from condensation.methods.base import need_at_least, need_fraction, need_one_of, need_positive
from condensation.methods.big_gan import signed
from condensation.methods.dc_vae_losses import DualLosses
from condensation.methods.generative import GenerativeMethod, GeneratorState

Networks = Literal["conditional", "one-a-class"]
BETAS = (0.0, 0.9)  # of Adam, for all networks
MOMENTUM = 0.999  # decay of the momentum encoder


@dataclass(kw_only=True)
class DCVAEState(GeneratorState):
    """An autoencoder for each group of classes; the source draws from moving averages of their decoders."""

    groups: nn.ModuleList
    compute: Compute


@dataclass(frozen=True)
class DCVAE(GenerativeMethod[DCVAEState]):
    """An autoencoder trained with a critic and a contrastive loss instead of a pixel loss.

    Each step trains a critic on several batches to tell real images from samples and reconstructions, then encoder and decoder against
    the critic, then all with a contrastive loss: in the embedding of a momentum encoder, each reconstruction should be closer to its
    image than to many others. The images are samples of a moving average of the decoder. The loss is the critic's plus the contrastive.

    >>> from condensation import DCVAE, condense, load
    >>> method = DCVAE(steps=1, batch=4, samples=4, critic_steps=1, width=8, critic_width=8, latent=8, queue=8)
    >>> condense(method, load("digits", size=16).train, ipc=2).images.shape
    torch.Size([20, 1, 16, 16])
    """

    name: ClassVar[str] = "dc-vae"
    lr_setting = "lr"
    growing_setting = "steps"
    note: ClassVar[str] = (
        "DC-VAE as published for CIFAR, where it is unconditional; how the DM paper made it conditional is not published. Here the decoder "
        "gets a class vector beside the latent and the critic a class projection, or each class has its own autoencoder."
    )

    steps: int = 125_000
    """Training steps; the default is 800 epochs of CIFAR-10."""
    lr: float = 2e-4
    """Learning rate of Adam, for all networks."""
    batch: int = 64
    """Real images per batch; the critic sees as many samples."""
    samples: int = 128
    """Samples per decoder update."""
    critic_steps: int = 5
    """Critic updates per step."""
    width: int = 256
    """Channels of the decoder."""
    critic_width: int = 128
    """Channels of encoder and critic."""
    depth: int = 2
    """Blocks of encoder and critic after those that halve the image."""
    latent: int = 128
    """Dimensions of a latent."""
    divergence: float = 1e-6
    """Weight of the KL divergence, summed over batch and latent; 0 or more."""
    temperature: float = 0.07
    """Temperature of the contrastive loss, above 0."""
    queue: int = 8192
    """Negative images in the contrastive loss, at least ``batch``."""
    averaging: float = 0.999
    """Decay of the exponential moving average of the decoder, in [0, 1)."""
    averaging_from: int = 0
    """Step at which averaging begins; until then the average is the decoder itself."""
    networks: Networks = "conditional"
    """``conditional``: one autoencoder for all classes; ``one-a-class``: one per class."""

    @classmethod
    def fast(cls, ipc: int = 10, classes: int = 10) -> DCVAE:
        """Return settings that take minutes on a CPU: narrow networks, small batches, a higher learning rate, a shorter average."""
        return cls(
            steps=2500,
            lr=5e-4,
            batch=32,
            samples=32,
            critic_steps=2,
            width=32,
            critic_width=32,
            depth=1,
            latent=32,
            queue=1024,
            averaging=0.98,
            averaging_from=100,
        )

    def __post_init__(self) -> None:
        need_at_least(self, steps=0, batch=1, samples=1, critic_steps=1, width=1, critic_width=1, depth=0, latent=1)
        need_at_least(self, averaging_from=0, divergence=0)
        need_positive(self, "lr", "temperature")
        need_fraction(self, "averaging")
        need_one_of(self, "networks", get_args(Networks))
        if self.queue < self.batch:
            raise CondensationError(f"Expected method.queue >= method.batch ({self.batch}), got {self.queue}.", setting="method.queue")

    def build(self, shape: Shape, classes: int) -> PerClassGenerator:
        group_sizes = [1] * classes if self.networks == "one-a-class" else [classes]
        return to_channels_last(PerClassGenerator([self._decoder(shape, size, Rng(0)) for size in group_sizes]))

    def _decoder(self, shape: Shape, classes: int, rng: Rng) -> Decoder:
        return Decoder(shape[0], *upsampling_plan(shape, "dc-vae"), self.width, self.latent, classes, rng)

    def _groups(self, real: ImageSet) -> list[tuple[int, ...]]:
        """Return the labels that share each autoencoder."""
        return [(label,) for label in real.classes] if self.networks == "one-a-class" else [real.classes]

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> DCVAEState:
        groups = []
        for labels in self._groups(real):
            stream = group_rng(rng, labels)
            decoder = self._decoder(real.shape, len(labels), stream.child("decoder"))
            groups.append(DualAutoencoder(real.shape, decoder, self.critic_width, self.depth, self.queue, len(labels), stream))
        networks = to_channels_last(nn.ModuleList(groups).to(real.device, compute.dtype))
        averages = PerClassGenerator([copy.deepcopy(group.decoder) for group in groups])
        autoencoder = [parameter for group in groups for part in (group.decoder, group.encoder) for parameter in part.parameters()]
        critic = [parameter for group in groups for parameter in group.dual.parameters()]
        source = self.drawn(real, ipc, averages, rng, compute)
        # Adam updates each parameter independently, so groups can share an optimizer.
        optimizers = tuple(torch.optim.Adam(parameters, lr=self.lr, betas=BETAS) for parameters in (autoencoder, critic))
        uncompiled = replace(compute, compile="never")  # each call changes the buffers of the spectral norm
        return DCVAEState(source=source, optimizers=optimizers, groups=networks, compute=uncompiled)

    def step(self, state: DCVAEState, real: ImageSet, rng: Rng) -> Tensor:
        losses = []
        averages = state.source.generator
        assert isinstance(averages, PerClassGenerator)
        for labels, group, average in zip(self._groups(real), state.groups, averages.generators, strict=True):
            assert isinstance(group, DualAutoencoder)
            losses.append(self._train(state, group, real, labels, group_rng(rng, labels)))
            decay = self.averaging if int(state.done) >= self.averaging_from else 0.0
            update_ema(average, group.decoder, decay, buffer_decay=0.0)
        state.done += 1
        return torch.stack(losses).mean()

    def _train(self, state: DCVAEState, group: DualAutoencoder, real: ImageSet, labels: tuple[int, ...], rng: Rng) -> Tensor:
        """Train the group of ``labels`` for one step and return its loss."""
        dual = DualLosses(group, state.compute, len(labels), self.latent)
        autoencoder, critic = state.optimizers
        losses = []
        for number in range(self.critic_steps):
            stream = rng.child("critic", number)
            images, class_index = self._draw(real, labels, stream.child("real"), state.source.images.dtype)
            critic.zero_grad()
            loss = dual.critic_loss(images, class_index, stream)
            loss.backward()  # type: ignore[no-untyped-call]
            critic.step()
            losses.append(loss.detach())
        autoencoder.zero_grad()
        with frozen(group.dual):
            loss = dual.autoencoder_loss(images, class_index, self.samples, self.divergence, rng.child("maker"))
            loss.backward()  # type: ignore[no-untyped-call]
        autoencoder.step()
        autoencoder.zero_grad()
        critic.zero_grad()
        group.update_momentum_encoder(MOMENTUM)
        contrast, divergence, keys = dual.contrast(images, class_index, self.temperature, rng.child("contrast"))
        (contrast + self.divergence * divergence).backward()  # type: ignore[no-untyped-call]
        autoencoder.step()
        critic.step()
        group.enqueue(keys)
        return torch.stack(losses).mean() + contrast.detach()

    def _draw(self, real: ImageSet, labels: tuple[int, ...], rng: Rng, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return random real images (n, c, h, w) of ``labels`` in [-1, 1], and their class indices within the group (n,)."""
        start, count = real.starts[labels[0]], sum(real.counts[label] for label in labels)  # the labels are adjacent
        indices = torch.from_numpy(start + rng.choice(count, min(self.batch, count))).to(real.device)
        return signed(real.pictures(indices).to(dtype)), real.class_index[indices] - real.class_index[start]


def group_rng(rng: Rng, labels: tuple[int, ...]) -> Rng:
    """Return the random stream of a group of classes; for a single class, it depends on the label only."""
    return rng.child(*labels) if len(labels) == 1 else rng.child("all")
