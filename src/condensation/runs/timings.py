"""Times of the parts of earlier runs on this machine, kept in the cache folder, to tell how long the next run will take."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from condensation.core.environment import machine
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.records import read_record
from condensation.core.storage import write_json
from condensation.data.cache import cache_root

FILE = "timings.json"
MOST = 1000  # parts that are kept, the latest


@dataclass(frozen=True)
class Timing:
    """Measured time of a part of a run."""

    each: float
    """Seconds of a step, or of an epoch of a network."""
    first: float = 0.0
    """Further seconds before the first step was done, such as those of compilation."""
    units: int = 0
    """Number of steps or epochs that were measured."""

    def seconds(self, units: int) -> float:
        """Return the time of ``units`` steps or epochs."""
        return self.first + units * self.each


def timing_key(part: str, content: object) -> str:
    """Return the key of a ``part`` of a run whose time depends on plain ``content`` and on this machine."""
    text = json.dumps([part, to_dict(content), machine()], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def recall() -> dict[str, Timing]:
    """Return the times by key; empty without a cache, or if the file is damaged."""
    path = _path()
    if path is None or not path.exists():
        return {}
    with suppress(CondensationError):
        return read_record(path, dict[str, Timing])
    return {}


def remember(measured: Mapping[str, Timing]) -> None:
    """Add times by key; what cannot be written is not kept."""
    path = _path()
    if path is None or not measured:
        return
    kept = {**{key: timing for key, timing in recall().items() if key not in measured}, **measured}
    with suppress(CondensationError, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {key: asdict(timing) for key, timing in list(kept.items())[-MOST:]})


def _path() -> Path | None:
    root = cache_root()
    return root / FILE if root else None
