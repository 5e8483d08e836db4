"""The server of federated learning: what it knows of the clients of one division, and the networks that it trains."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.evaluation.evaluate import evaluate
from condensation.studies.federated.averaging import LocalNetwork, local_network
from condensation.studies.federated.clients import Clients
from condensation.studies.federated.settings import FederatedSettings
from condensation.studies.tasks import Watch


@dataclass(frozen=True)
class Outcome:
    """Result of an arm."""

    accuracy: float  # test accuracy in percent, the mean over networks
    values: tuple[float, ...]  # accuracy of each network
    bytes: int  # sent in both directions until the server has its network
    rounds: int = 1
    curve: tuple[tuple[int, float], ...] = ()  # bytes and accuracy after each round


@dataclass(frozen=True)
class Server:
    """The server of one division, and what it needs of the clients."""

    settings: FederatedSettings
    clients: Clients
    folder: Path  # of the study
    split: int
    watch: Watch

    @property
    def everyone(self) -> range:
        """Numbers of the clients."""
        return range(self.settings.clients)

    def images(self, client: int) -> ImageSet:
        """Return the images of a client."""
        return self.clients.data_of(self.split, client).train

    @property
    def counts(self) -> list[int]:
        """Number of images of each client."""
        return [len(self.images(client)) for client in self.everyone]

    def network(self, images: int) -> AbstractContextManager[LocalNetwork]:
        """Lend the network that clients train, for about ``images`` images."""
        return local_network(self.settings.evaluation.network, self.clients.data.test, images, self.settings.compute)

    def rng(self, *names: str | int) -> Rng:
        """Return a random stream of this division."""
        return Rng(self.split).child("federated", *names)

    def trained_on(self, union: ImageSet, sent: int) -> Outcome:
        """Return the accuracy of new networks that the server trains on ``union``, after ``sent`` bytes."""
        settings = self.settings
        accuracies = evaluate(
            union,
            self.clients.data.test,
            network=settings.evaluation.network,
            recipe=settings.evaluation.recipe,
            networks=settings.evaluation.networks,
            seed=self.split,
            compute=settings.compute,
            on_progress=self.watch.on_progress,
        )
        return Outcome(accuracies.mean, tuple(accuracies.values[0].round(3).tolist()), sent)


def union(sets: Sequence[ImageSet]) -> ImageSet:
    """Return the images of all clients, as networks see them."""
    return reduce(ImageSet.concat, (images.decoded() for images in sets))


def pixel_bytes(images: ImageSet) -> int:
    """Return the bytes of the stored images of a set."""
    return images.images.numel() * images.images.element_size()
