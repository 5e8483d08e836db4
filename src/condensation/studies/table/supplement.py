"""Table T1 of the supplement of Zhao & Bilen (WACV 2023): sets drawn from generators beside random images and DM.

Whole tables by name, for presets of ``condense table``. Rows of methods that are not installed are left out.
"""

from collections.abc import Sequence
from typing import Any

from condensation.methods.registry import METHODS
from condensation.studies.table.study import TableSettings, rows_for

# In the order of the published table; the last two are those whose sets its text discusses.
SUPPLEMENT = ("random", "gmmn", "dc-vae", "biggan", "pixel-mmd", "dm", "gtn", "kip")


# Settings besides the rows: for two CPU cores, and the published ones, for a GPU (5 sets, 20 networks of 1,000 epochs).
TABLES: dict[str, dict[str, Any]] = {
    "supplement": {"data": "cifar10", "seeds": 1, "networks": 3, "epochs": 300, "preset": "classic"},
    "supplement-paper": {"data": "cifar10"},
}


def missing() -> list[str]:
    """Return the methods of the published table that this version lacks."""
    return [name for name in SUPPLEMENT if name not in METHODS]


def table_named(name: str, methods: Sequence[str] | None = None) -> TableSettings:
    """Return the whole table ``name``, restricted to the rows of ``methods`` if they are given."""
    return TableSettings(rows_for([name for name in SUPPLEMENT if name in METHODS] if methods is None else methods), **TABLES[name])
