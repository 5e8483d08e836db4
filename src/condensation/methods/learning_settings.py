"""Access to the network, the network sampler and the learning rate of any method."""

from dataclasses import replace
from typing import Any

from typing_extensions import Self

from condensation.core.errors import CondensationError
from condensation.networks.base import NetworkSampler, NetworkSpec


class LearningSettings:
    """Mixin of `Method`: a subclass names its settings, and this class reads and replaces them."""

    @property
    def network_setting(self) -> str:
        """Dotted name of the setting that holds the architecture, such as ``networks.spec``; empty if there is none."""
        return ""

    @property
    def network_settings(self) -> tuple[str, ...]:
        """Names of all settings that hold an architecture: `network_setting`, and that of an evaluation inside the method."""
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
        changed: Self = _replaced(self, setting, value)
        return changed


def _get(settings: Any, path: str) -> Any:
    """Return the value at a dotted ``path``; None if the path is empty or does not exist."""
    for name in path.split("."):
        settings = getattr(settings, name, None) if name else None
    return settings


def _replaced(settings: Any, path: str, value: object) -> Any:
    """Return a copy of nested frozen dataclasses with ``value`` at a dotted ``path``."""
    name, _, rest = path.partition(".")
    return replace(settings, **{name: _replaced(getattr(settings, name), rest, value) if rest else value})
