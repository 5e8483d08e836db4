"""The one loop that runs every method."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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
    """What an observer is shown after each step, and once before the first."""

    step: int  # steps done
    steps: int  # of the whole run
    loss: float | None  # of the step just done; None before the first
    state: State
    part: tuple[str, int, int]  # what is being done, how many steps of that are done, and how many it has

    def snapshot(self) -> ImageSet:
        """The synthetic images as they are now."""
        return self.state.source.snapshot()


Observer = Callable[[StepInfo], None]


class Stopped(Exception):
    """Raised by an observer to end a run between two steps; its state is kept first."""

    def __init__(self, reason: str, step: int | None = None) -> None:
        super().__init__(reason)
        self.step = step


class Diverged(CondensationError):
    """The loss or a pixel became infinite or not a number."""

    def __init__(self, step: int, kept: int | None, lr: tuple[str, float] | None) -> None:
        state = f"The state after step {kept} is kept." if kept is not None else "No earlier state was kept."
        advice = f"a smaller {lr[0]} (it is {lr[1]:g})" if lr else "other settings"
        super().__init__(
            f"The loss or a pixel was not a finite number at step {step}, so the run was stopped. {state}\nTry {advice}, in a new folder."
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
    """A small set, learned or chosen from ``real``, with ``ipc`` images of each class (or as many as ``ipc[label]``).

    Of a class that has fewer real images, ``small_classes="all"`` takes as many as there are; otherwise it is an error.

    On a CPU, the same seed gives the same bytes on the same machine and thread count, observed or not, broken off or
    not. With a ``checkpoint`` the run goes on from it where there is one. The result lies where ``real`` does.

    Raises:
        CondensationError: if ``ipc`` does not fit ``real``, or the checkpoint is of another run.
        Diverged: if the loss is no longer a finite number; the checkpoint then holds the last good state.
    """
    if real.soft_labels:
        raise CondensationError(
            "These images have soft labels, which no method reads.\nCondense by class alone: replace(images, soft_labels=None)."
        )
    wanted = images_per_class(real, ipc, small_classes)
    compute = compute.resolve()
    method.validate(real)
    home, real = real.device, real.to(compute.device)
    rng = Rng(seed)
    state = method.init(real, wanted, rng.child("init"), compute)
    run = _identity(method, real, wanted, seed) if checkpoint else {}
    done = checkpoint.restore(state, run) if checkpoint else 0
    try:
        _tell(observers, StepInfo(done, method.steps, None, state, method.phase(done)))
        for step in range(done, method.steps):
            if checkpoint and checkpoint.due() and state.source.is_finite():
                checkpoint.save(state, step, run)
            loss = float(method.step(state, real, rng.child("step", step)))
            if not math.isfinite(loss):
                raise _diverged(method, step + 1, checkpoint)
            done = step + 1
            _tell(observers, StepInfo(done, method.steps, loss, state, method.phase(done)))
    except Stopped as stop:
        _check_finite(method, state, done, checkpoint)
        if checkpoint:
            checkpoint.save(state, done, run)
        stop.step = done
        raise
    _check_finite(method, state, done, checkpoint)
    if checkpoint and method.steps:
        checkpoint.save(state, done, run)
    return state.source.snapshot().to(home)


def _tell(observers: Sequence[Observer], moment: StepInfo) -> None:
    for observer in observers:
        observer(moment)


def _check_finite(method: Method, state: State, step: int, checkpoint: Checkpoint | None) -> None:
    """A state that is lost must not take the place of the last good one."""
    if not state.source.is_finite():
        raise _diverged(method, step, checkpoint)


def _diverged(method: Method, step: int, checkpoint: Checkpoint | None) -> Diverged:
    return Diverged(
        step, checkpoint.saved_step if checkpoint else None, (f"method.{method.lr_setting}", method.lr) if method.lr is not None else None
    )


def _identity(method: Method, real: ImageSet, ipc: Mapping[int, int], seed: int) -> dict[str, object]:
    """What must agree for a checkpoint to be of this run."""
    return {
        "method": to_dict(method),
        "ipc": {str(label): count for label, count in ipc.items()},
        "seed": seed,
        "data": real.fingerprint(),
        "preprocessing": real.preprocessing.fingerprint(),
        "flip_invariant": real.flip_invariant,
        **_read_by(method),
    }


def _read_by(method: Method) -> dict[str, object]:
    reads = method.input_digests()
    return {"reads": reads} if reads else {}  # checkpoints of older versions say nothing of it
