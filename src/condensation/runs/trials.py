"""Trials of a part of a run, which are thrown away, to tell how long it will take."""

import time
from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import pairwise
from statistics import median

import torch

from condensation.core.compute import Compute
from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.methods.base import Method
from condensation.methods.loop import condense
from condensation.methods.step_info import StepInfo, Stopped
from condensation.networks.base import NetworkSpec
from condensation.networks.samplers import Fresh
from condensation.runs.settings import RunSettings
from condensation.training.epoch_window import EpochWindow
from condensation.training.train import Recipe
from condensation.training.train_and_test import TrainingJob, train_and_test

TRIED, LEAST, SLOW = 0.7, 5, 5.0  # seconds and steps of a trial, and seconds after which it ends with any step
COMPILING, GAIN = 20.0, 0.5  # seconds of compiling once, and what is left of the time of a step afterwards
WORTHWHILE = 40.0  # seconds of uncompiled work from which on it is compiled
FORWARD = 1 / 3  # time of a forward pass, as a part of that of a step of training
Guess = tuple[float | None, float]  # seconds of a part, None if unknown, and those of compilation in it


def perhaps_compiled(seconds: float, compute: Compute) -> Guess:
    """Return the time of work that takes ``seconds`` without compilation, and that of compiling in it."""
    compiled = compute.compile == "always" or (compute.compile == "auto" and seconds > WORTHWHILE)
    return (COMPILING + GAIN * seconds, COMPILING) if compiled else (seconds, 0.0)


def step_seconds(settings: RunSettings, real: ImageSet, counts: dict[int, int], compute: Compute) -> float | None:
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


def sampler_seconds(method: Method, real: ImageSet, compute: Compute) -> Guess:
    """Return the time of training the networks of the method's sampler, if it tells how many epochs they are trained."""
    networks, epochs = (getattr(method.sampler, name, None) for name in ("networks", "epochs"))
    if method.network is None or networks is None or epochs is None:
        return None, 0.0
    each = image_seconds(method.network, real, Recipe.with_cutmix(epochs), compute, len(real))
    return (None, 0.0) if each is None else perhaps_compiled(networks * epochs * len(real) * each, compute)


def release_seconds(network: NetworkSpec | None, real: ImageSet, looks: int, compute: Compute) -> Guess:
    """Return the time in which ``network`` embeds as many images as ``looks``; training on images spends no epsilon either."""
    each = image_seconds(network, real, Recipe(augmentation=None), compute, len(real)) if network else None
    return (None, 0.0) if each is None else perhaps_compiled(FORWARD * looks * each, compute)


def image_seconds(network: NetworkSpec, real: ImageSet, recipe: Recipe, compute: Compute, images: int) -> float | None:
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
