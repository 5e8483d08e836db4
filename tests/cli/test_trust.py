"""Files of others: no command imports code that they name or contacts the hub, unless the user says ``--trust`` or names it."""

from __future__ import annotations

import copy
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main

from condensation.cli.app import app
from condensation.core.errors import NoSuchData
from condensation.core.plain import FROM_FILE
from condensation.core.tensor_files import read_tensors, write_tensors
from condensation.core.trust import TextOfFile, from_file, given_names
from condensation.data.load import dataset_title, load
from condensation.studies.executors import Processes
from tests.cli.runs import ENVIRONMENT, FAST, call

CANARY = "canary"
PLANTED = f"open({str(CANARY)!r}, 'w').close()\ndef thing(*a, **k):\n    raise ValueError('ran')\nclass Thing: pass\n"
NET = "from torch import nn\ndef net(channels, num_classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))\n"
NAMES = ("planted.py:thing", "planted:thing", "made/planted.py:thing")
EVALUATION = ("evaluation.networks=1", "evaluation.recipe.epochs=1")
RUN = ("run", "-d", "digits", "-i", "1", "-q", *FAST, "method.form=none")
METHOD = ("dm.steps=2", "dm.batch_per_class=4", "dm.networks.spec.width=4")
STUDY = ("-d", "digits", "-i", "1", "--networks", "1", "--epochs", "1", "compute.precision=float32", "compute.compile=never", "-q")
GMMN = ("run", "-d", "digits", "-i", "1", "-m", "gmmn", "method.iterations=2", "method.hidden=[8]", "evaluation.networks=0", "-q")
GTN = (
    "-m",
    "gtn",
    "method.steps=2",
    "method.batch=10",
    "method.learner=convnet",
    "method.learner.width=4",
    "method.learner.depth=1",
    "method.hidden=8",
    "method.channels=[4,3]",
)
KIP = ("-m", "kip", "method.steps=1", "method.batch=4", "evaluation.networks=0")
NAS = ("nas", "-d", "digits", "-i", "1", "--proxies", "dm", "--subset", "1", "--trainings", "1", "--epochs", "1", "--whole-epochs", "1")
# Folder of each product, and the command that makes it.
QUICK = {
    "run": (*RUN, "-o", "run"),
    "generator": (*GMMN, "-o", "generator"),
    "table": ("table", *STUDY, "--seeds", "1", *METHOD, "-o", "table"),
}
SLOW = {
    "gtn": ("run", "-d", "digits", "-i", "1", "-q", *GTN, "evaluation.networks=0", "-o", "gtn"),
    "kip": ("run", "-d", "digits", "-i", "1", "-q", *KIP, "-o", "kip"),
    "transfer": ("transfer", *STUDY, "--learn", "mlp", "--test", "mlp", "method.steps=2", "method.batch_per_class=4", "-o", "transfer"),
    "continual": ("continual", *STUDY, "-m", "random,dm", "--steps", "2", "--orders", "1", *METHOD[:2], "-o", "continual"),
    "federated": (
        "federated",
        *STUDY,
        "--clients",
        "2",
        "--alpha",
        "1",
        "--splits",
        "1",
        "--arms",
        "condensed",
        "method.steps=2",
        "-o",
        "federated",
    ),
    "nas": (*NAS, "--on", "processes:1", *METHOD, "recipe.batch=20", "-q", "-o", "nas"),
    "pools": ("pools", *STUDY, "--seeds", "1", "--pool", "1", "--pool-epochs", "1", "--buckets", "0-100", "method.steps=2", "-o", "pools"),
    "theory": ("theory", "-d", "digits", "--networks", "1", "epochs=0", "pairs=3", "ipc=1", "network.width=4", "-q", "-o", "theory"),
}
STUDIES = ("table", "transfer", "continual", "federated", "nas", "pools", "theory")


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in ``folder``."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def commands_for(file: Path, made: Path) -> Iterator[Sequence[object]]:
    """Yield the commands that read ``file`` in the folder ``made``, none of which writes into it."""
    top = made / file.relative_to(made).parts[0]
    one = "new"
    if top.name in STUDIES:
        yield top.name, top
        yield top.name, top, "--json"
        yield top.name, "--config", file if file.suffix == ".json" else top / "settings.json", "--out", top, *_jobs(top.name)
    if file.suffix in (".json", ".toml"):
        for command in ("run", "evaluate", "ridge"):
            yield command, "--config", file, "--print-config"
        yield "run", "--config", file, "--out", file.parent, "--resume", "-q"
        yield "nas", "--space", file, "--dry-run"
        yield "nas", "--config", file, "--dry-run"
    target = file.parent if file.parent.parent == made else file
    yield "show", target, "-o", f"{one}.png"
    yield "evaluate", target, *EVALUATION, "--random", 1, "-q"
    yield "ridge", target, "-q"
    yield "teach", target, "-n", 1, "--points", 1
    yield "sample", target, "-o", one
    yield "export", target, "--to", "png", "-o", one, "-q"
    yield "export", target, "--to", "hub", "-o", one, "--evaluate", *EVALUATION, "-q"
    yield "import", file, "-d", "digits", "-o", f"{one}.safetensors"
    yield "data", "show", target, "-o", f"{one}.png"
    yield "report", top if top.name in STUDIES else target, "-o", f"{one}.html"
    yield "runs", top
    yield "compare", target
    yield "data", "verify", target
    yield "data", "pack", target, "-o", f"{one}-pack"
    yield "privacy", target, "--dry-run", "-o", f"{one}-privacy"


