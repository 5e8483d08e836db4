"""What cells of a table and of a matrix have in common."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from condensation.core.text import accuracy


class Scored:
    """The accuracies of several sets, as far as they are there."""

    values: tuple[tuple[float, ...], ...]  # test accuracies in percent: (sets, networks)
    failed: Mapping[str, str]  # of the sets that could not be made or judged: run -> reason

    @property
    def mean(self) -> float:
        return float(np.concatenate(self.values).mean())

    @property
    def deviation(self) -> float:
        """Over all networks of all sets at once, of the population: the one that papers print."""
        return float(np.concatenate(self.values).std())

    def __str__(self) -> str:
        if not self.values:
            return "failed" if self.failed else "-"
        return accuracy(self.mean, self.deviation, sum(map(len, self.values)))
