"""Printed form of ``condense report``."""

import sys
from collections.abc import Sequence
from pathlib import Path

from condensation.cli.pages.report import write_report
from condensation.cli.pages.run_article import Pictures
from condensation.core.text import in_line
from condensation.report.tables import plain_console, print_json


def report(paths: Sequence[Path], out: Path | None, folder: str | None, *, real: bool, trust: bool, as_json: bool) -> None:
    """Run ``condense report``."""
    written, problems = write_report(paths, out, pictures=Pictures(real, folder), trust=trust)
    if as_json:
        return print_json({"page": str(written), "problems": problems})
    for line in problems:
        print(in_line(line), file=sys.stderr)
    return plain_console().print(f"Report: {written}")
