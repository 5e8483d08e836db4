"""Counts of the trials that ran, by campaign, seed and commit, in a JSON file."""

import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Record:
    """One entry of the file: the trials 0, 1, ... of a campaign with one seed, at one commit."""

    def __init__(self, path: Path | None, campaign: str, seed: int) -> None:
        self.path = path
        self.campaign = campaign
        self.key = {"seed": seed, "commit": commit(), "machine": machine()}
        found = [entry for entry in self.entries().get(campaign, []) if self.key.items() <= entry.items()]
        self.trials, self.parts, self.failures, self.seconds = 0, dict[str, int](), list[int](), 0.0
        if found:
            self.trials, self.parts = found[0]["trials"], found[0]["parts"]
            self.failures, self.seconds = found[0]["failures"], found[0]["seconds"]

    def entries(self) -> dict[str, list[dict[str, Any]]]:
        return json.loads(self.path.read_text()) if self.path and self.path.exists() else {}

    def add(self, outcomes: list[tuple[str, bool, int]], seconds: float) -> None:
        """Count outcomes (part, passed, number) and write the file."""
        for part, passed, number in outcomes:
            self.trials += 1
            self.parts[part] = self.parts.get(part, 0) + 1
            if not passed:
                self.failures.append(number)
        self.seconds = round(self.seconds + seconds, 1)
        if self.path:
            entries = self.entries()
            others = [entry for entry in entries.get(self.campaign, []) if not self.key.items() <= entry.items()]
            counts = {"trials": self.trials, "parts": self.parts, "failures": self.failures, "seconds": self.seconds}
            entries[self.campaign] = [*others, {**self.key, **counts}]
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n")


def commit() -> str:
    """Return the last commit that changed the program, with a plus sign if its files differ from it."""
    try:
        last, changed = (
            subprocess.run(["git", *arguments, "--", "src"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
            for arguments in (["log", "-1", "--format=%h", "--abbrev=10"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return last + "+" * bool(changed)


def machine() -> str:
    from torch import __version__ as torch_version

    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch_version}"


def table(path: Path) -> str:
    """Return the Markdown table of the counts in a file of campaigns."""
    lines = ["| campaign | trials | of them | failures | seeds | commit |", "| --- | --- | --- | --- | --- | --- |"]
    for campaign, entries in json.loads(path.read_text()).items():
        parts: dict[str, int] = {}
        for entry in entries:
            for part, count in entry["parts"].items():
                parts[part] = parts.get(part, 0) + count
        seeds, commits = (", ".join(dict.fromkeys(str(entry[name]) for entry in entries)) for name in ("seed", "commit"))
        trials, failures = sum(entry["trials"] for entry in entries), sum(len(entry["failures"]) for entry in entries)
        shown = ", ".join(f"{count:,} {part}" for part, count in parts.items())
        lines.append(f"| {campaign} | {trials:,} | {shown} | {failures} | {seeds} | {commits} |")
    return "\n".join(lines)


def write_table(page: Path, path: Path) -> None:
    """Replace the table of ``page`` that begins with the same header by that of the counts in ``path``."""
    new = table(path)
    text = page.read_text()
    start = text.index(new.splitlines()[0])
    end = text.find("\n\n", start)
    page.write_text(text[:start] + new + (text[end:] if end >= 0 else "\n"))
