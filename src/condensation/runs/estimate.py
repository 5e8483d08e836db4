"""Time, memory and disk space of a run on this machine: from earlier runs, or from a few steps that are tried and thrown away."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

import torch

from condensation.core.compute import Compute
from condensation.core.images import ImageSet
from condensation.core.memory import process_memory
from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.core.text import counted
from condensation.data.dataset import Data
from condensation.methods.base import Method
from condensation.methods.loop import condense
from condensation.methods.random import Random
from condensation.methods.step_info import StepInfo, Stopped
from condensation.networks.base import NetworkSpec
from condensation.networks.samplers import Fresh
from condensation.runs.curve import curve_steps
from condensation.runs.settings import RunSettings
from condensation.runs.timings import Timing, recall, timing_key
from condensation.training.epoch_window import EpochWindow
from condensation.training.train import Recipe
from condensation.training.train_and_test import TrainingJob, train_and_test

TRIED, LEAST, SLOW = 0.7, 5, 5.0  # seconds and steps of a trial, and seconds after which it ends with any step
COMPILING, GAIN = 20.0, 0.5  # seconds of compiling once, and what is left of the time of a step afterwards
WORTHWHILE = 40.0  # seconds of uncompiled work from which on it is compiled
NOTICED = 2.0  # seconds of a first step that are shown as compilation
BYTES = 4  # of a pixel
Guess = tuple[float | None, float]  # seconds of a part, None if unknown, and those of compilation in it


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
    each = _image_seconds(training.network, data.train, recipe, compute, training.images)
    if each is None:
        return None, 0.0
    seen = training.images if recipe.epoch_images is None else min(training.images, recipe.epoch_images)
    work = recipe.epochs * seen + len(data.test) / 3  # testing has no backward pass
    return _perhaps_compiled(training.networks * work * each, compute)


def plan_run(settings: RunSettings, data: Data, done: int = 0, evaluated: int = 0) -> Plan:
    """Return what the run ``settings`` on ``data`` will take; what no earlier run has measured is tried for about a second.

    A resumed run has ``done`` steps and ``evaluated`` networks of its evaluation already.
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
            parts.append(_part("training", "training networks", 0, condensing, earlier, lambda: _training_seconds(method, real, compute)))
    trial: list[float | None] = []  # seconds of a step, tried once for all phases

    def tried(units: int) -> Guess:
        trial.append(trial[0] if trial else _step_seconds(settings, real, counts, compute))
        return (None, 0.0) if trial[0] is None else _perhaps_compiled(trial[0] * units, compute)

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


def _perhaps_compiled(seconds: float, compute: Compute) -> Guess:
    """Return the time of work that takes ``seconds`` without compilation, and that of compiling in it."""
    compiled = compute.compile == "always" or (compute.compile == "auto" and seconds > WORTHWHILE)
    return (COMPILING + GAIN * seconds, COMPILING) if compiled else (seconds, 0.0)


def _step_seconds(settings: RunSettings, real: ImageSet, counts: dict[int, int], compute: Compute) -> float | None:
    """Return the time of a step, from a few steps with networks that are not trained; None if they cannot be tried."""
    method, times = settings.method, list[float]()

    def watch(info: StepInfo) -> None:
        times.append(time.perf_counter())
        if _is_enough(times):
            raise Stopped("tried")

    try:
        if method.sampler and not isinstance(method.sampler, Fresh) and method.network:
            plain = {"calibration": 0.0} if "calibration" in {field.name for field in fields(method)} else {}
            method = replace(method, **{method.network_setting.partition(".")[0]: Fresh(method.network)}, **plain)
        if method.is_private:  # a trial must spend no epsilon; one real image per class and step takes about as long as none
            method = replace(method, privacy=None, batch_per_class=1)  # type: ignore[call-arg]
        condense(method, real, counts, seed=settings.seed, compute=replace(compute, compile="never"), observers=[watch])
    except Stopped:
        pass
    except Exception:  # also of user code; the run itself tells what is wrong
        return None
    return _each(times)


def _training_seconds(method: Method, real: ImageSet, compute: Compute) -> Guess:
    """Return the time of training the networks of the method's sampler, if it tells how many epochs they are trained."""
    networks, epochs = (getattr(method.sampler, name, None) for name in ("networks", "epochs"))
    if method.network is None or networks is None or epochs is None:
        return None, 0.0
    each = _image_seconds(method.network, real, Recipe.with_cutmix(epochs), compute, len(real))
    return (None, 0.0) if each is None else _perhaps_compiled(networks * epochs * len(real) * each, compute)


def _image_seconds(network: NetworkSpec, real: ImageSet, recipe: Recipe, compute: Compute, images: int) -> float | None:
    """Return the time of training ``network`` on an image, from a few epochs of a few real images."""
    count = min(images, len(real), recipe.batch, 100)
    plain = replace(compute.with_compile_decision(real.shape, 0), compile="never")
    job = TrainingJob(EpochWindow(real.to(plain.device), count, Rng(0)), Rng(0))
    times = [time.perf_counter()]

    def watch(done: int, total: int) -> None:
        times.append(time.perf_counter())
        if _is_enough(times):
            raise Stopped("tried")

    few = replace(recipe, epochs=min(50, recipe.epochs), lr_drop_epoch=None)
    try:
        train_and_test(network, [job], [real.take(torch.tensor([0])).to(plain.device)], few, plain, watch)
    except Stopped:
        pass
    except Exception:
        return None
    each = _each(times)
    return None if each is None else each / count


def _is_enough(times: Sequence[float]) -> bool:
    """Return whether steps that ended at ``times`` tell the time of a step; slow steps are tried once."""
    passed = times[-1] - times[0]
    return len(times) > 1 and (passed > SLOW or (len(times) > LEAST and passed > TRIED))


def _each(times: Sequence[float]) -> float | None:
    """Return the median time of a step, without the first one if there are several; None if no step was done."""
    steps = [after - before for before, after in pairwise(times)]
    return median(steps[1:] or steps) if steps else None
