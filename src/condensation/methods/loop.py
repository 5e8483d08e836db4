"""The condensation loop: `condense` runs every method, step by step."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

from condensation.core.checkpoint import Checkpoint
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.ipc import SmallClasses, images_per_class
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress
from condensation.core.rng import Rng
from condensation.methods.base import Method, State

if TYPE_CHECKING:
    from condensation.methods.release import Release


@dataclass(frozen=True)
class StepInfo:
    """Progress of a run, passed to each observer before the first step and after every step.

    >>> from condensation import PixelMMD, condense, load
    >>> def show(info):
    ...     print(info.step, info.steps, info.snapshot().images.shape)
    >>> small = condense(PixelMMD(steps=1), load("digits").train, ipc=1, observers=[show])
    0 1 torch.Size([10, 1, 8, 8])
    1 1 torch.Size([10, 1, 8, 8])
    """

    step: int
    """Finished steps."""
    method: Method
    """Settings of the run."""
    loss: float | None
    """Loss of the last step; None before the first."""
    state: State
    """State of the method, with the images that `snapshot` copies."""

    @property
    def steps(self) -> int:
        """Total steps."""
        return self.method.steps

    @property
    def phase(self) -> tuple[str, int, int]:
        """Name, finished steps and total steps of the current phase."""
        return self.method.phase(self.step)

    def snapshot(self) -> ImageSet:
        """Return a copy of the current synthetic images."""
        return self.state.source.snapshot()


Observer = Callable[[StepInfo], None]
"""Function that is called with a `StepInfo` before the first step and after every step.

>>> from condensation import PixelMMD, condense, load
>>> steps = []
>>> small = condense(PixelMMD(steps=2), load("digits").train, ipc=1, observers=[lambda info: steps.append(info.step)])
>>> steps
[0, 1, 2]
"""
RELEASE = "release.safetensors"  # of a private method, beside a checkpoint
ABSURD = 1_000_000  # times the largest input of real images: larger synthetic ones show nothing, though networks with norms accept them
SAMPLE = 1_000  # real images whose largest input is compared


class Stopped(Exception):
    """Raised by an observer to stop a run between two steps; `condense` saves the state first.

    >>> from condensation import PixelMMD, Stopped, condense, load
    >>> def stop(info):
    ...     if info.step == 1:
    ...         raise Stopped("enough")
    >>> try:
    ...     condense(PixelMMD(steps=5), load("digits").train, ipc=1, observers=[stop])
    ... except Stopped as stopped:
    ...     print(stopped)
    enough
    """

    def __init__(self, reason: str, step: int | None = None) -> None:
        super().__init__(reason)
        self.step = step


class Diverged(CondensationError):
    """The loss or a pixel became infinite or NaN, or pixels left the range of the real images far behind.

    >>> from condensation import DM, ConvNet, Diverged, Fresh, condense, load
    >>> try:
    ...     condense(DM(steps=9, lr=1e30, batch_per_class=8, networks=Fresh(ConvNet(width=8))), load("digits").train, ipc=1)
    ... except Diverged as error:
    ...     print(error.setting)
    method.lr
    """

    def __init__(self, step: int, kept: int | None, method: Method, problem: str = "The loss or a pixel was not a finite number") -> None:
        state = f"The state after step {kept} is kept." if kept is not None else "No earlier state was kept."
        setting = f"method.{method.lr_setting}" if method.lr_setting else ""
        advice = f"a smaller {setting} (now {method.lr:g})" if setting else "other settings"
        message = f"{problem} at step {step}, so the run was stopped. {state}"
        super().__init__(message, hint=f"Start again in a new folder with {advice}.", setting=setting)
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
    on_training: OnProgress | None = None,
    release: "Release | None" = None,
) -> ImageSet:
    """Condense ``real`` with ``method`` and return the synthetic images, on the device of ``real``.

    On a CPU, a seed gives bit-identical images on the same machine with the same number of threads, also after interruptions.

    ``ipc`` is one number for all classes, or a number for each label. If a class has fewer real images, ``small_classes`` "error" raises
    and "all" uses all of them. Observers are called before the first step and after every step. If the file of ``checkpoint``, which
    keeps the state, exists, the run resumes from it, with more steps than before if no step depends on their number. ``on_training``
    receives the finished and the total batches of networks that are trained before the first step, or the images of a release.

    A method with ``privacy`` looks at ``real`` once, for a release of noisy sums; its steps see no real image. An earlier ``release`` of
    the same images and settings costs no privacy again; by default one is made, and kept beside the file of ``checkpoint``.

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
    identity: dict[str, object] = {}  # equal in every checkpoint of this run
    if checkpoint:
        identity = {
            "method": to_dict(method),
            "ipc": {str(label): count for label, count in counts.items()},
            "seed": int(seed),
            "data": real.fingerprint(),
            "preprocessing": real.preprocessing.fingerprint(),
            "flip_invariant": real.flip_invariant,
        }
        if digests := prepared.input_digests():  # absent in checkpoints of older versions
            identity["reads"] = digests
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
    most, bound = float(made.images.abs().max()), ABSURD * max(1.0, float(real.inputs(slice(SAMPLE)).abs().max()))
    if most > bound:
        problem = f"Pixels reached {most:.0e}, more than {ABSURD:,} times those of the real images,"
        raise Diverged(done, checkpoint.saved_step if checkpoint else None, method, problem)
    if checkpoint and method.steps:
        checkpoint.save(state, done, identity)
    if stopped:
        raise stopped
    return made.to(device)


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
