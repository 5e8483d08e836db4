"""Counts of the trials that ran, by campaign, seed and commit, in a JSON file."""

import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Record:
    """Trials of a campaign with one seed: an entry of the file for each commit, which goes on where the one before ended.

    A trial that failed is run again at later commits; once it passes, its entry names that commit.
    """

    def __init__(self, path: Path | None, campaign: str, seed: int) -> None:
        self.path = path
        self.campaign = campaign
        self.key = {"seed": seed, "commit": commit(), "machine": machine()}
        self.all: dict[str, list[dict[str, Any]]] = json.loads(path.read_text()) if path and path.exists() else {}
        self.entries = [entry for entry in self.all.setdefault(campaign, []) if entry["seed"] == seed]

    @property
    def trials(self) -> int:
        """Number of trials that have run: 0, 1, ..."""
        return sum(entry["trials"] for entry in self.entries)

    @property
    def failures(self) -> list[int]:
        """Numbers of the trials that failed and have not passed since."""
        return [number for entry in self.entries for number in entry["failures"]]

    @property
    def seconds(self) -> float:
        return sum(entry["seconds"] for entry in self.entries)

    @property
    def parts(self) -> dict[str, int]:
        return parts_of(self.entries)

    def add(self, outcomes: list[tuple[str, bool, int]], seconds: float) -> None:
        """Count outcomes (part, passed, number) of trials that ran for the first time, and write the file."""
        entry = next((entry for entry in self.entries if self.key.items() <= entry.items()), None)
        if entry is None:
            entry = {**self.key, "trials": 0, "parts": {}, "failures": [], "fixed": {}, "seconds": 0.0}
            self.entries.append(entry)
            self.all[self.campaign].append(entry)
        for part, passed, number in outcomes:
            entry["trials"] += 1
            entry["parts"][part] = entry["parts"].get(part, 0) + 1
            if not passed:
                entry["failures"].append(number)
        entry["seconds"] = round(entry["seconds"] + seconds, 1)
        self.write()

    def passes_now(self, number: int) -> None:
        """Note that a trial that failed at an earlier commit passes at this one."""
        entry = next(entry for entry in self.entries if number in entry["failures"])
        entry["failures"].remove(number)
        entry["fixed"][str(number)] = self.key["commit"]
        self.write()

    def write(self) -> None:
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.all, indent=1, sort_keys=True) + "\n")


def parts_of(entries: list[dict[str, Any]]) -> dict[str, int]:
    parts: dict[str, int] = {}
    for entry in entries:
        for part, count in entry["parts"].items():
            parts[part] = parts.get(part, 0) + count
    return parts


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
    lines = ["| campaign | trials | of them | failures | failed first | seeds | commit |", f"|{' --- |' * 7}"]
    for campaign, entries in json.loads(path.read_text()).items():
        seeds, commits = (", ".join(dict.fromkeys(str(entry[name]) for entry in entries)) for name in ("seed", "commit"))
        trials = sum(entry["trials"] for entry in entries)
        failures, fixed = (sum(len(entry[name]) for entry in entries) for name in ("failures", "fixed"))
        shown = ", ".join(f"{count:,} {part}" for part, count in parts_of(entries).items())
        lines.append(f"| {campaign} | {trials:,} | {shown} | {failures} | {fixed} | {seeds} | {commits} |")
    return "\n".join(lines)


def write_table(page: Path, path: Path) -> None:
    """Replace the table of ``page`` that begins with the same header by that of the counts in ``path``."""
    new = table(path)
    text = page.read_text()
    start = text.index(new.splitlines()[0])
    end = text.find("\n\n", start)
    page.write_text(text[:start] + new + (text[end:] if end >= 0 else "\n"))