def _jobs(study: str) -> tuple[str, ...]:
    return ("--report",) if study == "table" else ("-d", "nowhere") if study == "theory" else ("--dry-run",)


OTHERS = (("data",), ("data", "get", "digits"), ("methods",), ("networks",), ("sets",))  # commands that read no file of others


def texts(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each text in JSON."""
    if isinstance(content, str):
        yield path
    elif isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from texts(value, (*path, key))


def with_text(content: Any, path: tuple[Any, ...], text: str) -> Any:
    """Return a copy of JSON with ``text`` at ``path``."""
    changed = copy.deepcopy(content)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = text
    return changed


def read(file: Path) -> Any:
    """Return the JSON of a file: its content, or its card."""
    return json.loads(file.read_text()) if file.suffix == ".json" else read_tensors(file, _kind(file))[1]


def write(file: Path, content: Any) -> None:
    """Write a file with other JSON and a valid digest."""
    if file.suffix == ".json":
        file.write_text(json.dumps(content))
    else:
        write_tensors(file, _kind(file), read_tensors(file, _kind(file))[0], content)


def _kind(file: Path) -> str:
    return "trained generator" if file.name.startswith("generator") else "condensed set"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Return a folder with the products of the commands, and planted modules beside them."""
    folder = tmp_path_factory.mktemp("others")
    (folder / "made").mkdir()
    with inside(folder / "made"):
        for name, words in getattr(request, "param", QUICK).items():
            code, said = call(*words)
            assert code == 0, (name, said)
        call("export", "run", "--to", "hub", "-o", "exported", "-q")
    for place in (folder, folder / "made", *(path for path in (folder / "made").iterdir() if path.is_dir())):
        (place / "planted.py").write_text(PLANTED)
    (folder / "own.py").write_text(NET)
    return folder / "made"


EVERY = 5  # texts that name no class or function
JOBS = ("steps", "cells", "networks")  # folders with one JSON per job


def spots(made: Path) -> Iterator[tuple[Path, tuple[Any, ...]]]:
    """Yield file and path of the texts in ``made``, one per place: of the jobs of a study and the items of a list, the first."""
    seen = set()
    for file in sorted(made.rglob("*")):
        if file.suffix == ".json" or file.name in ("set.safetensors", "generator.safetensors"):
            name = "step.json" if file.parent.name in JOBS else file.name
            for path in texts(read(file)):
                place = (file.relative_to(made).parts[0], name, tuple(step for step in path if not isinstance(step, int)))
                if place not in seen:
                    seen.add(place)
                    yield file, path


def walk(made: Path) -> int:
    """Plant a name of code at each place of the files in ``made`` that names something, and every `EVERY`th other; return their number.

    Commands that read the file run with it: all, or two in turn for other texts.
    """
    others = iter(range(10**6))
    planted = [spot for spot in spots(made) if spot[1][-1] == "name" or next(others) % EVERY == 0]
    wrong, ran = [], set()
    with inside(made.parent):
        for number, (file, path) in enumerate(planted):
            before, content, name = file.read_bytes(), read(file), NAMES[number % len(NAMES)]
            write(file, with_text(content, path, name))
            commands = list(commands_for(file, made))
            for words in (commands * 2)[number % len(commands) :][: len(commands) if path[-1] == "name" else 2]:
                ran.add(" ".join(map(str, words[:2])) if words[0] == "data" else str(words[0]))
                code, said = call(*words)
                if code not in (0, 2) or "Traceback" in said or Path(CANARY).exists():
                    wrong.append(f"{file.relative_to(made)} {path} {' '.join(map(str, words))}: {code} {said[-600:]}")
                for left in (CANARY, "new", "new.png", "new.html", "new.safetensors"):
                    shutil.rmtree(left, ignore_errors=True) if Path(left).is_dir() else Path(left).unlink(missing_ok=True)
            file.write_bytes(before)
        for words in OTHERS:
            ran.add(" ".join(words[:2]) if words[0] == "data" and words[1:] else words[0])
            assert call(*words)[0] == 0
            assert not Path(CANARY).exists()
    assert not wrong, "\n".join([str(len(wrong)), *wrong])
    assert ran == set(all_commands())  # a new command is added to `commands_for`
    return len(planted)


def all_commands() -> list[str]:
    """Return the name of every command and subcommand, in words."""
    group: Any = typer.main.get_command(app)
    names = []
    for name, command in group.commands.items():
        names += [name, *(f"{name} {inner}" for inner in getattr(command, "commands", {}))]
    return names


CONTINUAL = "continual -c made/table/settings.json -d digits --dry-run"
FROM_RUN = "run -c made/run/settings.json"
# File, place of the text, value with NAME for the planted code, and a command that would import it.
SPOTS = {
    "export": ("run/set.safetensors", ("scores", "evaluation", "network", "name"), "NAME", "export made/run --to png -o new --evaluate"),
    "ridge": ("run/set.safetensors", ("settings", "method"), {"name": "kip", "kernel": "NAME"}, "ridge made/run"),
    "sample": ("generator/generator.safetensors", ("method", "name"), "NAME", "sample made/generator -o new"),
    "network in run": ("run/settings.json", ("settings", "evaluation", "network", "name"), "NAME", "run -c made/run/settings.json -o new"),
    "target in run": (
        "run/settings.json",
        ("settings", "evaluation", "network"),
        {"name": "own.py:net", "target": "NAME"},
        "run -c made/run/settings.json --network own.py:net -o new",
    ),
    "sampler in run": (
        "run/settings.json",
        ("settings", "method", "networks", "name"),
        "NAME",
        "run -c made/run/settings.json --print-config",
    ),
    "evaluate": ("run/settings.json", ("settings", "evaluation", "network"), "NAME", "evaluate made/run -c made/run/settings.json"),
    "table": ("table/settings.json", ("settings", "rows", 2, "method", "name"), "NAME", "table made/table"),
    "augmented table": (
        "table/settings.json",
        ("settings", "evaluation"),
        {"recipe": {"augmentation": "NAME"}},
        "table made/table --json",
    ),
    "dry run": ("table/settings.json", ("settings", "rows", 0, "method"), "NAME", "table -c made/table/settings.json -o new --dry-run"),
    "names": (
        "table/settings.json",
        ("settings",),
        {"methods": ["random", "NAME"]},
        "continual -c made/table/settings.json -d digits --dry-run",
    ),
    "text": (
        "table/settings.json",
        ("settings",),
        {"methods": "random, NAME"},
        "continual -c made/table/settings.json -d digits --dry-run",
    ),
    "learn": ("table/settings.json", ("settings",), {"learn": "mlp,NAME"}, "transfer -c made/table/settings.json -d digits --dry-run"),
    "proxies": ("table/settings.json", ("settings",), {"proxies": "NAME"}, "nas -c made/table/settings.json -d digits --dry-run"),
    "theory": ("table/settings.json", ("settings",), {"network": "NAME"}, "theory -c made/table/settings.json -d nowhere -o new"),
    "pools": ("table/settings.json", ("settings",), {"method": "NAME"}, "pools -c made/table/settings.json -d digits --dry-run"),
}


@pytest.fixture
def mended(made: Path) -> Iterator[Path]:
    """Yield `made`, work beside it, and restore its files."""
    files = {file: file.read_bytes() for file in made.rglob("*") if file.is_file()}
    with inside(made.parent):
        yield made
        Path(CANARY).unlink(missing_ok=True)
        shutil.rmtree("new", ignore_errors=True)
    for file, content in files.items():
        file.write_bytes(content)
    for name in [name for name in sys.modules if "planted" in name or name == "own"]:
        del sys.modules[name]


@pytest.mark.parametrize("case", SPOTS)
@pytest.mark.parametrize("name", ["planted.py:thing", pytest.param("planted:thing", marks=pytest.mark.slow)])
def test_code_that_a_file_names_is_imported_only_with_trust(mended: Path, case: str, name: str) -> None:
    file, path, value, words = SPOTS[case]
    content = json.loads(json.dumps(value).replace("NAME", name))
    write(mended / file, with_text(read(mended / file), path, content))
    code, said = call(*words.split())
    assert not Path(CANARY).exists()
    assert code == 2, said
    assert name in said
    assert str(Path(file)) in said
    assert "--trust" in said
    assert (str(Path("planted.py").resolve()) if ".py" in name else "module planted") in said
    assert "Traceback" not in call(*words.split(), "--trust")[1]
    assert Path(CANARY).exists()


def test_what_the_user_names_too_is_trusted(mended: Path) -> None:
    file, name = mended / "run/settings.json", "own.py:net"
    write(file, with_text(read(file), ("settings", "evaluation", "network"), {"name": name}))
    assert call("run", "-c", file, "--print-config")[0] == 2
    assert call("run", "-c", file, f"evaluation.network={name}", "--print-config")[0] == 0
    assert call("run", "-c", file, "--network", name, "--print-config")[0] == 0
    assert call("run", "-c", file, "--network", "own:net", "evaluation.network=mlp", "--print-config")[0] == 0
    write(file, with_text(read(file), ("settings", "method", "augmentation"), "planted:thing"))
    code, said = call("run", "-c", file, f"evaluation.network={name}", "--print-config")
    assert code == 2
    assert "planted:thing" in said


def test_a_study_with_own_code_is_made_resumed_and_printed(mended: Path) -> None:
    own = ("transfer", *STUDY, "--learn", "own.py:net", "--test", "own.py:net", "method.steps=2", "method.batch_per_class=4")
    code, said = call(*own, "-o", "new")
    assert code == 0, said
    assert call(*own, "-o", "new")[0] == 0
    page = call("transfer", "new", "--trust")
    assert page[0] == 0
    for name in (imported := [name for name in sys.modules if name.startswith(f"{FROM_FILE}own_")]):
        del sys.modules[name]
    assert imported
    assert call("transfer", "new") == page
    assert not [name for name in sys.modules if name.startswith(f"{FROM_FILE}own_")]
    code, said = call("transfer", "new", "--to", "pdf")
    assert code == 2
    assert "own.py:net" in said
    assert call("transfer", "-c", "new/settings.json", "-o", "new", "--dry-run")[0] == 2
    assert call("transfer", "-c", "new/settings.json", "-o", "new", "--dry-run", "--trust")[0] == 0


@pytest.mark.parametrize("name", ["a:b", "./a:b", "a:b/c:d"])
def test_a_path_of_a_file_may_contain_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    source = from_file(name, "their.json")
    with pytest.raises(NoSuchData, match="a:b") as raised:
        load(source)
    assert raised.value.setting == "data.source"
    with pytest.raises(NoSuchData, match="a:b") as raised:
        load("mnist", folder=source)
    assert raised.value.setting == "data.folder"
    images = np.arange(320, dtype=np.uint8).reshape(20, 4, 4)
    Path(name).mkdir(parents=True)
    for part in ("train", "test"):
        np.savez(Path(name, f"{part}.npz"), images=images, labels=np.arange(20) % 2)
    assert load(source, preprocessing="none").train.images.flatten(1)[1].tolist() == images[2].flatten().tolist()
    assert dataset_title(source) == name


def test_a_name_keeps_its_file() -> None:
    plain = {"network": "nets.py:small", "label": "x", "methods": ["a:b, c:d"], "typed": "own:net"}
    content = from_file(plain, "card", {"own:net"})
    assert content == plain
    assert [type(content[key]) for key in ("network", "label", "typed")] == [TextOfFile, str, str]
    copies = [str(content["network"]), copy.deepcopy(content["network"]), pickle.loads(pickle.dumps(content["network"]))]
    copies += [part.strip() for part in content["methods"][0].split(",")]
    assert {each.file for each in copies} == {"card"}
    assert json.loads(json.dumps(content)) == plain
    assert given_names(content) == {"own:net"}
    assert from_file(plain, "card", True) is plain


@pytest.mark.parametrize(
    "words", ["show made/run -o new.png", "evaluate made/run", "ridge made/run", "sample made/run", "data show made/run"]
)
def test_no_command_contacts_the_hub_for_a_set_of_others(mended: Path, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        Path(CANARY).touch()
        raise OSError("no network here")

    file = mended / "run/set.safetensors"
    write(file, with_text(read(file), ("settings", "data", "source"), "hf:owner/images"))
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    code, said = call(*words.split())
    assert "Traceback" not in said
    assert not Path(CANARY).exists()
    if words.startswith(("evaluate", "ridge")):
        assert code == 2
        assert "hf:owner/images" in said
        assert "--trust" in said
        assert "--data" in said
    if words.startswith("show"):
        assert code == 0
        assert "hf:owner/images, which would be read from the hub" in said
        monkeypatch.setattr(time, "sleep", lambda seconds: None)  # the hub's client waits before it tries again
        call(*words.split(), "--trust")
        assert Path(CANARY).exists()


def test_the_command_imports_no_module_of_the_current_folder(tmp_path: Path) -> None:
    for module in ("numpy", "torch", "rich", "typer", "sitecustomize"):
        (tmp_path / f"{module}.py").write_text(PLANTED)
    words = [sys.executable, "-m", "condensation", "methods"]
    result = subprocess.run(words, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert not (tmp_path / CANARY).exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH")
def test_a_worker_imports_no_module_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("pickle", "signal", "struct"):
        (tmp_path / f"{module}.py").write_text(PLANTED)
    monkeypatch.chdir(tmp_path)
    with Processes(1) as processes:
        assert processes.submit(abs, -3).result() == 3
    assert not Path(CANARY).exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("made", [{**QUICK, **SLOW}], indirect=True, ids=["all"])
def test_no_command_imports_what_any_text_of_any_file_names(made: Path) -> None:
    assert walk(made) > 100
