"""Named random streams: what is drawn is decided by the name of the draw, not by what was drawn before it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Rng:
    """A seed and a path of names; each path is an independent stream.

    Nothing here has a position: asking for the same stream twice gives the same numbers twice. So resuming needs no
    random state, looking on changes nothing, and the global generators of torch and numpy stay untouched. Numbers are
    drawn on the CPU by numpy's counter-based Philox, hence the same on every device.

    >>> Rng(0).child("step", 41).permutation(6).tolist()
    [5, 0, 4, 2, 1, 3]
    """

    seed: int
    path: tuple[str | int, ...] = ()

    def child(self, *names: str | int) -> Rng:
        """The stream below this one that goes by ``names``."""
        return Rng(self.seed, self.path + names)

    def generator(self) -> np.random.Generator:
        """A generator at the start of this stream."""
        return np.random.Generator(np.random.Philox(key=self._digest(16)))

    def integer(self) -> int:
        """One whole number in [0, 2**63), for libraries that want a seed."""
        return self._digest(8) >> 1

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Standard normal numbers, float32, of ``shape``."""
        return torch.from_numpy(self.generator().standard_normal(shape, dtype=np.float32))

    def permutation(self, count: int) -> Tensor:
        """The whole numbers below ``count`` in random order."""
        return torch.from_numpy(self.generator().permutation(count))

    def choice(self, population: int, count: int) -> np.ndarray:
        """``count`` different whole numbers below ``population``, in random order."""
        return self.generator().choice(population, count, replace=False)

    @contextmanager
    def globally(self) -> Iterator[None]:
        """Let this stream decide what others draw inside from the global generators of Python, numpy and torch; all are put back."""
        seed, of_python, of_numpy = self.integer(), random.getstate(), np.random.get_state()
        gpus = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
        elsewhere = gpus or torch.backends.mps.is_available()
        with torch.random.fork_rng(devices=gpus):
            try:
                random.seed(seed)
                np.random.seed(seed % 2**32)
                # Where there is no GPU to seed, without asking for one, which takes a tenth of a millisecond.
                (torch.manual_seed if elsewhere else torch.default_generator.manual_seed)(seed)
                yield
            finally:
                random.setstate(of_python)
                np.random.set_state(of_numpy)

    def _digest(self, size: int) -> int:
        # repr keeps the string "1" and the number 1 apart; blake2b spreads neighbouring names over the whole key space.
        # numpy's numbers print otherwise than Python's: int and str make equal names one name.
        path = tuple(str(name) if isinstance(name, str) else int(name) for name in self.path)
        name = repr((int(self.seed), path)).encode()
        return int.from_bytes(hashlib.blake2b(name, digest_size=size).digest(), "little")
