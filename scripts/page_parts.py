"""Replace the generated parts of a page of documentation.

A generated part stands between two comments: ``<!-- measured: NAME -->`` and ``<!-- end -->``. Everything else is written by hand.
"""

from __future__ import annotations

import re
from pathlib import Path


def with_parts(text: str, parts: dict[str, str]) -> str:
    """Return ``text`` with each part of ``parts`` that it has a place for replaced."""

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- measured: {name} -->\n{parts[name].strip()}\n<!-- end -->" if name in parts else match[0]

    return re.sub(r"<!-- measured: ([\w-]+) -->\n.*?<!-- end -->", replaced, text, flags=re.S)


def update(page: Path, parts: dict[str, str]) -> None:
    """Write ``page`` again with its generated parts replaced."""
    page.write_text(with_parts(page.read_text(encoding="utf-8"), parts), encoding="utf-8")
