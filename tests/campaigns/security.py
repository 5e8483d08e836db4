"""Planted modules and text: no file that the program reads may run code, reach the network, or write codes to the terminal.

A module lies beside the files. Each trial names it in one string of one file, or hides code in a pickle, and runs a command that reads it.
"""

import json
import os
import pickle
import random
import re
import shutil
from pathlib import Path
from typing import Any

from tests.campaigns import damage, recipes
from tests.campaigns.command import apart
from tests.campaigns.corpus import cifar_files, made, tar
from tests.campaigns.kinds import KINDS, READERS
from tests.campaigns.trial import Fault, Trial

MARKER = "CODE-RAN"
PLANTED = f"""import pathlib
pathlib.Path(__file__).with_name("{MARKER}").write_text(__name__)
import torch
class Thing(torch.nn.Module):
    def __init__(self, *arguments, **settings):
        super().__init__()
thing = Thing
"""
NAMES = ("planted.py:Thing", "planted:Thing", "./planted.py:thing")
# Names that stand for modules of the program or of its dependencies if the current folder is searched first.
SHADOWS = ("torch", "numpy", "condensation", "safetensors", "scipy", "datasets", "pooch", "sitecustomize", "tensorboard", "msgspec")
TEXT = (
    "\x1b[31mred\x07\x1b]0;title\x07 \u202egnp.exe\n\n# Injected\n\n```python\nimport os\n```\n<script>alert(1)</script> [bold]x[/] | a |"
)
SOURCES = {  # of a set's card or generator's card
    "card of dm": ("run-dm", "set.safetensors"),
    "card of kip": ("run-kip-labels", "set.safetensors"),
    "card of gtn": ("run-gtn", "set.safetensors"),
    "card of best-of": ("run-best-of", "set.safetensors"),
    "card of a generator": ("run-gmmn", "generator.safetensors"),
    "card of an autoencoder": ("run-dc-vae", "generator.safetensors"),
}
JSON_KINDS = ("settings", "scores", "table", "continual", "transfer", "nas", "pools", "theory", "pool")
CYCLE = ("cards", "cards", "records", "cards", "text", "records", "pickles", "cards")
REGISTRY = (
    "name",
    "network",
    "networks",
    "spec",
    "method",
    "of",
    "kernel",
    "augmentation",
    "learner",
    "autoencoder",
    "preprocessing",
    "source",
)


