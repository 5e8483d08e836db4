"""Selection with a trained network: one epoch of training per step, then the choice."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from condensation.core.compute import Compute
from condensation.core.form import Form
from condensation.core.images import ImageSet
from condensation.core.microbatch import Embedding, split
from condensation.core.rng import Rng
from condensation.methods.base import Selection, State
from condensation.methods.initialization import initial_images, stored
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.base import NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.training.stacked import SingleModel
from condensation.training.train import Recipe, optimizer_of, train_epoch


@dataclass(kw_only=True)
class SelectionState(State):
    """Network that is being trained, and records about each real image."""

    model: SingleModel
    embed: Embedding
    chunk: int  # images embedded at a time
    epochs: int = 0  # finished
    record: dict[str, Tensor] = field(default_factory=dict)

    def state_dict(self) -> dict[str, Any]:
        network = dict(self.model.network.state_dict())
        return {**super().state_dict(), "network": network, "epochs": self.epochs, "record": self.record}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        super().load_state_dict(saved)
        self.model.network.load_state_dict(saved["network"])
        self.epochs = saved["epochs"]
        for name, tensor in self.record.items():
            tensor.copy_(saved["record"][name])


@dataclass(frozen=True)
class TrainedSelection(Selection[SelectionState]):
    """Selection with a network that is first trained on all classes of the real images.

    Each step is an epoch, so a resumed run continues with the next epoch. The last step selects the images; until then, the
    result is random real images. The weights depend on data, network, recipe and seed only, so herding and k-center use the same network.
    """

    network_setting = "network"
    network: NetworkSpec = ConvNet()
    """Architecture that is trained and then embeds the images."""
    recipe: Recipe = Recipe(epochs=10)
    """Training of the network; the papers do not state their recipe."""
    form: Form | None = None
    """Storage of the images: ``tiles`` hold several small ones in one; None: each as it is."""

    @property
    def steps(self) -> int:
        return self.recipe.epochs

    @abstractmethod
    def choose(self, state: SelectionState, real: ImageSet, label: int, count: int, rng: Rng) -> Tensor:
        """Return indices (count,) within the class ``label``, best first; a smaller selection is a prefix of a larger one."""

    def observe(self, state: SelectionState, real: ImageSet, indices: Tensor, logits: Tensor) -> None:
        """Record the predictions for a training batch: indices (n,) in ``real`` and logits (n, classes)."""

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> SelectionState:
        network = self.network.build(real.shape, real.num_classes, rng.child("network")).to(real.device, compute.dtype)
        model = SingleModel(network, compute.with_compile_decision(real.shape, self.recipe.epochs * len(real)))
        return SelectionState(
            source=SyntheticImages(initial_images("real", real, ipc, rng.child("start"), self.form)),
            optimizers=(optimizer_of(model, self.recipe),),
            model=model,
            embed=replace(compute, compile="never").wrap(network.embed),  # compiling does not pay off for one pass
            chunk=compute.chunk or compute.suitable_chunk(real.shape),
        )

    def step(self, state: SelectionState, real: ImageSet, rng: Rng) -> Tensor:
        (optimizer,) = state.optimizers
        assert isinstance(optimizer, torch.optim.SGD)

        def on_batch(indices: Tensor, logits: Tensor) -> None:
            self.observe(state, real, indices[0], logits[0])

        state.model.train(True)
        optimizer, loss = train_epoch(state.model, [real], self.recipe, [rng], optimizer, state.epochs, on_batch)
        state.optimizers, state.epochs = (optimizer,), state.epochs + 1
        if state.epochs == self.recipe.epochs:
            optimizer.zero_grad()
            state.model.train(False)
            template, stream = state.source.template, rng.child("choose")
            counts = {label: min(template.seen_per_stored * count, real.counts[label]) for label, count in template.counts.items()}
            chosen = [real.starts[label] + self.choose(state, real, label, count, stream.child(label)) for label, count in counts.items()]
            indices = torch.cat(chosen)
            selected = replace(real, images=real.images[indices], labels=real.labels[indices])
            state.source.assign(stored(selected, template.counts, self.form).inputs())
        return loss


def class_features(state: SelectionState, real: ImageSet, label: int) -> Tensor:
    """Return the embeddings (n, dims) of the images of one class, in evaluation mode and without a graph."""
    start, count = real.starts[label], real.counts[label]
    dtype = state.model.parameters()[0].dtype
    with torch.no_grad():
        parts = [slice(start + part.start, start + part.stop) for part in split(count, state.chunk)]
        return torch.cat([state.embed(real.inputs(part).to(dtype)).to(dtype) for part in parts])
