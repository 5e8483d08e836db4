"""Named random streams: a draw depends on the seed and its name, not on earlier draws."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ClassDraw:
    """Images drawn from each class, ordered by class, as indices into an `ImageSet`."""

    indices: Tensor
    """Indices into the set, (n,)."""
    class_index: Tensor
    """Index into `classes` of each image, (n,)."""
    classes: tuple[int, ...]
    """Labels, ascending."""


@dataclass(frozen=True)
class Rng:
    """A seed and a path of names; each path is an independent stream.

    A stream has no state: it always returns the same numbers. Resuming therefore needs no saved random state, observers cannot change a
    result, and the global generators of torch and numpy are not used. Numbers are drawn on the CPU by numpy's counter-based Philox, so
    they are the same for every device.

    >>> from condensation import Rng
    >>> Rng(0).child("step", 41).permutation(6).tolist()
    [5, 0, 4, 2, 1, 3]
    """

    seed: int
    path: tuple[str | int, ...] = ()

    def child(self, *names: str | int) -> Rng:
        """Return the stream called ``names`` below this one."""
        return Rng(self.seed, self.path + names)

    def in_next_step(self) -> Rng | None:
        """Return this stream in the next step of a run, whose streams begin with "step" and its number; None outside of steps."""
        match self.path:
            case ("step", int(number), *names):
                return Rng(self.seed, ("step", number + 1, *names))
        return None

    def generator(self) -> np.random.Generator:
        """Return a numpy generator at the beginning of this stream."""
        return np.random.Generator(np.random.Philox(key=self._digest(16)))

    def integer(self) -> int:
        """Return an integer in [0, 2**63), for libraries that need a seed."""
        return self._digest(8) >> 1

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Return standard normal numbers, float32, of ``shape``."""
        return torch.from_numpy(self.generator().standard_normal(shape, dtype=np.float32))

    def permutation(self, count: int) -> Tensor:
        """Return the integers below ``count`` in random order."""
        return torch.from_numpy(self.generator().permutation(count))

    def choice(self, population: int, count: int) -> np.ndarray:
        """Return ``count`` distinct integers below ``population``, in random order."""
        return self.generator().choice(population, count, replace=False)

    @contextmanager
    def globally(self) -> Iterator[None]:
        """Seed the global generators of Python, numpy and torch from this stream inside the block, and restore them afterwards."""
        seed, python_state, numpy_state = self.integer(), random.getstate(), np.random.get_state()
        gpus = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
        has_gpu = gpus or torch.backends.mps.is_available()
        with torch.random.fork_rng(devices=gpus):
            try:
                random.seed(seed)
                np.random.seed(seed % 2**32)
                # Without a GPU, seed the CPU alone: torch.manual_seed looks for GPUs, which takes 0.1 ms.
                (torch.manual_seed if has_gpu else torch.default_generator.manual_seed)(seed)
                yield
            finally:
                random.setstate(python_state)
                np.random.set_state(numpy_state)

    def _digest(self, size: int) -> int:
        # repr distinguishes the string "1" from the number 1; blake2b spreads similar names over the whole key space.
        # numpy's numbers have a different repr from Python's; int and str make them equal.
        path = tuple(str(name) if isinstance(name, str) else int(name) for name in self.path)
        name = repr((int(self.seed), path)).encode()
        return int.from_bytes(hashlib.blake2b(name, digest_size=size).digest(), "little")
