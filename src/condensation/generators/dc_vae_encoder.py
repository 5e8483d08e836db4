"""The dual encoder of DC-VAE (Parmar et al., CVPR 2021), and all that is trained with it for a group of classes."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn

from condensation.core.images import Shape
from condensation.core.rng import Rng
from condensation.generators.dc_vae_decoder import Decoder, Encoder, initialize_glorot
from condensation.generators.ema import update_ema
from condensation.generators.residual import Trunk
from condensation.generators.spectral_norm import add_spectral_norm

CONTRAST = 16  # dimensions in which reconstructions are compared with their images
VIEWS = 2


class DualEncoder(nn.Module):
    """A critic of images, and two views of them in which a reconstruction should be like its own image.

    The views, `CONTRAST` dimensions each, are of the first block's map and of all blocks; the score is linear in the
    latter. Of several classes, the score has the product of features and a vector of the class added, as in a projection critic.
    """

    def __init__(self, channels: int, side: int, width: int, depth: int, classes: int, rng: Rng) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            self.trunk = Trunk(channels, side, width, depth)
            self.final = nn.Linear(width, CONTRAST, bias=False)
            self.score = nn.Linear(CONTRAST, 1)
            self.of_class = nn.Embedding(classes, width) if classes > 1 else None
            self.flat = nn.Conv2d(width, 1, 1)
            self.early = nn.Linear((side // 2) ** 2, CONTRAST, bias=False)
        initialize_glorot(self, rng.child("weights"))
        of_critic = [self.trunk, self.final, self.score, *([self.of_class] if self.of_class is not None else [])]
        # The early view has no spectral norm.
        add_spectral_norm(nn.ModuleList(of_critic), rng.child("spectral"), nn.Conv2d, nn.Linear, nn.Embedding)

    def forward(self, images: Tensor, rows: Tensor) -> Tensor:
        """Scores (n,) of ``images`` (n, c, h, w) as images of the classes ``rows`` (n,)."""
        _, features = self.trunk(images)
        score: Tensor = self.score(self.final(features)).squeeze(1)
        return score if self.of_class is None else score + (self.of_class(rows) * features).sum(1)

    def views(self, images: Tensor) -> Tensor:
        """The early and the final view of each image: (2, n, 16)."""
        first, features = self.trunk(images)
        return torch.stack([self.early(self.flat(first).flatten(1)), self.final(features)])


class DualAutoencoder(nn.Module):
    """Decoder, encoder, dual encoder, its momentum encoder, and the queues of views that the momentum encoder has had of images."""

    queues: Tensor  # (2, queue, 16), each of length 1; those of the early views, then of the final ones
    next: Tensor  # a scalar: the place of the queues that is written next

    def __init__(self, shape: Shape, decoder: Decoder, width: int, depth: int, queue: int, classes: int, rng: Rng) -> None:
        super().__init__()
        channels, side, _ = shape
        self.decoder = decoder
        self.encoder = Encoder(channels, side, width, depth, decoder.latent, rng.child("encoder"))
        self.dual = DualEncoder(channels, side, width, depth, classes, rng.child("dual"))
        self.momentum = copy.deepcopy(self.dual).requires_grad_(False)
        self.register_buffer("queues", F.normalize(rng.child("queues").normal((VIEWS, queue, CONTRAST)), dim=2))
        self.register_buffer("next", torch.zeros((), dtype=torch.int64))

    def update_momentum_encoder(self, kept: float) -> None:
        """Let the momentum encoder keep that part of itself, and take the rest from the dual encoder."""
        update_ema(self.momentum, self.dual, kept, buffer_decay=1.0)

    def enqueue(self, keys: Tensor) -> None:
        """Let ``keys`` (2, n, 16) take the places of the oldest in the queues."""
        places = (self.next + torch.arange(keys.shape[1], device=keys.device)) % self.queues.shape[1]
        self.queues[:, places] = F.normalize(keys, dim=2)
        self.next.copy_((self.next + keys.shape[1]) % self.queues.shape[1])
