"""Progress of a run that observers see, and the reasons for which it ends early."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.methods.base import Method, State
from condensation.methods.synthetic import SyntheticImages

if TYPE_CHECKING:
    from condensation.core.class_plan import ClassPlan


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
    """State of the method, with the images that `snapshot` copies; of the classes of this process, if there are several."""
    gathered: Callable[[], ImageSet] | None = None
    """Function that collects the images of all processes; None if there is one."""
    whole: Callable[[], SyntheticImages] | None = None
    """Function that collects the images and the generator of all processes; None if there is one."""
    leads: bool = True
    """True in the process that writes files."""

    @property
    def steps(self) -> int:
        """Total steps."""
        return self.method.steps

    @property
    def phase(self) -> tuple[str, int, int]:
        """Name, finished steps and total steps of the current phase."""
        return self.method.phase(self.step)

    def snapshot(self) -> ImageSet:
        """Return a copy of the current synthetic images. All processes of a team must call it at the same step."""
        return self.gathered() if self.gathered else self.state.source.snapshot()

    def source(self) -> SyntheticImages:
        """Return the images and what generates them. All processes of a team must call it at the same step."""
        return self.whole() if self.whole else self.state.source


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


def require_sensible(made: ImageSet, real: ImageSet, step: int, kept: int | None, method: Method) -> None:
    """Raise Diverged if pixels of ``made`` are far larger than those of ``real``."""
    most, bound = float(made.images.abs().max()), ABSURD * max(1.0, float(real.inputs(slice(SAMPLE)).abs().max()))
    if most > bound:
        problem = f"Pixels reached {most:.0e}, more than {ABSURD:,} times those of the real images,"
        raise Diverged(step, kept, method, problem)


def identity_of(method: Method, prepared: Method, real: ImageSet, ipc: Mapping[int, int], seed: int) -> dict[str, object]:
    """Return what is equal in every checkpoint of a run; ``prepared`` names the files that the ``method`` reads."""
    identity: dict[str, object] = {
        "method": to_dict(method),
        "ipc": {str(label): count for label, count in ipc.items()},
        "seed": int(seed),
        "data": real.fingerprint(),
        "preprocessing": real.preprocessing.fingerprint(),
        "flip_invariant": real.flip_invariant,
    }
    if digests := prepared.input_digests():  # absent in checkpoints of older versions
        identity["reads"] = digests
    return identity


def require_divisible(method: Method, plan: "ClassPlan | None" = None) -> None:
    """Raise CondensationError if several processes cannot divide the classes of ``method``, or of its ``plan``."""
    reason = "with privacy" if method.is_private else plan.undivided if plan else ""
    if reason or type(method).class_plan is Method.class_plan:
        name = f"{type(method).__name__} {reason}".strip()
        raise CondensationError(f"{name} runs in one process.", hint="Start it without torchrun.", setting="method")
