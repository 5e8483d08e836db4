"""Text for terminals and Markdown: names shown as text, counts with their nouns, accuracies with their standard deviation."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Terminal codes, characters without a width or that change the direction of writing, and halves of characters; not line breaks and tabs.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_ACTIVE = re.compile(r"[\\`*\[|~$]|(?<!\w)_|_(?!\w)|&(?=[#\w])")
_ACTIVE_AT_START = re.compile(r"^(\s*)(?:(\d+)(?=[.)])|(?=[#>+=-]))")


def shown(text: str) -> str:
    """Return ``text`` with the escape of each character that would act on a terminal; JSON and TOML stay valid."""
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}" if match[0] <= "\uffff" else json.dumps(match[0])[1:-1], text)


def in_line(text: str) -> str:
    """Return ``text`` as `shown` does, with escapes for line breaks too."""
    return shown(text).replace("\n", "\\n")


def in_markdown(text: str) -> str:
    """Return ``text`` for a heading, a cell or a sentence of Markdown, in which nothing acts as Markdown or HTML."""
    return _ACTIVE.sub(r"\\\g<0>", in_line(text)).replace("<", "&lt;")


def markdown_line(text: str) -> str:
    """Return ``text`` for a line of Markdown of its own."""
    return _ACTIVE_AT_START.sub(r"\1\2\\", in_markdown(text))


def as_code(text: str) -> str:
    """Return ``text`` as a code span of Markdown."""
    return f"`{in_line(text).replace('`', chr(39))}`"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [[in_markdown(str(cell)) for cell in row] for row in (head, *rows)]
    lines.insert(1, ["---"] * len(head))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def counted(number: int, noun: str) -> str:
    """Return the number with its noun: ``1 epoch``, ``1,000 epochs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def extremes(numbers: Iterable[int]) -> list[int]:
    """Return the least and the greatest number; one if they are equal."""
    ordered = sorted(set(numbers))
    return ordered[:: max(1, len(ordered) - 1)]


def joined(*sentences: str) -> str:
    """Return the ``sentences`` that are not empty, as one text."""
    return " ".join(filter(None, sentences))


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return the first ``most`` names, and dots for others."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def accuracy(mean: float, deviation: float, count: int) -> str:
    """Return ``49.1 ± 0.4``; ``49.1`` for a single network, which has no deviation."""
    return f"{mean:.1f} ± {deviation:.1f}" if count != 1 else f"{mean:.1f}"


def accuracy_of(score: Mapping[str, Any]) -> str:
    """Return the `accuracy` of a saved score, with ``mean``, ``deviation`` and ``count``."""
    return accuracy(score["mean"], score["deviation"], score.get("count", 0))
