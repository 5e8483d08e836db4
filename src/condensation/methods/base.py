"""Base classes of methods: `Method` holds the settings, `State` everything that changes between steps."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from typing_extensions import Self, TypeVar

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError, require
from condensation.core.images import ImageSet
from condensation.core.plain import Registered
from condensation.core.rng import Rng
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.base import NetworkSampler, NetworkSpec

if TYPE_CHECKING:
    from pathlib import Path

    from condensation.core.class_plan import ClassPlan
    from condensation.core.form import Form
    from condensation.core.progress import OnProgress
    from condensation.methods.release import Release


@dataclass
class State:
    """Synthetic images, optimizers and schedulers of a run. Methods with more state subclass it."""

    source: SyntheticImages
    optimizers: tuple[Optimizer, ...] = ()
    schedulers: tuple[LRScheduler, ...] = ()
    plan: "ClassPlan | None" = None
    """Groups of classes of the step, for methods that have a `Method.class_plan`."""
    group_losses: Tensor | None = None
    """Loss of each group of `plan` in the last step, float64 (groups, ...)."""
    gathered: "Callable[[], ImageSet] | None" = None
    """Function that collects the current images of all processes, for `ClassPlan.exchanges`; None if there is one."""

    def add_up(self, losses: Sequence[Tensor]) -> Tensor:
        """Keep the losses (groups, ...) of a step, in the order of labels, and return the loss of the step; see `ClassPlan.total`."""
        self.group_losses = torch.stack([loss.detach() for loss in losses]).double().cpu()
        return self.plan.total(self.group_losses) if self.plan else self.group_losses.sum()

    def state_dict(self) -> dict[str, Any]:
        """Return the content of a checkpoint: nested dicts and lists of tensors, numbers and strings."""
        optimizers, schedulers = ([part.state_dict() for part in parts] for parts in (self.optimizers, self.schedulers))
        return {"source": self.source.state_dict(), "optimizers": optimizers, "schedulers": schedulers}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.source.load_state_dict(saved["source"])
        for part, content in zip(self.optimizers + self.schedulers, saved["optimizers"] + saved["schedulers"], strict=True):
            part.load_state_dict(content)

    def card(self) -> dict[str, Any]:
        """Return JSON entries for the card that users of the set need, such as a learned training schedule."""
        return {}


S = TypeVar("S", bound=State, default=Any)


class LearningSettings:
    """Uniform access to the network, the sampler and the learning rate of a method. Subclasses name the settings that hold them."""

    @property
    def network_setting(self) -> str:
        """Dotted name of the setting that holds the architecture, such as ``networks.spec``; empty if there is none."""
        return ""

    @property
    def network_settings(self) -> tuple[str, ...]:
        """Names of all settings that hold an architecture: `network_setting`, and that of networks which evaluate candidates."""
        return (self.network_setting,) if self.network_setting else ()

    @property
    def lr_setting(self) -> str:
        """Dotted name of the setting that holds the learning rate of the images; empty if there is none."""
        return ""

    @property
    def network(self) -> NetworkSpec | None:
        """Architecture that images are learned on or selected with; None if there is none."""
        value = _get(self, self.network_setting)
        return value if isinstance(value, NetworkSpec) else None

    @property
    def sampler(self) -> NetworkSampler | None:
        """Sampler that draws the networks; None for methods with a single network or none."""
        value = _get(self, self._sampler_setting)
        return value if isinstance(value, NetworkSampler) else None

    @property
    def lr(self) -> float | None:
        """Learning rate of the images; None if there is none."""
        return float(_get(self, self.lr_setting)) if self.lr_setting else None

    def with_network(self, network: NetworkSpec) -> Self:
        """Return this method with the architecture ``network``; raise CondensationError if it has none."""
        return self._with(self.network_setting, network, "network", self.network)

    def with_sampler(self, sampler: NetworkSampler) -> Self:
        """Return this method with ``sampler`` to draw its networks; raise CondensationError if it has none."""
        return self._with(self._sampler_setting, sampler, "network sampler", self.sampler)

    def with_lr(self, lr: float) -> Self:
        """Return this method with the learning rate ``lr``; raise CondensationError if it has none."""
        return self._with(self.lr_setting, lr, "learning rate", self.lr)

    @property
    def _sampler_setting(self) -> str:
        return self.network_setting.rpartition(".")[0]  # a sampler holds the architecture of its networks

    def _with(self, setting: str, value: object, kind: str, current: object) -> Self:
        if current is None:
            raise CondensationError(f"{type(self).__name__} has no {kind}.", setting="method")
        return _replaced(self, setting, value)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Method(LearningSettings, Registered, ABC, Generic[S]):
    """A condensation method with a state of type ``S``. Subclasses are frozen dataclasses; their fields are settings.

    >>> from condensation import DM, ConvNet
    >>> method = DM(steps=100).with_network(ConvNet(width=64)).with_lr(0.5)
    >>> method.steps, method.lr, method.network.width
    (100, 0.5, 64)
    """

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

    def class_plan(self, real: ImageSet, ipc: Mapping[int, int], compute: Compute) -> "ClassPlan | None":
        """Return how a step divides the classes of ``real`` into groups that are independent of each other; None if it does not."""
        return None

    def init_classes(self, real: ImageSet, ipc: dict[int, int], rng: Rng, plan: "ClassPlan") -> S:
        """Return the state of some classes, those of ``real``, ``ipc`` and ``plan``, which is the part of the `class_plan` of all."""
        return self.init(real, ipc, rng, plan.compute)

    @property
    def set_form(self) -> "Form | None":
        """Form of the sets that this method makes; None if each stored image is one."""
        return getattr(self, "form", None)

    @property
    def is_private(self) -> bool:
        """True if the steps see a differentially private release of the real images instead of the images."""
        return getattr(self, "privacy", None) is not None

    def phase(self, step: int) -> tuple[str, int, int]:
        """Return the name, the finished steps and the total steps of the phase after ``step`` steps of the run."""
        return "condensing", step, self.steps

    @property
    def growing_setting(self) -> str:
        """Name of the setting of a number of steps that may grow after a run, since no step depends on it; empty if there is none."""
        return ""

    def is_classwise(self, real: ImageSet) -> bool:
        """Return whether the images of a class are independent of the other classes in ``real``, up to rounding."""
        return False

    def validate(self, real: ImageSet) -> None:
        """Raise CondensationError, before `init`, if the form or files named in the settings, such as a pool, do not fit ``real``."""
        if self.set_form:
            self.set_form.check(real.shape, real.preprocessing)
        if self.sampler:
            self.sampler.validate(real)

    def prepared(self, real: ImageSet, compute: Compute, on_progress: "OnProgress | None" = None) -> Self:
        """Return this method after `validate`, with the networks that its sampler trains; ``on_progress`` counts their batches."""
        self.validate(real)
        sampler = self.sampler and self.sampler.prepared(real, compute, on_progress)
        return self.with_sampler(sampler) if sampler and sampler is not self.sampler else self

    def for_steps(
        self, real: ImageSet, seed: int, compute: Compute, release: "Release | Path | None" = None, on_progress: "OnProgress | None" = None
    ) -> "tuple[Method, ImageSet]":
        """Return the `prepared` method, and the images for its steps: blank ones if it is private, with ``release`` or that of its file."""
        return self.prepared(real, compute, on_progress), real

    def input_digests(self) -> dict[str, str]:
        """Return a digest by name of each input file that affects the result, such as a pool of networks."""
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
    """Raise CondensationError if a setting of ``method`` is below its ``minimum``. None is accepted."""
    for name, smallest in minimum.items():
        if getattr(method, name) is not None:
            require(method, "method", (name,), partial(operator.le, smallest), f"at least {smallest}")


def need_positive(method: Method, *names: str) -> None:
    """Raise CondensationError unless these settings of ``method`` are above 0."""
    require(method, "method", names, lambda value: value > 0, "above 0")


def need_fraction(method: Method, *names: str) -> None:
    """Raise CondensationError unless these settings of ``method`` are in [0, 1)."""
    require(method, "method", names, lambda value: 0 <= value < 1, "in [0, 1)")


def need_one_of(method: Method, name: str, choices: Collection[str]) -> None:
    """Raise CondensationError unless this setting of ``method`` is one of ``choices``."""
    require(method, "method", (name,), lambda value: value in choices, f"one of {', '.join(choices)}")


def _get(settings: Any, path: str) -> Any:
    """Return the value at a dotted ``path``; None if the path is empty or does not exist."""
    for name in path.split("."):
        settings = getattr(settings, name, None) if name else None
    return settings


def _replaced(settings: Any, path: str, value: object) -> Any:
    """Return a copy of nested frozen dataclasses with ``value`` at a dotted ``path``."""
    name, _, rest = path.partition(".")
    return replace(settings, **{name: _replaced(getattr(settings, name), rest, value) if rest else value})
