"""What every method is: settings, a function that makes a state, and a function that improves it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import Registered
from condensation.core.rng import Rng
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.samplers import NetworkSampler


@dataclass
class State:
    """All that survives from one step to the next. Methods that keep more than this in memory subclass it."""

    source: SyntheticImages
    optimizers: tuple[Optimizer, ...] = ()
    schedulers: tuple[LRScheduler, ...] = ()

    def state_dict(self) -> dict[str, Any]:
        """The whole checkpoint: nested dicts and lists of tensors, numbers and strings."""
        return {
            "source": self.source.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
        }

    def card(self) -> dict[str, Any]:
        """What else of the state belongs on the card of the set, for JSON: what is needed to use it as it is meant."""
        return {}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.source.load_state_dict(saved["source"])
        for optimizer, of_optimizer in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(of_optimizer)
        for scheduler, of_scheduler in zip(self.schedulers, saved["schedulers"], strict=True):
            scheduler.load_state_dict(of_scheduler)


@dataclass(frozen=True)
class Method(Registered, ABC):
    """How a small set is made from a large one. Subclasses are frozen dataclasses of settings."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """How many steps there are; 0 for methods that only select."""

    @abstractmethod
    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> State:
        """The state before the first step, with ``ipc[label]`` images of each class; selection does all its work here."""

    @abstractmethod
    def step(self, state: State, real: ImageSet, rng: Rng) -> Tensor:
        """Improve ``state`` once and return the loss, a scalar. All randomness comes from ``rng``."""

    def phase(self, step: int) -> tuple[str, int, int]:
        """Of a run after ``step`` steps, for who looks on: what is being done, how many steps of that are done, and how many it has."""
        return "condensing", step, self.steps

    def is_classwise(self, real: ImageSet) -> bool:
        """Whether what becomes of a class of ``real`` is the same whichever other classes are condensed with it, but for rounding."""
        return False

    def validate(self, real: ImageSet) -> None:
        """Find out before `init` that what the settings name, such as a pool of networks, is not for ``real``.

        Raises:
            CondensationError: if so.
        """
        for sampler in self._samplers():
            sampler.validate(real)

    def input_digests(self) -> dict[str, str]:
        """Digests, by name, of the files that decide the result as the settings do: of a pool of networks."""
        return {name: digest for sampler in self._samplers() for name, digest in sampler.input_digests().items()}

    def _samplers(self) -> list[NetworkSampler]:
        values = [getattr(self, field.name) for field in fields(self)]
        return [value for value in values if isinstance(value, NetworkSampler)]


@dataclass(frozen=True)
class Selection(Method):
    """A method that chooses among real images. Here `init` does all, and there are no steps; `TrainedSelection` has some."""

    @property
    def steps(self) -> int:
        return 0

    def step(self, state: State, real: ImageSet, rng: Rng) -> Tensor:
        raise TypeError(f"{type(self).__name__} has no steps: all is chosen in init.")


def need_at_least(method: Method, **least: int) -> None:
    """Refuse settings of ``method`` below what is given for each; None is no number and passes."""
    for name, smallest in least.items():
        value = getattr(method, name)
        if value is not None and value < smallest:
            raise CondensationError(f"method.{name} is {value}; it must be at least {smallest}.")


def need_positive(method: Method, *names: str) -> None:
    """Refuse settings of ``method`` that are not above 0."""
    for name in names:
        if not getattr(method, name) > 0:
            raise CondensationError(f"method.{name} is {getattr(method, name)}; it must be above 0.")


def need_fraction(method: Method, *names: str) -> None:
    """Refuse settings of ``method`` outside [0, 1)."""
    for name in names:
        if not 0 <= getattr(method, name) < 1:
            raise CondensationError(f"method.{name} is {getattr(method, name)}; it must lie in [0, 1).")


def need_one_of(method: Method, name: str, choices: Iterable[str], joint: str = " or ") -> None:
    """Refuse a setting of ``method`` that is not among ``choices``."""
    names = tuple(choices)
    if getattr(method, name) not in names:
        raise CondensationError(f"method.{name} is {getattr(method, name)!r}; it can be {joint.join(names)}.")
