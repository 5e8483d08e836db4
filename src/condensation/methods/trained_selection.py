"""What selection methods that look through a trained network share: its training, an epoch a step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from condensation.core.compute import Compute
from condensation.core.images import ImageSet
from condensation.core.microbatch import Embedding, split
from condensation.core.rng import Rng
from condensation.methods.base import Selection, State
from condensation.methods.initialization import start_from_real
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.base import NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.training.stacked import SingleModel
from condensation.training.train import Recipe, optimizer_of, train_epoch


@dataclass(kw_only=True)
class SelectionState(State):
    """A network under training, and what is recorded of it."""

    learner: SingleModel
    embed: Embedding
    chunk: int  # images embedded at a time
    epochs: int = 0  # done
    record: dict[str, Tensor] = field(default_factory=dict)

    def state_dict(self) -> dict[str, Any]:
        network = dict(self.learner.network.state_dict())
        return {**super().state_dict(), "network": network, "epochs": self.epochs, "record": self.record}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        super().load_state_dict(saved)
        self.learner.network.load_state_dict(saved["network"])
        self.epochs = saved["epochs"]
        for name, tensor in self.record.items():
            tensor.copy_(saved["record"][name])


@dataclass(frozen=True)
class TrainedSelection(Selection):
    """A choice made with a network that is first trained on the data given, all classes together.

    Each step is an epoch, so the state holds the network: a run that is broken off goes on with the next epoch, and one that is
    finished trains no more. The last step chooses; until then random real images stand in. The weights depend on data, network,
    recipe and seed alone, so herding and k-center look through the same network.
    """

    network_setting = "network"
    network: NetworkSpec = ConvNet()
    recipe: Recipe = Recipe(epochs=10)  # the papers don't state theirs

    @property
    def steps(self) -> int:
        return self.recipe.epochs

    @abstractmethod
    def choose(self, state: SelectionState, real: ImageSet, label: int, count: int, rng: Rng) -> Tensor:
        """Places (count,) in the class ``label``, from 0, the first choice first: fewer are the beginning of more."""

    def watch(self, state: SelectionState, real: ImageSet, places: Tensor, logits: Tensor) -> None:
        """Take note of a batch in training: places (n,) in ``real`` and logits (n, classes)."""

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> SelectionState:
        network = self.network.build(real.shape, real.num_classes, rng.child("network")).to(real.device, compute.dtype)
        learner = SingleModel(network, compute.with_compile_decision(real.shape, self.recipe.epochs * len(real)))
        return SelectionState(
            source=SyntheticImages(start_from_real(real, ipc, rng.child("start"))),
            optimizers=(optimizer_of(learner, self.recipe),),
            learner=learner,
            embed=replace(compute, compile="never").wrap(network.embed),  # once for each image, which does not pay for compiling
            chunk=compute.chunk or compute.suitable_chunk(real.shape),
        )

    def step(self, state: State, real: ImageSet, rng: Rng) -> Tensor:
        assert isinstance(state, SelectionState)  # what init made
        (optimizer,) = state.optimizers
        assert isinstance(optimizer, torch.optim.SGD)
        state.learner.train(True)
        watch = partial(self._watch, state, real)
        optimizer, loss = train_epoch(state.learner, [real], self.recipe, [rng], optimizer, state.epochs, watch)
        state.optimizers, state.epochs = (optimizer,), state.epochs + 1
        if state.epochs == self.recipe.epochs:
            optimizer.zero_grad()
            state.source.assign(real.inputs(self.chosen(state, real, rng.child("choose"))))
        return loss

    def chosen(self, state: SelectionState, real: ImageSet, rng: Rng) -> Tensor:
        """Places in ``real`` of the images chosen, class by class."""
        state.learner.train(False)
        places = []
        for label, count in state.source.template.counts.items():
            of_class = self.choose(state, real, label, count, rng.child(label))
            places.append(real.starts[label] + of_class)
        return torch.cat(places)

    def _watch(self, state: SelectionState, real: ImageSet, places: Tensor, logits: Tensor) -> None:
        self.watch(state, real, places[0], logits[0])


def class_features(state: SelectionState, real: ImageSet, label: int) -> Tensor:
    """What the network makes of the images of one class, without a graph: (n, dims). No norm mixes images in evaluation mode."""
    start, count = real.starts[label], real.counts[label]
    dtype = state.learner.parameters()[0].dtype
    with torch.no_grad():
        pieces = [slice(start + piece.start, start + piece.stop) for piece in split(count, state.chunk)]
        return torch.cat([state.embed(real.inputs(piece).to(dtype)).to(dtype) for piece in pieces])
