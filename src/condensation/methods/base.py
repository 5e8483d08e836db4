"""Base classes of methods: `Method` holds the settings, `State` all that changes from step to step."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from typing_extensions import TypeVar

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import Registered
from condensation.core.rng import Rng
from condensation.methods.learning_settings import LearningSettings
from condensation.methods.synthetic import SyntheticImages


@dataclass
class State:
    """Synthetic images, optimizers and schedulers of a run. Methods with more state subclass it."""

    source: SyntheticImages
    optimizers: tuple[Optimizer, ...] = ()
    schedulers: tuple[LRScheduler, ...] = ()

    def state_dict(self) -> dict[str, Any]:
        """Return the content of a checkpoint: nested dicts and lists of tensors, numbers and strings."""
        return {
            "source": self.source.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.source.load_state_dict(saved["source"])
        for optimizer, content in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(content)
        for scheduler, content in zip(self.schedulers, saved["schedulers"], strict=True):
            scheduler.load_state_dict(content)

    def card(self) -> dict[str, Any]:
        """Return entries for the card of the set (as JSON) that its use needs, such as a learned training schedule."""
        return {}


S = TypeVar("S", bound=State, default=Any)


@dataclass(frozen=True)
class Method(LearningSettings, Registered, ABC, Generic[S]):
    """A condensation method with a state of type ``S``. Subclasses are frozen dataclasses; their fields are settings."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """Number of steps; 0 for methods that do all their work in `init`."""

    @abstractmethod
    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> S:
        """Return the state before the first step, with ``ipc[label]`` images of each class."""

    @abstractmethod
    def step(self, state: S, real: ImageSet, rng: Rng) -> Tensor:
        """Improve ``state`` once and return the loss, a scalar. All randomness comes from ``rng``."""

    def phase(self, step: int) -> tuple[str, int, int]:
        """Return the phase that the run is in after ``step`` steps: its name, its finished steps and its total steps."""
        return "condensing", step, self.steps

    def is_classwise(self, real: ImageSet) -> bool:
        """Return whether the images of a class are the same, up to rounding, whichever other classes ``real`` has."""
        return False

    def validate(self, real: ImageSet) -> None:
        """Check before `init` that files named in the settings, such as a pool of networks, fit ``real``.

        Raises:
            CondensationError: If they do not.
        """
        if self.sampler:
            self.sampler.validate(real)

    def input_digests(self) -> dict[str, str]:
        """Return the digest, by name, of each file that determines the result, such as a pool of networks."""
        return self.sampler.input_digests() if self.sampler else {}


@dataclass(frozen=True)
class Selection(Method[S]):
    """A method that selects real images in `init`, without steps. `TrainedSelection` adds steps that train a network."""

    @property
    def steps(self) -> int:
        return 0

    def step(self, state: S, real: ImageSet, rng: Rng) -> Tensor:
        raise TypeError(f"{type(self).__name__} has no steps: init selects the images.")


def need_at_least(method: Method, **minimum: int) -> None:
    """Raise if a setting of ``method`` is below its ``minimum``. None passes."""
    for name, smallest in minimum.items():
        value = getattr(method, name)
        if value is not None and not value >= smallest:
            raise _invalid(name, value, f"it must be at least {smallest}")


def need_positive(method: Method, *names: str) -> None:
    """Raise unless these settings of ``method`` are above 0."""
    for name in names:
        if not getattr(method, name) > 0:
            raise _invalid(name, getattr(method, name), "it must be above 0")


def need_fraction(method: Method, *names: str) -> None:
    """Raise unless these settings of ``method`` are in [0, 1)."""
    for name in names:
        if not 0 <= getattr(method, name) < 1:
            raise _invalid(name, getattr(method, name), "it must be in [0, 1)")


def need_one_of(method: Method, name: str, choices: Iterable[str]) -> None:
    """Raise unless this setting of ``method`` is one of ``choices``."""
    names = tuple(choices)
    if getattr(method, name) not in names:
        raise _invalid(name, repr(getattr(method, name)), f"it can be {', '.join(names)}")


def _invalid(name: str, value: object, expected: str) -> CondensationError:
    return CondensationError(f"method.{name} is {value}; {expected}.", setting=f"method.{name}")
