"""Settings that all studies share."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, ClassVar

from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.ipc import SmallClasses
from condensation.core.plain import to_dict
from condensation.core.user_code import short_name
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.runs.presets import data_for, preset_for
from condensation.runs.settings import RunSettings

NO_EVALUATION = EvaluationSettings(networks=0)


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Settings that all studies of condensed sets share."""

    noun: ClassVar[str]
    """Name of the result in messages: ``table``."""
    mark: ClassVar[str]
    """Setting that only this study has; it tells its folder from those of other studies."""

    data: str | dict[str, object] = "fashion-mini"
    """Data source, or settings of the data."""
    preset: str = "classic"
    """Preset of the method settings."""
    small_classes: SmallClasses = "error"
    """If a class has fewer than ipc images: ``error``, or ``all`` to use every one of them."""
    compute: Compute = Compute()
    """Device, precision and compilation."""

    @property
    def data_settings(self) -> dict[str, object]:
        """Settings of the data as given."""
        return {"source": self.data} if isinstance(self.data, str) else self.data

    @property
    def source(self) -> str:
        """Name or path of the data set."""
        return str(self.data_settings.get("source", DataSettings.source))

    def data_at(self, ipc: int, data: Mapping[str, object] | None = None) -> DataSettings:
        """Return complete settings of the data, those of the preset unless they are given."""
        return data_for(self.preset, self.data_settings if data is None else data, ipc)

    def decisive_data(self, ipc: int) -> dict[str, Any]:
        """Return the plain settings that decide the data; their place does not."""
        plain: dict[str, Any] = to_dict(replace(self.data_at(ipc), folder=None))
        return plain

    def run_of(
        self,
        method: Mapping[str, object],
        ipc: int,
        seed: int = 0,
        data: Mapping[str, object] | None = None,
        evaluation: EvaluationSettings = NO_EVALUATION,
    ) -> RunSettings:
        """Return the run that makes one set: the preset's settings, changed by ``method``; not evaluated by default."""
        content = {"data": self.data_settings if data is None else data, "method": method, "ipc": ipc}
        base = from_dict(RunSettings, content, preset_for(self.preset, content))
        shared = {"small_classes": self.small_classes, "compute": self.compute}
        return replace(base, seed=seed, baseline=False, evaluation=evaluation, **shared)  # type: ignore[arg-type]


def decisive_run(run: RunSettings) -> RunSettings:
    """Return the settings that decide the result of a run: neither where it is computed, nor where the data lie."""
    return replace(run, compute=Compute(), data=replace(run.data, folder=None))


def method_content(method: str | Mapping[str, object], default: str = "dm") -> dict[str, object]:
    """Return a method given by its name, or by settings that may leave out the name ``default``, as settings."""
    return {"name": method} if isinstance(method, str) else {"name": default, **method}


def setting_of(override: str, method: str) -> str:
    """Return what an override such as ``dm.steps=500`` sets of the ``method`` with which it begins: ``steps=500``; empty for another one.

    A method of the user is named as in its settings, ``mine.py:Blend.steps=3``, or by its class, ``Blend.steps=3``.
    """
    names = (method, short_name(method))
    return next((override.removeprefix(f"{name}.") for name in names if override.partition("=")[0].startswith(f"{name}.")), "")


def require_at_least(settings: Any, least: Mapping[str, int]) -> None:
    """Check that whole numbers of ``settings`` are not below ``least``; None is allowed."""
    for name, lowest in least.items():
        value = attrgetter(name)(settings)
        if value is not None and value < lowest:
            raise CondensationError(f"{name} is {value}; it must be at least {lowest}.", setting=name)


def require_unique(setting: str, names: Iterable[str]) -> None:
    """Check that no name occurs twice."""
    counts = Counter(names)
    repeated = min((name for name in counts if counts[name] > 1), default=None)
    if repeated is not None:
        raise CondensationError(f"{setting} contains {repeated!r} twice.", hint="Give each entry once.", setting=setting)
