"""DC-VAE, the dual contradistinctive generative autoencoder (Parmar et al., CVPR 2021), of one class or of all."""

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
from condensation.methods.base import State, need_at_least, need_fraction, need_one_of, need_positive
from condensation.methods.big_gan import signed
from condensation.methods.dc_vae_losses import DualLosses
from condensation.methods.generative import GenerativeMethod, GeneratorState

Networks = Literal["conditional", "one-a-class"]
BETAS = (0.0, 0.9)  # of Adam, for all networks
MOMENTUM = 0.999  # the part that the momentum encoder keeps of itself


@dataclass(kw_only=True)
class DCVAEState(GeneratorState):
    """The state of DC-VAE: an autoencoder for each group of classes; the source draws from averages of their decoders."""

    groups: nn.ModuleList
    done: Tensor  # steps, a scalar
    compute: Compute


@dataclass(frozen=True)
class DCVAE(GenerativeMethod):
    """An autoencoder without a pixel loss: its reconstructions are to be real, and each to be more like its own image than any other.

    In each step a critic learns from several batches to tell real images from samples and reconstructions; then encoder and
    decoder learn from it; then they and the critic's own layers learn a contrast, that of each reconstruction with its image, as a
    momentum encoder sees it, among many other images. Samples are those of a running average of decoders. The loss told
    is the critic's, 2 where it cannot tell at all, and the contrast.
    """

    name: ClassVar[str] = "dc-vae"
    lr_setting = "lr"
    note: ClassVar[str] = (
        "DC-VAE as published for CIFAR, where it knows no classes; how the DM paper gave it some is not published. Here decoder and "
        "critic are told the class (a vector beside the latent, a projection), or each class has an autoencoder of its own."
    )

    steps: int = 125_000  # 800 epochs of CIFAR10
    lr: float = 2e-4  # of Adam, for all networks
    batch: int = 64  # real images, and as many samples for the critic
    samples: int = 128  # for the decoder
    critic_steps: int = 5  # in each step, before those of the autoencoder
    width: int = 256  # channels of the decoder
    critic_width: int = 128  # channels of encoder and critic
    depth: int = 2  # blocks of encoder and critic after those that halve
    latent: int = 128
    divergence: float = 1e-6  # weight of the Kullback-Leibler divergence, a sum over batch and latents
    temperature: float = 0.07  # of the contrast
    queue: int = 8192  # other images in the contrast
    averaging: float = 0.999  # in [0, 1): the part that the average of decoders keeps in a step
    averaging_from: int = 0  # steps; until then the decoder itself takes the place of the average
    networks: Networks = "conditional"

    @classmethod
    def fast(cls, ipc: int = 10, classes: int = 10) -> DCVAE:
        """Minutes on a CPU: narrow networks, few images a step, a higher rate and a shorter average."""
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
        need_at_least(self, steps=0, batch=1, samples=1, critic_steps=1, width=1, critic_width=1, depth=0, latent=1, averaging_from=0)
        need_positive(self, "lr", "temperature")
        need_fraction(self, "averaging")
        need_one_of(self, "networks", get_args(Networks))
        if self.divergence < 0:
            raise CondensationError(f"method.divergence is {self.divergence}; it must be 0 or more.")
        if self.queue < self.batch:
            raise CondensationError(f"method.queue is {self.queue}; it must hold a batch, method.batch={self.batch}.")

    def build(self, shape: Shape, classes: int) -> PerClassGenerator:
        each = [1] * classes if self.networks == "one-a-class" else [classes]
        return to_channels_last(PerClassGenerator([self._decoder(shape, count, Rng(0)) for count in each]))

    def _decoder(self, shape: Shape, classes: int, rng: Rng) -> Decoder:
        return Decoder(shape[0], *upsampling_plan(shape, "dc-vae"), self.width, self.latent, classes, rng)

    def _groups(self, real: ImageSet) -> list[tuple[int, ...]]:
        """The labels that share an autoencoder."""
        return [(label,) for label in real.classes] if self.networks == "one-a-class" else [real.classes]

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> DCVAEState:
        groups = []
        for labels in self._groups(real):
            stream = stream_of(rng, labels)
            decoder = self._decoder(real.shape, len(labels), stream.child("decoder"))
            groups.append(DualAutoencoder(real.shape, decoder, self.critic_width, self.depth, self.queue, len(labels), stream))
        networks = to_channels_last(nn.ModuleList(groups).to(real.device, compute.dtype))
        averages = PerClassGenerator([copy.deepcopy(group.decoder) for group in groups])
        makers = [parameter for group in groups for part in (group.decoder, group.encoder) for parameter in part.parameters()]
        critics = [parameter for group in groups for parameter in group.dual.parameters()]
        return DCVAEState(
            source=self.drawn(real, ipc, averages, rng, compute),
            # Adam treats each parameter by itself, so that groups share one and are as if alone.
            optimizers=tuple(torch.optim.Adam(parameters, lr=self.lr, betas=BETAS) for parameters in (makers, critics)),
            groups=networks,
            done=torch.zeros((), dtype=torch.int64),
            compute=replace(compute, compile="never"),  # what a spectral norm keeps changes with every use
        )

    def step(self, state: State, real: ImageSet, rng: Rng) -> Tensor:
        assert isinstance(state, DCVAEState)  # what init made
        losses = []
        averages = state.source.generator
        assert isinstance(averages, PerClassGenerator)
        for labels, group, average in zip(self._groups(real), state.groups, averages.generators, strict=True):
            assert isinstance(group, DualAutoencoder)
            losses.append(self._train(state, group, real, labels, stream_of(rng, labels)))
            kept = self.averaging if int(state.done) >= self.averaging_from else 0.0
            update_ema(average, group.decoder, kept, buffer_decay=0.0)
        state.done += 1
        return torch.stack(losses).mean()

    def _train(self, state: DCVAEState, group: DualAutoencoder, real: ImageSet, labels: tuple[int, ...], rng: Rng) -> Tensor:
        """One step of the group of ``labels``, and its loss."""
        losses_of = DualLosses(group, state.compute, len(labels), self.latent)
        makers, critics = state.optimizers
        losses = []
        for number in range(self.critic_steps):
            of_critic = rng.child("critic", number)
            images, rows = self._draw(real, labels, of_critic.child("real"), state.source.images.dtype)
            critics.zero_grad()
            loss = losses_of.critic_loss(images, rows, of_critic)
            loss.backward()  # type: ignore[no-untyped-call]
            critics.step()
            losses.append(loss.detach())
        makers.zero_grad()
        with frozen(group.dual):
            losses_of.maker_loss(images, rows, self.samples, self.divergence, rng.child("maker")).backward()  # type: ignore[no-untyped-call]
        makers.step()
        makers.zero_grad()
        critics.zero_grad()
        group.update_momentum_encoder(MOMENTUM)
        contrast, divergence, keys = losses_of.contrast(images, rows, self.temperature, rng.child("contrast"))
        (contrast + self.divergence * divergence).backward()  # type: ignore[no-untyped-call]
        makers.step()
        critics.step()
        group.enqueue(keys)
        return torch.stack(losses).mean() + contrast.detach()

    def _draw(self, real: ImageSet, labels: tuple[int, ...], rng: Rng, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Random real images (n, c, h, w) of ``labels``, in [-1, 1], and which of them each is of, from 0: (n,)."""
        start, count = real.starts[labels[0]], sum(real.counts[label] for label in labels)  # they lie side by side
        places = torch.from_numpy(start + rng.choice(count, min(self.batch, count))).to(real.device)
        return signed(real.pictures(places).to(dtype)), real.class_index[places] - real.class_index[start]


def stream_of(rng: Rng, labels: tuple[int, ...]) -> Rng:
    """The stream of a group of classes: of one class by its label, so that others beside it change nothing."""
    return rng.child(*labels) if len(labels) == 1 else rng.child("all")
