"""What every method is: settings, a function that makes a state, and a function that improves it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import Registered
from condensation.core.rng import Rng
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.base import NetworkSpec
from condensation.networks.samplers import NetworkSampler

if TYPE_CHECKING:
    from typing_extensions import Self


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

    @property
    def network_setting(self) -> str:
        """Dotted name of the setting that holds the architecture to learn images on, such as ``networks.spec``; "" if there is none."""
        return ""

    @property
    def lr_setting(self) -> str:
        """Dotted name of the learning rate of the images; "" if there is none."""
        return ""

    @property
    def network_settings(self) -> tuple[str, ...]:
        """Names of all settings that hold an architecture: `network_setting` and, where a method evaluates sets, that of the judge."""
        return (self.network_setting,) if self.network_setting else ()

    @property
    def network(self) -> NetworkSpec | None:
        """The architecture that images are learned on or selected with; None if there is none."""
        value = _value_at(self, self.network_setting) if self.network_setting else None
        return value if isinstance(value, NetworkSpec) else None

    def with_network(self, network: NetworkSpec) -> Self:
        """Return this method with ``network`` as the architecture to learn on.

        Raises:
            CondensationError: if it learns on none.
        """
        field, _, inner = self.network_setting.partition(".")
        if not field:
            raise CondensationError(f"{type(self).__name__} learns on no network.")
        return replace(self, **{field: replace(getattr(self, field), **{inner: network}) if inner else network})

    @property
    def lr(self) -> float | None:
        """The learning rate of the images; None if there is none."""
        return float(_value_at(self, self.lr_setting)) if self.lr_setting else None

    def with_lr(self, lr: float) -> Self:
        """Return this method with the learning rate ``lr`` of the images.

        Raises:
            CondensationError: if it has none.
        """
        if not self.lr_setting:
            raise CondensationError(f"{type(self).__name__} has no learning rate.")
        return replace(self, **{self.lr_setting: lr})

    @property
    def sampler(self) -> NetworkSampler | None:
        """What draws the networks of each step; None where one network or none is used."""
        value = getattr(self, self.network_setting.partition(".")[0], None)
        return value if isinstance(value, NetworkSampler) else None

    def with_sampler(self, sampler: NetworkSampler) -> Self:
        """Return this method with ``sampler`` to draw its networks.

        Raises:
            CondensationError: if it draws none.
        """
        if self.sampler is None:
            raise CondensationError(f"{type(self).__name__} draws no networks.")
        return replace(self, **{self.network_setting.partition(".")[0]: sampler})

    def validate(self, real: ImageSet) -> None:
        """Check before `init` that what the settings name, such as a pool of networks, fits ``real``.

        Raises:
            CondensationError: if it does not.
        """
        if self.sampler:
            self.sampler.validate(real)

    def input_digests(self) -> dict[str, str]:
        """Return the digest, by name, of each file that decides the result as the settings do, such as a pool of networks."""
        return self.sampler.input_digests() if self.sampler else {}


def _value_at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = getattr(value, name, None)
    return value


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
