"""One generator per class behind the interface of a single one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from condensation.core.rng import Rng
from condensation.generators.base import Generator


class PerClassGenerator(Generator):
    """One generator per class, or one for all classes; all take the same latents."""

    def __init__(self, generators: Sequence[Generator]) -> None:
        super().__init__()
        self.generators = nn.ModuleList(generators)

    def draw(self, count: int, rng: Rng) -> Tensor:
        first = self.generators[0]
        assert isinstance(first, Generator)
        return first.draw(count, rng)

    def forward(self, latents: Tensor, class_index: Tensor) -> Tensor:
        if len(self.generators) == 1:
            return self.generators[0](latents, class_index)  # type: ignore[no-any-return]
        classes = sorted(set(class_index.tolist()))
        indices = [(class_index == label).nonzero().squeeze(1) for label in classes]
        generated = [self.generators[label](latents[index], torch.zeros_like(index)) for label, index in zip(classes, indices, strict=True)]
        return torch.cat(generated)[torch.cat(indices).argsort()]
