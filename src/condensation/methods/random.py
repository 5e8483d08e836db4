"""Random real images: the baseline that every method must beat."""

from dataclasses import dataclass
from typing import ClassVar

from condensation.core.compute import Compute
from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.methods.base import Selection, State
from condensation.methods.initialization import from_real_images
from condensation.methods.synthetic import SyntheticImages


@dataclass(frozen=True)
class Random(Selection[State]):
    """Distinct random real images of each class."""

    name: ClassVar[str] = "random"

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> State:
        return State(SyntheticImages(from_real_images(real, ipc, rng.child("start"))))

    def is_classwise(self, real: ImageSet) -> bool:
        return True
