"""The state of a run on disk, from which it goes on to the same bytes that it would have reached unbroken."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from condensation.core.errors import CondensationError
from condensation.core.storage import read_tensors, to_tensors, unpack, write_tensors

EVERY_SECONDS = 20.0


class Kept(Protocol):
    """What a checkpoint can hold: the state of a run, or of a network under training."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, saved: Mapping[str, Any]) -> None: ...


@dataclass
class Checkpoint:
    """Where, and how often, a run saves its state. Nothing but time decides when, and it changes no result."""

    path: Path
    every: float = EVERY_SECONDS  # seconds; 0 for each step
    saved_step: int | None = None
    _saved_at: float = field(default=float("-inf"), repr=False)

    def __post_init__(self) -> None:
        if not self.every >= 0:
            raise CondensationError(f"Asked to keep the state every {self.every:g} seconds; it must be 0 or more.")

    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self._saved_at >= self.every

    def save(self, state: Kept, step: int, run: Mapping[str, Any]) -> None:
        """Keep ``state`` after ``step`` steps of the run that ``run`` describes, in place of what was kept before."""
        tensors, tree = to_tensors(state.state_dict())
        write_tensors(self.path, "checkpoint", tensors, {"step": step, "run": dict(run), "state": tree})
        self._saved_at, self.saved_step = time.monotonic(), step

    def restore(self, state: Kept, run: Mapping[str, Any]) -> int:
        """Put into ``state`` what was kept, and say after how many steps that was; 0 if nothing was.

        Raises:
            CondensationError: if what is there is damaged or belongs to a run with other settings.
        """
        if not self.path.exists():
            return 0
        tensors, card = read_tensors(self.path, "checkpoint")
        try:
            step, kept, tree = int(card["step"]), card["run"], card["state"]
            differing = difference(kept, dict(run))
            if differing:
                raise CondensationError(
                    f"{self.path} is of another run: {differing}.\nGo on with those settings, or choose another folder."
                )
            state.load_state_dict(unpack(tree, tensors))
        except CondensationError:
            raise
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CondensationError(f"{self.path} is damaged: {error}.\nRemove it to start again from the beginning.") from None
        self.saved_step = step
        return step


def difference(kept: Any, wanted: Any, name: str = "") -> str | None:
    """The first place where two nested settings differ, in words: ``method.lr is 1.0 there, 2.0 here``; None if they agree."""
    if isinstance(kept, Mapping) and isinstance(wanted, Mapping):
        for key in [*kept, *(key for key in wanted if key not in kept)]:
            found = difference(kept.get(key), wanted.get(key), f"{name}.{key}" if name else str(key))
            if found:
                return found
        return None
    if kept == wanted:
        return None
    return f"{name} is {kept!r} there, {wanted!r} here"
