"""The table of the supplement (Zhao & Bilen, WACV 2023, supplement, table T1): sets drawn from generators beside random images and DM.

Whole tables by name, which `condense table --preset` takes. A row is there where its method is; others are told of by `missing`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from condensation.methods.registry import METHODS
from condensation.studies.table.study import Row, TableSettings, rows_for

# In the order of the published table; with the two whose sets it speaks of in its text.
SUPPLEMENT = ("random", "gmmn", "dc-vae", "biggan", "pixel-mmd", "dm", "gtn", "kip")


def small() -> TableSettings:
    """For two CPU cores: a set of each method by the preset `fast`, judged by 3 networks of 300 epochs."""
    return TableSettings(_rows(), "cifar10", seeds=1, networks=3, epochs=300, preset="fast")


def full() -> TableSettings:
    """As published, for a GPU: 5 sets of each method by the preset `paper`, judged by 20 networks of 1,000 epochs."""
    return TableSettings(_rows(), "cifar10")


TABLES: dict[str, Callable[[], TableSettings]] = {"supplement": small, "supplement-paper": full}


def missing() -> list[str]:
    """Methods of the supplement's table that are not here."""
    return [name for name in SUPPLEMENT if name not in METHODS]


def table_named(name: str, methods: Sequence[str] | None = None) -> TableSettings:
    """The whole table that goes by ``name``; of its rows, or others, those of ``methods`` alone if they are named.

    Raises:
        CondensationError: if there is no such method.
    """
    table = TABLES[name]()
    if methods is None:
        return table
    known = {method: [row for row in table.rows if row.method_settings["name"] == method] for method in methods}
    return replace(table, rows=tuple(row for method, rows in known.items() for row in (rows or rows_for([method]))))


def _rows() -> tuple[Row, ...]:
    """The rows of the methods that are here."""
    return rows_for([name for name in SUPPLEMENT if name in METHODS])
