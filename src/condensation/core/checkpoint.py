"""Checkpoints: the state of a run on disk. A resumed run gives the same bytes as an uninterrupted one."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from condensation.core.errors import CondensationError
from condensation.core.plain import first_difference, grown
from condensation.core.tensor_files import read_tensors, to_tensors, unpack, write_tensors

EVERY_SECONDS = 20.0


class Stateful(Protocol):
    """An object that a checkpoint can hold, such as the state of a method or of a network in training."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, saved: Mapping[str, Any]) -> None: ...


@dataclass
class Checkpoint:
    """Checkpoint file of a run, and the interval between saves, which does not affect the results.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from condensation import Checkpoint, PixelMMD, condense, load
    >>> with TemporaryDirectory() as folder:
    ...     checkpoint = Checkpoint(Path(folder) / "checkpoint.safetensors", every=0)
    ...     small = condense(PixelMMD(steps=2), load("digits").train, ipc=1, checkpoint=checkpoint)
    >>> checkpoint.saved_step
    2
    """

    path: Path
    """File of the checkpoint; it need not exist."""
    every: float = EVERY_SECONDS
    """Seconds between saves, at least 0; 0 saves after each step."""
    saved_step: int | None = None
    """Steps done at the last save; None before the first."""
    _saved_at: float = field(default=float("-inf"), repr=False)

    def __post_init__(self) -> None:
        self.path = Path(self.path)
        if not self.every >= 0:
            raise CondensationError(f"The interval between checkpoints is {self.every:g} seconds; it must be 0 or more.")

    def due(self) -> bool:
        """Return whether the interval has passed since the last save."""
        return time.monotonic() - self._saved_at >= self.every

    def save(self, state: Stateful, step: int, run: Mapping[str, Any]) -> None:
        """Save ``state`` after ``step`` steps of the run described by ``run``, replacing the earlier state."""
        tensors, tree = to_tensors(state.state_dict())
        write_tensors(self.path, "checkpoint", tensors, {"step": step, "run": dict(run), "state": tree})
        self._saved_at, self.saved_step = time.monotonic(), step

    def restore(self, state: Stateful, run: Mapping[str, Any], growing: str = "") -> int:
        """Load the saved state into ``state`` and return its step, 0 if there is none.

        The number at the dotted name ``growing`` may have grown since. Raise CondensationError for the state of another run.
        """
        if not self.path.exists():
            return 0
        tensors, card = read_tensors(self.path, "checkpoint")
        try:
            step, saved_run, tree = int(card["step"]), card["run"], card["state"]
            if difference := first_difference(grown(saved_run, run, growing), dict(run)):
                hint = "Continue with those settings, or choose another folder (out=...)."
                raise CondensationError(f"{self.path} belongs to another run: {difference}.", hint=hint)
            state.load_state_dict(unpack(tree, tensors))
        except CondensationError:
            raise
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError, OverflowError) as error:
            raise CondensationError(f"{self.path} is damaged: {error}.", hint="Remove it to start from the beginning.") from None
        self.saved_step = step
        return step
