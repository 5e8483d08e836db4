"""Write the report of measure_dm.py."""
from pathlib import Path


def write_report(folder: Path) -> None: ...
