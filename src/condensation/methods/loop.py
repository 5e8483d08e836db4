"""The condensation loop: `condense` runs every method, step by step."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral

from condensation.core.checkpoint import Checkpoint
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.ipc import SmallClasses, images_per_class
from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.methods.base import Method, State


@dataclass(frozen=True)
class StepInfo:
    """Progress of a run, passed to each observer before the first step and after every step."""

    step: int  # finished steps
    steps: int  # total steps
    loss: float | None  # of the last step; None before the first
    state: State
    phase: tuple[str, int, int]  # name, finished steps and total steps of the current phase

    def snapshot(self) -> ImageSet:
        """Return a copy of the current synthetic images."""
        return self.state.source.snapshot()


Observer = Callable[[StepInfo], None]


class Stopped(Exception):
    """Raised by an observer to stop a run between two steps; `condense` saves the state first."""

    def __init__(self, reason: str, step: int | None = None) -> None:
        super().__init__(reason)
        self.step = step


class Diverged(CondensationError):
    """The loss or a pixel became infinite or NaN."""

    def __init__(self, step: int, kept: int | None, method: Method) -> None:
        state = f"The state after step {kept} is kept." if kept is not None else "No earlier state was kept."
        setting = f"method.{method.lr_setting}" if method.lr_setting else ""
        advice = f"a smaller {setting} (it is {method.lr:g})" if setting else "other settings"
        super().__init__(
            f"The loss or a pixel was not a finite number at step {step}, so the run was stopped. {state}",
            hint=f"Try {advice}, in a new folder.",
            setting=setting,
        )
        self.step, self.kept = step, kept


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
) -> ImageSet:
    """Condense ``real`` with ``method`` and return the synthetic images, on the device of ``real``.

    On a CPU, the same seed gives the same bytes on the same machine and thread count, with or without observers and
    interruptions.

    Args:
        method: The method with its settings, such as ``DM()``.
        real: The real training images.
        ipc: Images per class: one number for all classes, or a number for each label.
        small_classes: If a class has fewer than ``ipc`` real images: ``error``, or ``all`` to use every one of them.
        seed: Determines all random numbers.
        compute: Device, precision and memory use.
        observers: Functions that are called before the first step and after every step.
        checkpoint: File that keeps the state. If it exists, the run resumes from it.

    Raises:
        CondensationError: If an argument is invalid, or the checkpoint belongs to another run.
        Diverged: If the loss or a pixel is not finite; the checkpoint then holds the last good state.
        Stopped: If an observer raises it; the checkpoint then holds the state after the last step.
    """
    _check_arguments(method, real, ipc, seed, observers)
    counts = images_per_class(real, ipc, small_classes)
    compute = compute.resolve()
    method.validate(real)
    device, real = real.device, real.to(compute.device)
    rng = Rng(int(seed))
    state: State = method.init(real, counts, rng.child("init"), compute)
    identity = _identity(method, real, counts, int(seed)) if checkpoint else {}
    done = checkpoint.restore(state, identity) if checkpoint else 0
    try:
        _notify(observers, StepInfo(done, method.steps, None, state, method.phase(done)))
        for step in range(done, method.steps):
            if checkpoint and checkpoint.due() and state.source.is_finite():
                checkpoint.save(state, step, identity)
            loss = float(method.step(state, real, rng.child("step", step)))
            if not math.isfinite(loss):
                raise Diverged(step + 1, checkpoint.saved_step if checkpoint else None, method)
            done = step + 1
            _notify(observers, StepInfo(done, method.steps, loss, state, method.phase(done)))
    except Stopped as stop:
        _save_finite(state, done, identity, checkpoint, method)
        stop.step = done
        raise
    _save_finite(state, done, identity, checkpoint if method.steps else None, method)
    return state.source.snapshot().to(device)


def _check_arguments(method: object, real: object, ipc: object, seed: object, observers: object) -> None:
    """Raise for arguments of the wrong type, with the call that was probably meant."""
    if not isinstance(method, Method):
        given = f"the class {method.__name__}" if isinstance(method, type) else repr(method)
        call = f"{method.__name__}()" if isinstance(method, type) and issubclass(method, Method) else "DM()"
        raise CondensationError(f"method is {given}; expected a method object.", hint=f"Pass {call}.", setting="method")
    if not isinstance(real, ImageSet):
        hint = (
            "Pass its training images, data.train."
            if isinstance(getattr(real, "train", None), ImageSet)
            else "Use load() or from_arrays()."
        )
        raise CondensationError(f"real is of type {type(real).__name__}; expected an ImageSet.", hint=hint)
    if real.soft_labels:
        raise CondensationError(
            "The real images have soft labels, which no method uses.", hint="Drop them with dataclasses.replace(images, soft_labels=None)."
        )
    numbers = [*ipc.keys(), *ipc.values()] if isinstance(ipc, Mapping) else [ipc]
    if not all(map(_is_integer, numbers)):
        raise CondensationError(f"ipc is {ipc!r}; expected an integer, or a mapping from labels to integers.", setting="ipc")
    if not _is_integer(seed):
        raise CondensationError(f"seed is {seed!r}; expected an integer.", setting="seed")
    if not isinstance(observers, Sequence) or not all(map(callable, observers)):
        raise CondensationError(f"observers is {observers!r}; expected a list of functions that take a StepInfo.")


def _is_integer(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _notify(observers: Sequence[Observer], info: StepInfo) -> None:
    for observer in observers:
        observer(info)


def _save_finite(state: State, step: int, identity: Mapping[str, object], checkpoint: Checkpoint | None, method: Method) -> None:
    """Save ``state``, unless it diverged: a lost state must not replace the last good one."""
    if not state.source.is_finite():
        raise Diverged(step, checkpoint.saved_step if checkpoint else None, method)
    if checkpoint:
        checkpoint.save(state, step, identity)


def _identity(method: Method, real: ImageSet, ipc: Mapping[int, int], seed: int) -> dict[str, object]:
    """Return what must agree for a checkpoint to belong to this run."""
    digests = method.input_digests()
    return {
        "method": to_dict(method),
        "ipc": {str(label): count for label, count in ipc.items()},
        "seed": seed,
        "data": real.fingerprint(),
        "preprocessing": real.preprocessing.fingerprint(),
        "flip_invariant": real.flip_invariant,
        **({"reads": digests} if digests else {}),  # absent in checkpoints of older versions
    }
