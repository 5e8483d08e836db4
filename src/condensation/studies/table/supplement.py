"""Table T1 of the supplement of Zhao & Bilen (WACV 2023): sets drawn from generators beside random images and DM.

Whole tables by name, for presets of ``condense table``. Rows of methods that are not installed are left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from condensation.methods.registry import METHODS
from condensation.studies.table.study import TableRow, TableSettings, rows_for

# In the order of the published table; the last two are those whose sets its text discusses.
SUPPLEMENT = ("random", "gmmn", "dc-vae", "biggan", "pixel-mmd", "dm", "gtn", "kip")


def small() -> TableSettings:
    """Return the table for two CPU cores: one set of each method by the preset `fast`, 3 networks of 300 epochs."""
    return TableSettings(_rows(), data="cifar10", seeds=1, networks=3, epochs=300, preset="fast")


def full() -> TableSettings:
    """Return the published table, for a GPU: 5 sets of each method by the preset `paper`, 20 networks of 1,000 epochs."""
    return TableSettings(_rows(), data="cifar10")


TABLES: dict[str, Callable[[], TableSettings]] = {"supplement": small, "supplement-paper": full}


def missing() -> list[str]:
    """Return the methods of the published table that this version lacks."""
    return [name for name in SUPPLEMENT if name not in METHODS]


def table_named(name: str, methods: Sequence[str] | None = None) -> TableSettings:
    """Return the whole table ``name``, restricted to the rows of ``methods`` if they are given."""
    table = TABLES[name]()
    if methods is None:
        return table
    known = {method: [row for row in table.rows if row.method_settings["name"] == method] for method in methods}
    return replace(table, rows=tuple(row for method, rows in known.items() for row in (rows or rows_for([method]))))


def _rows() -> tuple[TableRow, ...]:
    return rows_for([name for name in SUPPLEMENT if name in METHODS])
