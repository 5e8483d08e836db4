"""Settings of a privacy study, and the method of each arm."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError, require
from condensation.core.plain import to_dict
from condensation.data.settings import DataSettings
from condensation.methods.base import Method
from condensation.methods.dm import DM
from condensation.methods.privacy import Privacy
from condensation.methods.random import Random
from condensation.networks.base import NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.networks.samplers import Fresh
from condensation.studies.settings import require_at_least, require_unique
from condensation.training.train import Recipe

ARMS = {
    "whole": "all images of the half",
    "random": "as many random real images",
    "dm-real": "DM, from real images",
    "dm-noise": "DM, from noise",
    "dm-private": "DM with differential privacy",
}


@dataclass(frozen=True)
class PrivacySettings:
    """Settings of a privacy study."""

    noun: ClassVar[str] = "privacy study"
    mark: ClassVar[str] = "shadows"

    set: str | None = None
    """Run folder, set file or name of a set in which copies are searched; None: none."""
    data: DataSettings = DataSettings(preprocessing="centered")
    """Data set and reading options; the preprocessing must be fixed, as privacy requires."""
    arms: tuple[str, ...] = tuple(ARMS)
    """Sets made of each half: whole, random, dm-real, dm-noise, dm-private."""
    shadows: int = 64
    """Random halves of the images, each with its own sets and networks; fewer than 64 make a weaker attack. At least 4."""
    images: int = 2_000
    """Training images that are halved, drawn evenly from the classes."""
    canaries: int = 100
    """Further images that are easier to tell: half of them with wrong labels, half smooth noise; 0: none."""
    ipc: int = 10
    """Images per class of each set."""
    steps: int = 200
    """Steps of DM."""
    privacy: Privacy = Privacy(epsilon=1.0)
    """Guarantee of the arm dm-private."""
    spec: NetworkSpec = ConvNet(width=32)
    """Architecture of the networks of DM, and of those that are attacked."""
    networks: int = 1
    """Networks trained on each set, whose confidences are averaged."""
    recipe: Recipe = Recipe.quick()
    """Training of the attacked networks."""
    seed: int = 0
    """Seed of halves, sets and networks."""
    compute: Compute = Compute()
    """Device, precision and compilation."""

    def __post_init__(self) -> None:
        require_at_least(self, {"shadows": 4, "images": 20, "canaries": 0, "ipc": 1, "steps": 1, "networks": 1})
        require(self, "", ("shadows",), lambda value: value <= 10_000, "at most 10,000")
        require_unique("arms", self.arms)
        if unknown := [arm for arm in self.arms if arm not in ARMS]:
            raise CondensationError(f"There is no arm {unknown[0]!r}.", hint=f"Available: {', '.join(ARMS)}.", setting="arms")
        for arm in self.arms:
            arm_method(self, arm)  # raises for settings that do not fit


def arm_method(settings: PrivacySettings, arm: str) -> Method | None:
    """Return the method that makes the sets of an arm; None for the whole half."""
    dm = DM(steps=settings.steps, lr=1.0, batch_per_class=64, averaging=0.99, start="noise", networks=Fresh(settings.spec))
    methods: dict[str, Method | None] = {
        "whole": None,
        "random": Random(),
        "dm-real": replace(dm, start="real"),
        "dm-noise": dm,
        "dm-private": replace(dm, privacy=settings.privacy),
    }
    return methods[arm]


def decisive_settings(settings: PrivacySettings) -> Mapping[str, Any]:
    """Return the plain settings that decide each number; shadows and arms may be added."""
    content = to_dict(replace(settings, data=replace(settings.data, folder=None)))
    return {name: value for name, value in content.items() if name not in ("shadows", "arms", "compute")}
