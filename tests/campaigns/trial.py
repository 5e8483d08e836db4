"""One trial of a campaign: its folder, its random numbers, and what every command must fulfil."""

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.campaigns.command import SECONDS, Command, Result

MEMORY = 1500  # MiB that no small file needs
LINES = 3  # of an error, with its hints
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
CLOCKS = ("seconds", "minutes", "memory")
TOLD = ("run.log", "report.html")  # files whose text has times and the peak of the memory


class Fault(Exception):
    """A broken promise of the program."""


@dataclass
class Trial:
    """One numbered trial, which the seed and the number repeat alone."""

    campaign: str
    seed: int
    number: int
    folder: Path  # empty; commands run in it and may write only there
    corpus: Path
    part: str = ""  # counted in the summary
    doing: str = ""  # what a failure line says
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(f"{self.campaign} {self.seed} {self.number}")

    def command(self, arguments: Iterable[object], **options: Any) -> Command:
        return Command([str(one) for one in arguments], options.pop("folder", self.folder), **options)

    def run(self, arguments: Iterable[object], seconds: float = SECONDS, **options: Any) -> Result:
        """Run a command to its end, and check what holds for all commands."""
        command = self.command(arguments, **options).start()
        result = command.result(seconds)
        check(result, " ".join(command.arguments)[:120])
        return result


def check(result: Result, what: str, codes: tuple[int, ...] = (0, 2)) -> None:
    """Raise Fault for a traceback, an exit code without message, a time-out, control characters, or a forbidden event."""
    if "Traceback (most recent call last)" in result.err:
        raise Fault(f"traceback of {what}: {last_frame(result.err)}")
    if result.timed_out:
        raise Fault(f"{what} ran for {result.seconds:.0f} s without an end")
    if result.code not in codes:
        raise Fault(f"{what} ended with {result.code}: {result.err[-200:]!r}")
    if result.events:
        raise Fault(f"{what}: {'; '.join(result.events[:3])}")
    if raw := CONTROL.search(re.sub(r"\r(?=[^\n])|\x1b\[\d?[KA]", "", result.err + result.out).replace("\r\n", "\n")):
        raise Fault(f"{what} printed the control character {raw[0]!r}")
    if result.code == 2:
        check_message(result.err, what)


def check_message(err: str, what: str) -> None:
    """Raise Fault unless an error is a message of few lines."""
    head, found, message = err.rpartition("condense: ")
    lines = message.strip().splitlines()
    if not found or (head and not head.endswith("\n")):
        raise Fault(f"{what} gave no message: {err[-200:]!r}")
    if len(lines) > LINES or len(message) > 2000:
        raise Fault(f"{what} gave a message of {len(lines)} lines and {len(message)} characters: {message[:100]!r}")


def last_frame(err: str) -> str:
    frames = re.findall(r'File "[^"]*/condensation/([^"]+)", line (\d+)', err)
    problem = [line for line in err.strip().splitlines() if line and not line.startswith(" ")][-1]
    return f"{problem[:200]} at {':'.join(frames[-1]) if frames else '?'}"


def listing(folder: Path) -> dict[str, str]:
    """Return the digest of every file in ``folder``, links by their target."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            files[name] = f"link to {path.readlink()}"
        elif path.is_file():
            files[name] = hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
        elif path.is_dir() and not any(path.iterdir()):
            files[name + "/"] = "empty"
    return files


def results(folder: Path) -> dict[str, Any]:
    """Return what a command came to: every file, JSON without clocks and with paths of the folder made neutral."""
    files: dict[str, Any] = listing(folder)
    for name in files:
        path = folder / name
        if path.suffix == ".json":
            files[name] = without_clocks(json.loads(neutral(path.read_text(), folder)))
        elif path.name in TOLD:
            files[name] = "told"
        elif path.suffix == ".jsonl":
            files[name] = [without_clocks(json.loads(line)) for line in path.read_text().splitlines()]
        elif path.suffix == ".md":  # that of an architecture search shows minutes
            files[name] = re.sub(r"\d" if path.name == "nas.md" else "$^", "#", neutral(path.read_text(), folder))
        elif path.suffix == ".safetensors" and str(folder).encode() in path.read_bytes():  # a card that names the pool of a study
            content = path.read_bytes()
            files[name] = hashlib.blake2b(content[8 + int.from_bytes(content[:8], "little") :]).hexdigest()
    return files


def neutral(text: str, folder: Path) -> str:
    return text.replace(str(folder), "PLACE")


def without_clocks(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_clocks(item) for key, item in value.items() if not any(clock in key for clock in CLOCKS)}
    return [without_clocks(item) for item in value] if isinstance(value, list) else value


def same(actual: dict[str, Any], expected: dict[str, Any], what: str) -> None:
    """Raise Fault if two results differ."""
    wrong = sorted(name for name in {*actual, *expected} if actual.get(name) != expected.get(name))
    if wrong:
        states = ["missing" if name not in actual else "left over" if name not in expected else "differs" for name in wrong]
        raise Fault(f"{what}: {', '.join(f'{name} {state}' for name, state in zip(wrong[:3], states, strict=False))} ({len(wrong)} in all)")


TrialFunction = Callable[[Trial], None]
