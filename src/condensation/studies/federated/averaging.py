"""Networks of clients: training from given weights, averages of weights, and ensembles."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from condensation.core.compute import Compute
from condensation.core.images import ImageSet
from condensation.core.microbatch import split
from condensation.core.rng import Rng
from condensation.core.tensor_files import read_tensors, write_tensors
from condensation.networks.base import NetworkSpec
from condensation.training.stacked import ModelBatch, model_cache
from condensation.training.train import OnEpoch, Recipe, tested, train_together

KIND = "federated average"
Weights = Mapping[str, Tensor]


class LocalNetwork:
    """A network whose weights are exchanged: trained by a client, tested by the server."""

    def __init__(self, models: ModelBatch, test: ImageSet, compute: Compute) -> None:
        self._models, self._compute = models, compute
        self.test = test.to(compute.device)

    def initial(self, rng: Rng) -> Weights:
        """Return newly initialized weights."""
        self._models.reinitialize([rng])
        return self._weights()

    def train(self, weights: Weights, images: ImageSet, recipe: Recipe, rng: Rng, on_epoch: OnEpoch | None = None) -> Weights:
        """Return the weights after training on ``images``, beginning from ``weights``."""
        self._assign(weights)
        train_together(self._models, [recipe.set_for(images.to(self._compute.device), rng).decoded()], recipe, [rng], on_epoch)
        return self._weights()

    def accuracy(self, weights: Weights) -> float:
        """Return the test accuracy in percent."""
        self._assign(weights)
        fractions = tested(self._models, self.test, self._chunk)[0][0].numpy()
        return float(100 * np.average(fractions, weights=np.array(list(self.test.counts.values()))))

    def probabilities(self, weights: Weights) -> Tensor:
        """Return the class probabilities of all test images, float64 (n, classes)."""
        self._assign(weights)
        self._models.train(False)
        dtype = self._models.parameters()[0].dtype
        with torch.no_grad():
            logits = [self._models.forward_shared(self.test.inputs(part).to(dtype))[0] for part in split(len(self.test), self._chunk)]
        return torch.cat(logits).double().softmax(1).cpu()

    @property
    def _chunk(self) -> int:
        return self._compute.chunk or self._compute.suitable_chunk(self.test.shape)

    def _assign(self, weights: Weights) -> None:
        with torch.no_grad():
            for name, value in self._models.network.state_dict().items():
                value.copy_(weights[name])

    def _weights(self) -> Weights:
        return {name: value.detach().cpu().clone() for name, value in self._models.network.state_dict().items()}


@contextmanager
def local_network(spec: NetworkSpec, test: ImageSet, images: int, compute: Compute) -> Iterator[LocalNetwork]:
    """Lend a network that will see about ``images`` images, which decides whether it is compiled."""
    decided = compute.with_compile_decision(test.shape, images)
    with model_cache(spec, test.shape, test.num_classes, decided) as models:
        yield LocalNetwork(models.batch(1), test, decided)


def average(weights: Sequence[Weights], shares: Sequence[float]) -> Weights:
    """Return the mean of ``weights`` with ``shares`` that sum to 1, as in federated averaging (McMahan et al., 2017, algorithm 1)."""
    first = weights[0]
    mean = {name: sum(share * each[name].double() for each, share in zip(weights, shares, strict=True)) for name in first}
    return {name: torch.as_tensor(value).to(first[name].dtype) for name, value in mean.items()}


def nbytes(weights: Weights) -> int:
    """Return the bytes of weights that are sent."""
    return sum(value.numel() * value.element_size() for value in weights.values())


def shares(counts: Sequence[int]) -> list[float]:
    """Return the share of each client in all images."""
    return [count / sum(counts) for count in counts]


def save(path: Path, weights: Weights, card: dict[str, object]) -> None:
    """Write weights and a card."""
    write_tensors(path, KIND, dict(weights), card)


def load(path: Path) -> tuple[Weights, dict[str, object]]:
    """Read what `save` wrote."""
    return read_tensors(path, KIND)
