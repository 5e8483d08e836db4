"""Checkpoints: the state of a run on disk. A resumed run gives the same bytes as an uninterrupted one."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.core.plain import first_difference, grown
from condensation.core.storage import write_json
from condensation.core.tensor_files import read_tensors, to_tensors, unpack, write_tensors

if TYPE_CHECKING:
    from condensation.core.checkpoint_parts import Rows

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
        self.saved(step)

    @property
    def exists(self) -> bool:
        """True if a state was saved, by one process or by several."""
        return self.path.exists() or (self.parts / "manifest.json").exists()

    @property
    def parts(self) -> Path:
        """Folder of the states of several processes; see `core.checkpoint_parts`."""
        return self.path.with_suffix("")

    def restore(
        self, state: Stateful | None, run: Mapping[str, Any], growing: str = "", classes: "Mapping[int, Rows] | None" = None
    ) -> int:
        """Load the latest saved state into ``state`` and return its step, 0 if there is none.

        The number at the dotted name ``growing`` may have grown since. ``classes`` restricts a state to some classes, by the rows of
        their images; None: all. Raise CondensationError for the state of another run.
        """
        if not self.exists:
            return 0
        tensors, card = self._latest(classes)
        try:
            step, saved_run, tree = int(card["step"]), card["run"], card["state"]
            if difference := first_difference(grown(saved_run, run, growing), dict(run)):
                hint = "Continue with those settings, or choose another folder (out=...)."
                raise CondensationError(f"{self.path} belongs to another run: {difference}.", hint=hint)
            if state is not None:
                state.load_state_dict(unpack(tree, tensors))
        except CondensationError:
            raise
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError, OverflowError) as error:
            raise CondensationError(f"{self.path} is damaged: {error}.", hint="Remove it to start from the beginning.") from None
        self.saved_step = step
        return step

    def save_part(self, state: Stateful | None, step: int, run: Mapping[str, Any], classes: "Mapping[int, Rows]", rank: int) -> str:
        """Save the state of the classes of one of several processes, and return the name of its file; see `save_manifest`."""
        from condensation.core.checkpoint_parts import by_class

        if state is None:
            return ""
        tensors, tree = to_tensors(state.state_dict())
        count = max(rows.images.stop for rows in classes.values())
        name = f"step-{step}/rank-{rank}.safetensors"
        card = {"step": step, "run": dict(run), "state": tree, "classes": list(classes)}
        write_tensors(self.parts / name, "checkpoint", by_class(tensors, classes, count), card)
        return name

    def save_manifest(self, step: int, files: Sequence[str]) -> None:
        """Make the ``files`` of all processes the latest state, and keep the one before."""
        from condensation.core.checkpoint_parts import MANIFEST, latest_manifest

        folder = self.parts
        earlier = latest_manifest(folder)
        kept = [step, *(number for number in (earlier.steps[:1] if earlier else ()) if number != step)]
        write_json(folder / MANIFEST, {"steps": kept, "files": [name for name in files if name]})
        for place in folder.glob("step-*"):
            if place.name not in {f"step-{number}" for number in kept}:
                shutil.rmtree(place, ignore_errors=True)
        self.saved(step)

    def saved(self, step: int) -> None:
        """Note that the state after ``step`` steps was saved now."""
        self._saved_at, self.saved_step = time.monotonic(), step

    def _latest(self, classes: "Mapping[int, Rows] | None") -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the tensors and the card of the latest state, that of one file or of the parts of several processes."""
        from condensation.core.checkpoint_parts import latest_manifest, read_parts, restricted, step_of

        manifest = latest_manifest(self.parts)
        if self.path.exists() and (manifest is None or step_of(self.path) >= manifest.steps[0]):
            tensors, card = read_tensors(self.path, "checkpoint")
            return (tensors if classes is None else restricted(tensors, classes)), card
        assert manifest is not None
        return read_parts(self.parts, manifest, classes)
