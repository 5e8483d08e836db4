"""Replace the generated parts of a page of documentation.

A generated part is between two comments: ``<!-- measured: NAME -->`` and ``<!-- end -->``. Everything else is written by hand.
"""

import re
from pathlib import Path


def with_parts(text: str, parts: dict[str, str]) -> str:
    """Return ``text`` with the generated parts that ``parts`` holds replaced; others stay."""

    def replacement(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- measured: {name} -->\n{parts[name].strip()}\n<!-- end -->" if name in parts else match[0]

    return re.sub(r"<!-- measured: ([\w-]+) -->\n.*?<!-- end -->", replacement, text, flags=re.S)


def update(page: Path, parts: dict[str, str]) -> None:
    """Replace the generated parts of the file ``page``."""
    page.write_text(with_parts(page.read_text(encoding="utf-8"), parts), encoding="utf-8")
