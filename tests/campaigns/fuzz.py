"""Damaged files of every kind: each is read as before, or refused in a line or two; nothing else changes.

Bytes are damaged anywhere, JSON values and headers in one place, and cards and tensors of sets with a valid digest.
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.campaigns import damage
from tests.campaigns.command import apart
from tests.campaigns.corpus import made
from tests.campaigns.kinds import KINDS, READERS, Kind
from tests.campaigns.trial import MEMORY, Fault, Trial, listing, results, same

SECONDS = 60.0
SIGNED = ("run-dm", "run-kip-labels", "run-gtn", "run-gmmn")
SAFETENSORS = [name for name, kind in KINDS.items() if kind.files.endswith(".safetensors")]
WITH_JSON = [name for name, kind in KINDS.items() if kind.files.endswith(".json")]
NAMES = (["same"] * 10, [""] * 10, ["../../x"] * 10, [5] * 10, "0123456789", ["\x1b[31mred\n"] * 10, ["x" * 3000] * 10, ["|", "CON"] * 5)


def trial(trial: Trial) -> None:
    """Damage one file and run the commands that read it."""
    trial.part = ("bytes", "bytes", "bytes", "json", "header", "signed")[trial.number % 6]
    if trial.part == "signed":
        return signed(trial)
    kinds = {"bytes": list(KINDS), "json": WITH_JSON, "header": SAFETENSORS}[trial.part]
    turn = trial.number // 6 * 3 + trial.number % 6 if trial.part == "bytes" else trial.number // 6
    name = kinds[turn % len(kinds)]
    kind = KINDS[name]
    copy(trial, kind.source)
    path = trial.rng.choice(sorted(path for path in trial.folder.glob(kind.files) if path.is_file()))
    how = change(path, trial.part, trial.rng)
    trial.doing = f"{name}: {path.relative_to(trial.folder)}, {how}"
    read(trial, kind)


def copy(trial: Trial, source: str) -> None:
    shutil.copytree(made(trial.corpus, source), trial.folder, dirs_exist_ok=True, symlinks=True)


def change(path: Path, part: str, rng: random.Random) -> str:
    if part == "header":
        return damage.header_of(path, rng)
    if part == "json":
        text, how = damage.json_text(path.read_text(), rng)
        path.write_text(text)
        return how
    content, how = damage.bytes_of(path.read_bytes(), rng)
    path.write_bytes(content)
    return how


def read(trial: Trial, kind: Kind) -> None:
    """Run the command of ``kind`` and check what it read, wrote and took."""
    before = listing(trial.folder)
    result = trial.run(kind.command, SECONDS, environment=kind.environment)
    if result.memory > MEMORY:
        raise Fault(f"{result.memory} MiB of memory")
    if result.code == 0 and kind.output:
        expected = reference(trial, kind)
        same(content(trial.folder / kind.output), expected, "damage was not noticed")
    if result.code == 2 and "--resume" not in kind.command:
        after = listing(trial.folder)
        new = [name for name in after if before.get(name) != after[name] and not name.startswith(("cache", "out/runs/failures"))]
        if new:
            raise Fault(f"the refused command changed {new[:3]}")


def reference(trial: Trial, kind: Kind) -> dict[str, Any]:
    """Return the output of the command for the undamaged files."""
    name = f"{kind.source}-{'-'.join(kind.command[:1])}-{kind.output.replace('/', '-')}"
    folder = trial.corpus / "read" / name
    if not folder.exists():
        work = folder.with_name(f"{name}.{trial.number}")
        shutil.copytree(made(trial.corpus, kind.source), work, symlinks=True)
        if code := trial.run(kind.command, folder=work, environment=kind.environment).code:
            raise RuntimeError(f"the undamaged {kind.source} gives {code}")
        work.rename(folder)
    return content(folder / kind.output)


def content(path: Path) -> dict[str, Any]:
    return results(path) if path.is_dir() else {path.name: path.read_bytes()}


def signed(trial: Trial) -> None:
    """Change a set in one place, with a valid digest, and read it in three ways."""
    source = trial.rng.choice(SIGNED)
    copy(trial, source)
    path = trial.folder / "out" / ("generator.safetensors" if source == "run-gmmn" else "set.safetensors")
    described = trial.folder / "described"
    apart(lambda: damage.sign(path, lambda card, tensors: altered(card, tensors, trial.rng, described)))
    trial.doing = f"{source}: {described.read_text(errors='replace')}"
    described.unlink()
    if source == "run-gmmn":
        commands = [["sample", "out", "-i", "1", "-o", "made"]]
    else:
        path = path.rename(trial.folder / "theirs.safetensors")
        commands = [reader(path.name) for reader in trial.rng.sample(READERS, 3)]
    for command in commands:
        shutil.rmtree(trial.folder / "made", ignore_errors=True)
        memory = trial.run(command, SECONDS).memory
        if memory > MEMORY:
            raise Fault(f"{memory} MiB of memory for {command[:2]}")


def altered(card: str, tensors: dict[str, Any], rng: random.Random, described: Path) -> tuple[str, dict[str, Any]]:
    """Return the card and the tensors with one change; write what it is to ``described``."""
    import json

    if rng.random() < 0.6:
        text, how = damage.json_text(card, rng)
    elif rng.random() < 0.3:
        text, how = json.dumps({**json.loads(card), "class_names": rng.choice(NAMES)}), "class names"
    else:
        name, way = rng.choice(sorted(tensors)), rng.choice(sorted(TENSORS))
        tensors[name], text, how = TENSORS[way](tensors[name]), card, f"{way} of {name}"
    described.write_text(how, errors="replace")
    return text, tensors


TENSORS: dict[str, Callable[[Any], Any]] = {
    "nan": lambda tensor: tensor.float() * float("nan"),
    "infinity": lambda tensor: tensor.float() + float("inf"),
    "1e38": lambda tensor: tensor.float() * 0 + 1e38,
    "flat": lambda tensor: tensor.flatten(),
    "double": lambda tensor: tensor.double(),
    "half": lambda tensor: tensor.half(),
    "int32": lambda tensor: tensor.int(),
    "bool": lambda tensor: tensor.bool(),
    "uint8": lambda tensor: tensor.byte(),
    "empty": lambda tensor: tensor[:0] if tensor.dim() else tensor.reshape(1)[:0],
    "first": lambda tensor: tensor[:1] if tensor.dim() else tensor,
    "twice": lambda tensor: tensor.repeat(2, *[1] * (tensor.dim() - 1)) if tensor.dim() else tensor,
    "negative": lambda tensor: -tensor - 5 if tensor.dtype.is_floating_point else tensor - 5,
    "large": lambda tensor: tensor + 2**40 if not tensor.dtype.is_floating_point else tensor * 1e30,
}
