"""The baseline that every method must beat: real images, chosen by chance."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from condensation.compute import Compute
from condensation.images import ImageSet
from condensation.methods.base import Method, State
from condensation.rng import Rng
from condensation.sources import Pixels, start_from_real


@dataclass(frozen=True)
class Random(Method):
    """Random different real images of each class."""

    @property
    def steps(self) -> int:
        return 0

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> State:
        return State(Pixels(start_from_real(real, ipc, rng.child("start"))))

    def step(self, state: State, real: ImageSet, rng: Rng) -> Tensor:
        raise TypeError("random has no steps: all is chosen in init")