class Code:
    """Object whose pickle runs a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {MARKER}",)


def trial(trial: Trial) -> None:
    """Plant code or text in one file and run a command that reads it."""
    trial.part = CYCLE[trial.number % len(CYCLE)]
    plant = {"cards": in_card, "records": in_record, "text": text_in_card, "pickles": in_pickle}[trial.part]
    commands = plant(trial)
    for module in ("planted", *trial.rng.sample(SHADOWS, 2)):
        (trial.folder / f"{module}.py").write_text(PLANTED)
    for command in commands:
        trial.run(command, environment={"PYTHONPATH": ".", "HF_HUB_OFFLINE": "0"})
        if (trial.folder / MARKER).exists():
            raise Fault(f"{' '.join(command)[:80]} ran the planted code")
        no_markdown(trial.folder)


def planted_at(content: Any, rng: random.Random) -> tuple[Any, str]:
    """Return JSON with a planted name in one place, and a description; places that name classes come more often."""
    paths = [path for path in damage.spots(content) if path]
    likely = [path for path in paths if path[-1] in REGISTRY]
    path = rng.choice(
        likely if likely and rng.random() < 0.7 else [path for path in paths if isinstance(damage.value_at(content, path), str)]
    )
    name = rng.choice(NAMES)
    old = damage.value_at(content, path)
    new: Any = {"name": name} if isinstance(old, dict) and rng.random() < 0.8 else [name] if isinstance(old, list) else name
    return damage.replaced(content, path, new), f"{'.'.join(map(str, path))} = {new}"


def in_card(trial: Trial) -> list[list[str]]:
    where = trial.rng.choice(sorted(SOURCES))
    return change_card(trial, where, lambda content: planted_at(content, trial.rng))


def change_card(trial: Trial, where: str, change: Any) -> list[list[str]]:
    """Change a card, with a valid digest; return commands that read it."""
    source, name = SOURCES[where]
    shutil.copytree(made(trial.corpus, source), trial.folder, dirs_exist_ok=True)
    path, described = trial.folder / "out" / name, trial.folder / "described"

    def altered(card: str, tensors: Any) -> tuple[str, Any]:
        content, how = change(json.loads(card))
        described.write_text(how, errors="replace")
        return json.dumps(content), tensors

    apart(lambda: damage.sign(path, altered))
    trial.doing = f"{where}, {described.read_text()[:100]!r}"
    described.unlink()
    if name.startswith("generator"):
        return [["sample", "out", "-i", "1", "-o", "made"], ["evaluate", "out", *recipes.EVALUATION, *recipes.CPU]]
    path.rename(trial.folder / "theirs.safetensors")
    return [[*reader("theirs.safetensors")] for reader in trial.rng.sample(READERS[2:] if trial.part == "cards" else READERS[:7], 3)]


def in_record(trial: Trial) -> list[list[str]]:
    name = trial.rng.choice(JSON_KINDS)
    kind = KINDS[name]
    shutil.copytree(made(trial.corpus, kind.source), trial.folder, dirs_exist_ok=True)
    paths = sorted(path for path in trial.folder.glob(kind.files) if path.suffix == ".json")
    settings = [path for path in paths if path.name in ("settings.json", "pool.json")]
    path = trial.rng.choice(settings if settings and trial.rng.random() < 0.6 else paths)
    content, how = planted_at(json.loads(path.read_text()), trial.rng)
    path.write_text(json.dumps(content))
    trial.doing = f"{name}: {path.relative_to(trial.folder)}, {how}"
    return (
        [kind.command]
        if name not in ("settings", "scores")
        else [["show", "out", "-o", "shown.png"], ["export", "out", "--to", "npz", "-o", "made"]]
    )


def text_in_card(trial: Trial) -> list[list[str]]:
    def change(content: Any) -> tuple[Any, str]:
        if trial.rng.random() < 0.3:
            return {**content, "class_names": [f"{TEXT}{index}" for index in range(10)]}, "text in the class names"
        path = trial.rng.choice([path for path in damage.spots(content) if isinstance(damage.value_at(content, path), str)])
        return damage.replaced(content, path, TEXT), f"text in {'.'.join(map(str, path))}"

    return change_card(trial, trial.rng.choice([name for name in SOURCES if SOURCES[name][1].startswith("set")]), change)


def no_markdown(folder: Path) -> None:
    """Raise Fault if planted text became Markdown of a page; data in YAML at its beginning is none."""
    for page in folder.rglob("*.md"):
        if wrong := re.search(r"(?m)^(# Injected|import os)$|<script>|\x1b", re.sub(r"(?s)\A---\n.*?\n---\n", "", page.read_text())):
            raise Fault(f"{page.relative_to(folder)} contains {wrong[0]!r} as Markdown")


def in_pickle(trial: Trial) -> list[list[str]]:
    """Hide code in a batch of CIFAR, in its archive, or in an official file."""
    protocol, where = trial.rng.randrange(6), trial.rng.choice(("data", "labels", "names", "tar", "pt", "npz"))
    trial.doing = f"pickle of protocol {protocol} in {where}"
    code = pickle.dumps(Code(), protocol=protocol)
    files = cifar_files(10)
    batch, names = sorted(files)[2], sorted(files)[0]
    if where == "pt":
        return hidden_in_tensors(trial)
    if where == "npz":
        import numpy as np

        np.savez(trial.folder / "mine.npz", images=np.zeros((4, 8, 8), np.uint8), labels=np.array([Code()] * 4, dtype=object))
        return [recipes.read("mine.npz")]
    content = {"data": {"data": Code(), "labels": [0]}, "labels": {"data": b"", "labels": Code()}, "names": {"label_names": Code()}}
    files[names if where == "names" else batch] = pickle.dumps(content[where], protocol=protocol) if where in content else code
    if where == "tar":
        (trial.folder / "cifar-10-python.tar.gz").write_bytes(tar(files))
        return [recipes.read("cifar-10-python.tar.gz")]
    for name, one in files.items():
        (trial.folder / name).parent.mkdir(exist_ok=True)
        (trial.folder / name).write_bytes(one)
    return [recipes.read("cifar-10-batches-py")]


def hidden_in_tensors(trial: Trial) -> list[list[str]]:
    old = trial.rng.random() < 0.5

    def save() -> None:
        import torch

        content = {"data": [[Code(), torch.arange(4)]]}
        torch.save(content, trial.folder / recipes.OFFICIAL, _use_new_zipfile_serialization=not old)

    apart(save)
    return [recipes.OUTPUTS["import"][1]]
