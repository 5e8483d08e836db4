"""The dual encoder of DC-VAE (Parmar et al., CVPR 2021), and a module with all its networks."""

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

CONTRAST = 16  # dimensions of a view
VIEWS = 2  # early and final


class DualEncoder(nn.Module):
    """A critic, and two views per image that contrastive learning uses to compare a reconstruction with its image.

    The early view is computed from the first block, the final view from all blocks; each has `CONTRAST` dimensions. The score is linear
    in the final view; with several classes, a class term is added as in `ProjectionCritic`.
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
        critic = [self.trunk, self.final, self.score, *([self.of_class] if self.of_class is not None else [])]
        # The early view has no spectral norm.
        add_spectral_norm(nn.ModuleList(critic), rng.child("spectral"), nn.Conv2d, nn.Linear, nn.Embedding)

    def forward(self, images: Tensor, class_index: Tensor) -> Tensor:
        """Return scores (n,) of images (n, c, h, w) given their classes (n,)."""
        _, features = self.trunk(images)
        score: Tensor = self.score(self.final(features)).squeeze(1)
        return score if self.of_class is None else score + (self.of_class(class_index) * features).sum(1)

    def views(self, images: Tensor) -> Tensor:
        """Return the early and the final view of each image: (2, n, 16)."""
        first, features = self.trunk(images)
        return torch.stack([self.early(self.flat(first).flatten(1)), self.final(features)])


class DualAutoencoder(nn.Module):
    """Decoder, encoder, dual encoder and its momentum encoder, and queues of the latest views of the momentum encoder."""

    queues: Tensor  # (2, queue, 16), early and final views, each of length 1
    next: Tensor  # scalar, the position in the queues that is written next

    def __init__(self, shape: Shape, decoder: Decoder, width: int, depth: int, queue: int, classes: int, rng: Rng) -> None:
        super().__init__()
        channels, side, _ = shape
        self.decoder = decoder
        self.encoder = Encoder(channels, side, width, depth, decoder.latent, rng.child("encoder"))
        self.dual = DualEncoder(channels, side, width, depth, classes, rng.child("dual"))
        self.momentum = copy.deepcopy(self.dual).requires_grad_(False)
        self.register_buffer("queues", F.normalize(rng.child("queues").normal((VIEWS, queue, CONTRAST)), dim=2))
        self.register_buffer("next", torch.zeros((), dtype=torch.int64))

    def update_momentum_encoder(self, decay: float) -> None:
        """Update the momentum encoder with the dual encoder; buffers keep their values."""
        update_ema(self.momentum, self.dual, decay, buffer_decay=1.0)

    def enqueue(self, keys: Tensor) -> None:
        """Replace the oldest views in the queues by ``keys`` (2, n, 16)."""
        positions = (self.next + torch.arange(keys.shape[1], device=keys.device)) % self.queues.shape[1]
        self.queues[:, positions] = F.normalize(keys, dim=2)
        self.next.copy_((self.next + keys.shape[1]) % self.queues.shape[1])
