"""Presets of run settings: ``fast`` and ``classic`` take minutes on a CPU, ``best`` and ``long`` an hour, ``paper`` a day."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from condensation.config.build import from_dict
from condensation.config.toml import layered, read_settings
from condensation.core.errors import CondensationError, unknown
from condensation.core.form import Tiles
from condensation.core.plain import to_dict
from condensation.core.trust import given_names
from condensation.data.catalogue import DATASETS, DatasetInfo
from condensation.data.dataset import parse_size
from condensation.data.load import catalogue_key
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.methods.best_of import BestOf
from condensation.methods.dm import DM
from condensation.methods.generative import GenerativeMethod
from condensation.methods.privacy import Privacy
from condensation.methods.registry import METHODS
from condensation.networks.convnet import ConvNet
from condensation.networks.samplers import Fresh
from condensation.runs.settings import RunSettings
from condensation.training.train import Recipe
from condensation.training.trained import Trained

logger = logging.getLogger(__name__)

PRIVATE_STEPS, PRIVATE_LR, PRIVATE_WIDTH = 2_000, 2.0, 32  # measured in docs/notes/privacy.md
SMALL = 24  # pixels per side; see docs/notes/tiles.md


def preset(name: str, ipc: int = 10, classes: int = 10, channels: int = 3) -> RunSettings:
    """Return the preset ``name`` for ``ipc`` images of each of ``classes`` classes. Raise CondensationError if there is no such preset.

    >>> from condensation import preset
    >>> preset("fast", ipc=10, channels=1).method.steps
    1000
    """
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS, setting="preset")
    if ipc < 1 or classes < 1:
        raise CondensationError(f"Expected ipc and classes of at least 1, got {ipc} and {classes}.", setting="ipc")
    return replace(PRESETS[name](ipc, classes, channels), ipc=ipc)


def settings_from(
    *,
    preset: str | None = None,
    file: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    overrides: Sequence[str] | None = None,
    network: str | None = None,
    trust: bool = False,
    quick: bool = False,
) -> RunSettings:
    """Return the settings of a run: defaults, then the preset, the file, options and overrides, each overriding those before it.

    A preset that is given here overrides the file: it replaces the file's method settings (but not the method's name), evaluation and
    preprocessing. Likewise, a name in ``options`` and ``overrides`` replaces the group of the file; see `overlay`. Raise CondensationError
    if the file cannot be read, or for an unknown name or a wrong value.

    Args:
        preset: Name of the preset; None for ``fast``, which the file overrides.
        file: TOML or JSON file of settings.
        options: Values by dotted setting name; None for those that were not given.
        overrides: Settings such as ``method.lr=0.5``.
        network: Network of the evaluation and of the method; it counts as an option.
        trust: Import code that only the file names.
        quick: Change the quick evaluation by options and overrides, unless the preset or the file has an evaluation of its own.
    """
    options, name = dict(options or {}), preset or "fast"
    given = trust or given_names([layered({}, options, overrides), network])
    saved = read_settings(file, given) if file else {}
    if preset:
        saved = _below_preset(saved, preset)
    content = layered(saved, options, overrides)
    if network is not None:
        group = content.get("method")
        method_name = group.get("name") if isinstance(group, Mapping) else group
        method = from_dict(RunSettings, {"method": method_name} if method_name else {}, preset_for(name, content)).method
        options |= {setting: network for setting in ("evaluation.network", *(f"method.{key}" for key in method.network_settings))}
        content = layered(saved, options, overrides)
    base, evaluation = preset_for(name, content), saved.get("evaluation")
    if quick and not (isinstance(evaluation, Mapping) and evaluation.keys() & {"networks", "recipe"}):
        base = quickly_evaluated(base)
    return from_dict(RunSettings, content, base)


def quickly_evaluated(settings: RunSettings) -> RunSettings:
    """Return ``settings`` with a quick evaluation, as the command has it, unless theirs is not the default."""
    usual = replace(settings.evaluation, network=EvaluationSettings.network) == EvaluationSettings()
    return replace(settings, evaluation=settings.evaluation.quick()) if usual else settings


def closest_preset_of_method(content: Mapping[str, Any]) -> str | None:
    """Return the preset from whose method the fewest settings in plain ``content`` of a run differ; None for a method of the user."""
    method, data = content.get("method"), content.get("data")
    name = method.get("name") if isinstance(method, Mapping) else None
    if not isinstance(method, Mapping) or name not in METHODS or not isinstance(data, Mapping):
        return None
    wanted = {"data": data, "method": name, "ipc": content.get("ipc")}
    try:
        there = {preset: to_dict(from_dict(RunSettings, {"method": name}, preset_for(preset, wanted)).method) for preset in PRESETS}
    except CondensationError:  # settings of another version
        return None
    return min(PRESETS, key=lambda preset: sum(value != there[preset].get(key) for key, value in method.items()))


def _below_preset(content: Mapping[str, Any], preset: str) -> dict[str, Any]:
    """Return the settings of a file without those that a preset determines, and log the names of those."""
    method, data = content.get("method"), content.get("data")
    method_name = method.get("name") if isinstance(method, Mapping) else method
    kept = {key: value for key, value in content.items() if key not in ("method", "evaluation")}
    kept |= {"method": method_name} if method_name else {}
    kept |= {"data": {key: value for key, value in data.items() if key != "preprocessing"}} if isinstance(data, Mapping) else {}
    replaced = [key for key in content if key not in kept]
    replaced += ["method"] if isinstance(method, Mapping) and method_name and len(method) > 1 else []
    replaced += ["data.preprocessing"] if isinstance(data, Mapping) and "preprocessing" in data else []
    if replaced:
        logger.warning("preset=%r replaces settings of the file: %s.", preset, ", ".join(replaced))
    return kept


def preset_for(name: str, content: Mapping[str, Any]) -> RunSettings:
    """Return the preset called ``name``, tuned for plain settings ``content``, which the caller then applies to it.

    If ipc differs between classes, the largest is used. The number of classes comes from ``data.classes`` or the catalogue, which also
    tells whether images are greyscale. Other data sets are not read yet; 10 classes and colour images are assumed. Images of fewer than
    24 pixels per side have no room for several in each, so ``fast`` is ``classic`` for them, and ``best`` is ``long``.
    """
    ipc, data = content.get("ipc"), content.get("data")
    data = data if isinstance(data, Mapping) else {}
    counts = [count for count in (ipc.values() if isinstance(ipc, Mapping) else [ipc]) if isinstance(count, int) and count > 0]
    known = DATASETS.get(catalogue_key(str(data.get("source", DataSettings.source))) or "")
    names = data.get("classes")
    names = names.split(",") if isinstance(names, str) else names if isinstance(names, list | tuple) else []
    size = max(counts, default=10), len(names) or (known.classes if known else 10)
    if min(_sides(data, known)) < SMALL:
        name = {"fast": "classic", "best": "long"}.get(name, name)
    settings = preset(name, *size, channels=known.shape[0] if known else 3)
    method = content.get("method")
    kind = METHODS.get(str(method.get("name") if isinstance(method, Mapping) else method))
    if kind is not None and issubclass(kind, GenerativeMethod):
        variants = {"fast": kind.fast, "classic": kind.fast, "best": kind.long, "long": kind.long, "paper": kind.paper}
        settings = replace(settings, method=variants[name](*size))
    elif kind is BestOf:
        hour = BestOf.hour(*size, channels=known.shape[0] if known else 3)
        settings = replace(settings, method=hour if name == "best" else BestOf(settings.method))
    elif isinstance(settings.method, DM):
        fitted = _fitted(settings.method, data, method)
        settings = replace(settings, method=fitted)
        if isinstance(method, Mapping) and isinstance(method.get("privacy"), Mapping):
            private = _private(fitted, from_dict(Privacy, method["privacy"], where="method.privacy"), max(counts, default=10))
            return replace(settings, method=private, data=DataSettings(preprocessing="centered"))
    if settings.data.preprocessing == "published" and not (known and known.published):
        settings = replace(settings, data=DataSettings())  # there are no published constants for the user's own images
    return settings


def _sides(data: Mapping[str, Any], known: DatasetInfo | None) -> tuple[int, int]:
    """Return height and width as far as they are known; else those of CIFAR."""
    try:
        given = parse_size(data.get("size"))
    except CondensationError:  # it is told where the settings are built
        given = None
    return given or (known.shape[1:] if known else DATASETS["cifar10"].shape[1:])


def _fitted(preset: DM, data: Mapping[str, Any], method: object) -> DM:
    """Return the method of a preset without tiles and calibration where the given settings exclude them."""
    networks = method.get("networks") if isinstance(method, Mapping) else None
    name = networks.get("name") if isinstance(networks, Mapping) else networks
    if name not in (None, Trained.name):
        preset = replace(preset, calibration=0.0)
    return replace(preset, form=None) if data.get("preprocessing") == "zca" and isinstance(preset.form, Tiles) else preset


def _private(preset: DM, privacy: Privacy, ipc: int) -> DM:
    """Return the settings of a preset as far as privacy allows: its form, noise as initialization, and new narrow networks.

    A step against a release sees no real image, so there are twice as many.
    """
    steps, lr = min(2 * preset.steps, PRIVATE_STEPS), PRIVATE_LR * max(1.0, ipc / 10)
    return DM(steps=steps, lr=lr, averaging=0.99, form=preset.form, networks=Fresh(ConvNet(width=PRIVATE_WIDTH)), privacy=privacy)


def data_for(name: str, data: Mapping[str, object], ipc: int) -> DataSettings:
    """Return the data settings of the preset called ``name`` with plain settings ``data`` applied."""
    content: dict[str, object] = {"data": data, "ipc": ipc}
    return from_dict(RunSettings, content, preset_for(name, content)).data


PRESETS: dict[str, Callable[[int, int, int], RunSettings]] = {
    # The highest accuracy of minutes on two CPU cores.
    "fast": lambda ipc, classes, channels: RunSettings(method=DM.fast(ipc, classes, channels)),
    # The highest accuracy of an hour.
    "best": lambda ipc, classes, channels: RunSettings(
        method=DM.best(ipc, classes, channels), evaluation=EvaluationSettings(recipe=Recipe.with_cutmix())
    ),
    # Full-size images and untrained networks, as in the paper, with cheaper steps: minutes.
    "classic": lambda ipc, classes, channels: RunSettings(method=DM.classic(ipc, classes, channels)),
    # Ten times the steps of `classic`: up to an hour.
    "long": lambda ipc, classes, channels: RunSettings(method=DM.long(ipc, classes, channels)),
    # The settings of the paper: about a day.
    "paper": lambda ipc, classes, channels: RunSettings(
        data=DataSettings(preprocessing="published"),
        method=DM.paper(ipc),
        evaluation=EvaluationSettings(networks=20, recipe=Recipe.paper()),
    ),
}
"""Functions of ipc, number of classes and number of channels that return the settings of a run, by name.

>>> from condensation import PRESETS
>>> list(PRESETS)
['fast', 'best', 'classic', 'long', 'paper']
"""
