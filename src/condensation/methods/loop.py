"""The condensation loop: `condense` runs every method, step by step."""

import math
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING

from condensation.core.checkpoint import Checkpoint
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.ipc import SmallClasses, images_per_class
from condensation.core.rng import Rng
from condensation.methods.base import Method, State
from condensation.methods.step_info import (
    RELEASE,
    Diverged,
    Observer,
    StepInfo,
    Stopped,
    identity_of,
    require_sensible,
)

if TYPE_CHECKING:
    from condensation.core.progress import OnProgress
    from condensation.core.team import Team
    from condensation.methods.release import Release


def condense(
    method: Method,
    real: ImageSet,
    ipc: int | Mapping[int, int],
    *,
    small_classes: SmallClasses = "error",
    seed: int = 0,
    compute: Compute = Compute(),
    observers: Sequence[Observer] = (),
    checkpoint: Checkpoint | None = None,
    on_training: "OnProgress | None" = None,
    release: "Release | None" = None,
    team: "Team | None" = None,
) -> ImageSet:
    """Condense ``real`` with ``method`` and return the synthetic images, on the device of ``real``.

    On a CPU, a seed gives bit-identical images on the same machine with the same number of threads, also after interruptions.

    ``ipc`` is one number for all classes, or a number for each label. If a class has fewer real images, ``small_classes`` "error" raises
    and "all" uses all of them. Observers are called before the first step and after every step. If the file of ``checkpoint``, which
    keeps the state, exists, the run resumes from it, with more steps than before if no step depends on their number. ``on_training``
    receives the finished and the total batches of networks that are trained before the first step, or the images of a release.

    A method with ``privacy`` looks at ``real`` once, for a release of noisy sums; its steps see no real image. An earlier ``release`` of
    the same images and settings costs no privacy again; by default one is made, and kept beside the file of ``checkpoint``.

    The processes of a ``team`` call this function with the same arguments and divide the classes; all of them get all images, the same to
    the last bit as from one process, except that networks with batch norm round differently. Observers are called in every process.

    Raise CondensationError if an argument is invalid or the checkpoint belongs to another run, Diverged if the loss or a pixel is not
    finite (the checkpoint keeps the last good state), and Stopped if an observer raises it (the checkpoint keeps the last state).

    >>> from condensation import DM, ConvNet, Fresh, condense, load
    >>> method = DM(steps=2, batch_per_class=8, networks=Fresh(ConvNet(width=8)))
    >>> small = condense(method, load("digits").train, ipc={label: 1 for label in range(10)}, seed=1)
    >>> small.images.shape, small.labels.tolist()
    (torch.Size([10, 1, 8, 8]), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    _check_arguments(method, seed, observers)
    counts = images_per_class(real, ipc, small_classes, bounded=not method.is_private)
    if real.soft_labels:
        hint = "Drop them with dataclasses.replace(images, soft_labels=None)."
        raise CondensationError("The real images have soft labels, which no method uses.", hint=hint)
    if team and team.size > 1:
        if method.is_private:
            raise divided_error()
        from condensation.methods.team_loop import condense_in_team

        return condense_in_team(team, method, real, counts, int(seed), compute, observers, checkpoint, on_training)
    compute = compute.resolve()
    device, real = real.device, real.to(compute.device)
    rng = Rng(int(seed))
    if method.sampler and method.sampler.trains:
        method.init(real, counts, rng.child("init"), compute)  # to raise for what does not fit before networks are trained
    try:
        kept = release or (checkpoint.path.with_name(RELEASE) if checkpoint else None)
        prepared, real = method.for_steps(real, int(seed), compute, kept, on_training)
    except Stopped as stop:
        stop.step = 0
        raise
    state: State = prepared.init(real, counts, rng.child("init"), compute)
    identity = identity_of(method, prepared, real, counts, seed) if checkpoint else {}
    growing = f"method.{method.growing_setting}" if method.growing_setting else ""
    done = checkpoint.restore(state, identity, growing) if checkpoint else 0
    loss: float | None = None
    stopped: Stopped | None = None
    while loss is None or math.isfinite(loss):
        try:
            for observer in observers:
                observer(StepInfo(done, method, loss, state))
        except Stopped as stop:
            stopped, stop.step = stop, done
        if stopped or done == method.steps:
            break
        if checkpoint and checkpoint.due() and state.source.is_finite():
            checkpoint.save(state, done, identity)
        loss = float(prepared.step(state, real, rng.child("step", done)))
        done += 1
    if not (loss is None or math.isfinite(loss)) or not state.source.is_finite():  # keep the last good state
        raise Diverged(done, checkpoint.saved_step if checkpoint else None, method)
    made = state.source.snapshot()
    require_sensible(made, real, done, checkpoint.saved_step if checkpoint else None, method)
    if checkpoint and method.steps:
        checkpoint.save(state, done, identity)
    if stopped:
        raise stopped
    return made.to(device)


def divided_error() -> CondensationError:
    """Return the error for a private method in several processes, each of which would draw its own noise."""
    hint = "Start it in one process; its release serves any number of sets."
    return CondensationError("A run with differential privacy cannot be divided among processes.", hint=hint, setting="method.privacy")


def _check_arguments(method: object, seed: object, observers: object) -> None:
    """Raise CondensationError for arguments of the wrong type; the hint names the call that was probably meant."""
    if not isinstance(method, Method):
        given = f"the class {method.__name__}" if isinstance(method, type) else repr(method)
        call = f"{method.__name__}()" if isinstance(method, type) and issubclass(method, Method) else "DM()"
        raise CondensationError(f"Expected a method object, got {given}.", hint=f"Pass {call}.", setting="method")
    if not isinstance(seed, Integral) or isinstance(seed, bool):
        raise CondensationError(f"Expected seed to be a whole number, got {seed!r}.", setting="seed")
    if not isinstance(observers, Sequence) or not all(map(callable, observers)):
        raise CondensationError(f"Expected observers to be a list of functions that take a StepInfo, got {observers!r}.")
