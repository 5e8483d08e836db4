"""What the documents say can be done: doctests, commands, Python, links."""

import doctest
import importlib
import pkgutil
import re
import shlex
import sys
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

import condensation
from condensation.cli.app import app
from tests.artifacts.test_official_format import official

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = [module.name for module in pkgutil.walk_packages(condensation.__path__, "condensation.") if not module.name.endswith("__main__")]


def blocks(page, language):
    """The code blocks of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def write_files(page):
    """The files that a page shows whole, beginning with their name."""
    for block in blocks(page, "python"):
        if name := re.match(r"# (\w+\.py)\n", block):
            Path(name[1]).write_text(block, encoding="utf-8")


COMMANDS = sorted(
    {
        line.split("  #")[0].split(" > ")[0].strip()
        for page in PAGES
        for block in blocks(page, "bash")
        for line in block.splitlines()
        if line.startswith("condense ")
    }
)


@pytest.mark.parametrize("name", ["condensation", *MODULES])
def test_docstring_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_docstring_examples():
    assert doctest.testmod(importlib.import_module("condensation.core.rng")).attempted > 0


def make_set(path, official_project):
    """The set that a command of the documents speaks of."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if official_project:
        official(path)
        return
    images = condensation.condense(condensation.Random(), condensation.load("digits").train, 1)
    if not path.suffix:
        path.mkdir()
        path = path / "set.safetensors"
    condensation.CondensedSet(images, {"data": {"name": "digits"}, "settings": {"data": {"source": "digits"}}}).save(path)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_the_documents_is_valid(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(ROOT / "docs" / "own-networks.md")
    Path("examples").symlink_to(ROOT / "examples")
    if "timm:" in command:
        monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(resnet18=torch.nn.Identity))
    words = shlex.split(command)[1:]
    if words[0] in ("run", "evaluate", "ridge"):
        words.append("--print-config")
        if "--config" in words:
            settings = Path(words[words.index("--config") + 1])
            settings.parent.mkdir(parents=True, exist_ok=True)
            text = "{}" if settings.suffix == ".json" else ""
            settings.write_text(text, encoding="utf-8")
    elif words[0] in ("table", "transfer", "theory"):
        if "--config" in words:
            (rows,) = blocks(ROOT / "docs" / "table.md", "toml")
            Path("rows.toml").write_text(rows, encoding="utf-8")
        monkeypatch.setattr(f"condensation.cli.views.study.report_{words[0]}", lambda *arguments: None)  # of a folder that is there already
        monkeypatch.setattr("condensation.cli.views.study.make_theory", lambda *arguments: None)
        words += ["--dry-run"] if len(words) > 2 and words[0] != "theory" else []
    elif words[0] == "continual":  # tests/test_cli_continual.py runs some
        for name in ("make", "list", "report"):
            monkeypatch.setattr(f"condensation.cli.views.continual.{name}_continual", lambda *arguments: None)
    elif words[0] == "pools":
        monkeypatch.setattr("condensation.cli.views.pools.report_pools", lambda *arguments: None)
        words += ["--dry-run"] if len(words) > 2 else []
    elif words[0] == "nas":
        (space,) = blocks(ROOT / "docs" / "nas.md", "toml")
        Path("space.toml").write_text(space, encoding="utf-8")
        monkeypatch.setattr("condensation.cli.views.nas.report_nas", lambda *arguments: None)
        words += ["--dry-run"] if len(words) > 2 else []
    elif words[0] == "teach":
        run = ["run", "-d", "digits", "-m", "gtn", "-i", "1", "-o", words[1], "method.steps=0", "evaluation.networks=0", "-q"]
        assert CliRunner().invoke(app, run).exit_code == 0
    elif words[:2] == ["data", "show"]:
        words = ["data", "show", "--help"]  # of a person's own folder; tests/test_overview.py shows some
    elif words[0] == "sample":
        monkeypatch.setattr("condensation.evaluation.gan_test.train_together", lambda *arguments: None)
        run = ["run", "-d", "digits", "-m", "gmmn", "-i", "1", "-o", words[1], "method.iterations=1", "evaluation.networks=0", "-q"]
        assert CliRunner().invoke(app, run).exit_code == 0
    elif words[0] in ("show", "export", "import"):
        monkeypatch.setattr("condensation.training.train_and_test.train_together", lambda *arguments: None)
        for path in map(Path, takewhile(lambda word: not word.startswith("-"), words[1:])):
            make_set(path, official_project=words[0] == "import")
    monkeypatch.setattr("condensation.cli.views.data_get.get", lambda *arguments: None)  # documents are tested without a network
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, (result.output, result.exception)


@pytest.mark.parametrize(
    "page",
    [
        ROOT / "README.md",
        *(
            ROOT / "docs" / name
            for name in (
                "baselines.md",
                "continual.md",
                "first-steps.md",
                "generators.md",
                "gtn.md",
                "kip.md",
                "nas.md",
                "own-images.md",
                "own-networks.md",
                "pools.md",
                "table.md",
                "using-a-set.md",
            )
        ),
    ],
    ids=lambda page: page.name,
)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch, caplog):
    """In the order in which it stands, on a smaller data set, with fewer steps, and networks judged untrained."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("condensation.training.train_and_test.train_together", lambda *arguments: None)
    assert CliRunner().invoke(app, shlex.split("run -d digits -i 1 -o runs/first method.steps=2 evaluation.networks=1 -q")).exit_code == 0
    write_files(page)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        small_classes = re.sub(r"DM\.fast\(.*?\)", "DM(steps=2)", block.replace("fashion-mini", "digits"))
        with torch.random.fork_rng():
            exec(compile(small_classes, str(page), "exec"), names)
    assert "training images too" not in caplog.text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not missing
