"""Random real images: the baseline that every method must beat."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from condensation.core.class_plan import ClassPlan
from condensation.core.compute import Compute
from condensation.core.form import Form
from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.methods.base import Selection, State
from condensation.methods.initialization import initial_images
from condensation.methods.synthetic import SyntheticImages


@dataclass(frozen=True)
class Random(Selection[State]):
    """Distinct random real images of each class.

    >>> from condensation import Random, condense, load
    >>> condense(Random(), load("digits").train, ipc=2).images.shape
    torch.Size([20, 1, 8, 8])
    """

    name: ClassVar[str] = "random"
    form: Form | None = None
    """Storage of the images: ``tiles`` hold several small ones in one; None: each as it is."""

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> State:
        return State(SyntheticImages(initial_images("real", real, ipc, rng.child("start"), self.form)))

    def class_plan(self, real: ImageSet, ipc: Mapping[int, int], compute: Compute) -> ClassPlan:
        return ClassPlan.of([(label,) for label in ipc], compute, ipc)

    def is_classwise(self, real: ImageSet) -> bool:
        return True
