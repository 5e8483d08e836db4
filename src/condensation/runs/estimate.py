"""Time, memory and disk space of a run on this machine: from earlier runs, or from a few steps that are tried and thrown away."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from condensation.core.compute import Compute
from condensation.core.memory import process_memory
from condensation.core.plain import to_dict
from condensation.core.text import counted
from condensation.data.dataset import Data
from condensation.methods.dm import DM
from condensation.methods.random import Random
from condensation.networks.base import NetworkSpec
from condensation.runs.curve import curve_steps
from condensation.runs.settings import RunSettings
from condensation.runs.timings import Timing, recall, timing_key
from condensation.runs.trials import FORWARD, Guess, image_seconds, perhaps_compiled, release_seconds, sampler_seconds, step_seconds
from condensation.training.train import Recipe

NOTICED = 2.0  # seconds of a first step that are shown as compilation
BYTES = 4  # of a pixel
RELEASING = "releasing sums"  # the progress of a release; see `condensation.report.progress`


@dataclass(frozen=True)
class PlannedPart:
    """A part of a run, under the name that its progress has."""

    name: str
    text: str
    """Description of the part."""
    key: str
    """Key of its time among those of earlier runs."""
    seconds: float | None
    """Expected time, with compilation; None if it cannot be told."""
    compiling: float
    """Expected time of compilation alone."""
    measured: bool
    """True if an earlier run has taken this time."""


@dataclass(frozen=True)
class Plan:
    """Parts of a run, and its needs."""

    parts: tuple[PlannedPart, ...]
    memory: int
    """Bytes of memory of this process, as far as the trial has shown."""
    disk: int
    """Bytes of the run folder."""

    @property
    def seconds(self) -> float:
        """Expected time of the parts whose time can be told."""
        return sum(part.seconds or 0.0 for part in self.parts)


@dataclass(frozen=True)
class Training:
    """Networks that are trained and tested alike."""

    text: str
    """Description of the networks."""
    networks: int
    network: NetworkSpec
    recipe: Recipe
    images: int
    """Images that a network sees in an epoch, without the limit of the recipe."""


def training_seconds(training: Training, data: Data, compute: Compute) -> float | None:
    """Return the time of training and testing, from a short trial; None if it cannot be told."""
    return _training_guess(training, data, compute)[0]


def _training_guess(training: Training, data: Data, compute: Compute) -> Guess:
    recipe = training.recipe
    each = image_seconds(training.network, data.train, recipe, compute, training.images)
    if each is None:
        return None, 0.0
    seen = training.images if recipe.epoch_images is None else min(training.images, recipe.epoch_images)
    work = recipe.epochs * seen + FORWARD * len(data.test)  # testing has no backward pass
    return perhaps_compiled(training.networks * work * each, compute)


def plan_run(settings: RunSettings, data: Data, done: int = 0, evaluated: int = 0, released: bool = False) -> Plan:
    """Return what the run ``settings`` on ``data`` will take; what no earlier run has measured is tried for about a second.

    A resumed run has ``done`` steps and ``evaluated`` networks of its evaluation already, and a private one may be ``released``.
    """
    compute, real, method = settings.compute.resolve(), data.train, settings.method
    counts = settings.ipc_of(real)
    earlier = recall()
    about = {"images": real.shape, "classes": len(real.classes), "count": len(real), "compute": to_dict(compute)}
    steps = {} if not method.growing_setting else {method.growing_setting: None}
    condensing = {**about, "method": {**to_dict(method), **steps}, "ipc": list(counts.values())}
    parts: list[PlannedPart] = []
    if method.sampler and method.sampler.trains and (done < method.steps or not method.steps):
        if not method.sampler.is_made(real):
            parts.append(_part("training", "training networks", 0, condensing, earlier, lambda: sampler_seconds(method, real, compute)))
    if isinstance(method, DM) and method.privacy and not released:
        text, looks = f"noisy sums of {counted(method.privacy.networks, 'network')}", method.privacy.networks * len(real)
        parts.append(_part(RELEASING, text, looks, condensing, earlier, lambda: release_seconds(method.network, real, looks, compute)))
    trial: list[float | None] = []  # seconds of a step, tried once for all phases

    def tried(units: int) -> Guess:
        trial.append(trial[0] if trial else step_seconds(settings, real, counts, compute))
        return (None, 0.0) if trial[0] is None else perhaps_compiled(trial[0] * units, compute)

    while done < method.steps:
        name, finished, total = method.phase(done)
        first = finished == done  # the first phase
        guess = partial(tried, total - finished) if first else _unknown
        text = f"{name} steps {finished + 1:,} to {total:,}" if finished else f"{name} {counted(total, 'step')}"
        parts.append(_part(name, text, total - finished, condensing, earlier, guess))
        done += total - finished
    if settings.evaluation.networks:
        parts.append(_evaluation(settings, data, sum(counts.values()), evaluated, about, earlier, compute))
    stored = sum(counts.values()) * real.images[0].numel() * BYTES
    return Plan(tuple(parts), process_memory(), (5 + settings.curve) * stored)  # set, picture, and a checkpoint with momentum and average


def _part(name: str, text: str, units: int, content: object, earlier: Mapping[str, Timing], guess: Callable[[], Guess]) -> PlannedPart:
    key = timing_key(name, content)
    if known := earlier.get(key):
        return PlannedPart(name, text, key, known.seconds(units or known.units), known.first if known.first > NOTICED else 0.0, True)
    return PlannedPart(name, text, key, *guess(), False)


def _unknown() -> Guess:
    return None, 0.0


def _evaluation(
    settings: RunSettings,
    data: Data,
    images: int,
    evaluated: int,
    about: Mapping[str, Any],
    earlier: Mapping[str, Timing],
    compute: Compute,
) -> PlannedPart:
    """Return the part of evaluating the set and, by default, as many random images, without the ``evaluated`` networks."""
    evaluation, recipe = settings.evaluation, settings.evaluation.recipe
    sets = 2 if settings.baseline and not isinstance(settings.method, Random) else 1
    sets += len(curve_steps(settings.method.steps, settings.curve))
    form = settings.method.set_form
    seen = images * (form.count if form else 1)
    networks = max(0, sets * evaluation.networks - evaluated)
    text = f"evaluating by {counted(networks, 'network')} of {counted(recipe.epochs, 'epoch')}"
    guess = partial(_training_guess, Training(text, networks, evaluation.network, recipe, seen), data, compute)
    content = {**about, "evaluation": {**to_dict(evaluation), "networks": None}, "seen": seen, "test": len(data.test)}
    return _part("evaluating", text, networks * recipe.epochs, content, earlier, guess)
