"""The release: one version, extras that exist, pinned workflows, and a source distribution that holds what its tests need."""

import ast
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

import condensation

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION = PROJECT["version"]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# Records of a version that made something, and the lowest versions of other packages.
RECORDS = ("results", "tests/golden", "CHANGELOG.md", "constraints-lowest.txt", "pyproject.toml")


def test_the_installed_version_is_that_of_the_project():
    assert condensation.__version__ == VERSION


def test_no_other_file_repeats_the_version():
    """CITATION.cff has none; the changelog names it as the latest."""
    pattern = re.compile(rf"(?<![\d.]){re.escape(VERSION)}(?![\d.])")
    suffixes = {".py", ".md", ".toml", ".cff", ".yml", ".txt", ".json", ""}
    files = [ROOT / name for name in os.listdir(ROOT)] + [
        path for name in (".github", "benchmarks", "docs", "examples", "scripts", "src", "tests") for path in (ROOT / name).rglob("*")
    ]
    texts = {path.relative_to(ROOT).as_posix(): path for path in files if path.is_file() and path.suffix in suffixes}
    repeating = [name for name, path in texts.items() if pattern.search(path.read_text(encoding="utf-8", errors="replace"))]
    assert not [name for name in repeating if not name.startswith(RECORDS)]
    assert re.findall(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)[0] == VERSION


def test_install_commands_name_extras_that_exist():
    raising = [text for path in SOURCES if "MissingExtra(" in (text := path.read_text(encoding="utf-8"))]
    calls = [node for text in raising for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    extras = {call.args[1].value for call in calls if ast.unparse(call.func) == "MissingExtra" and isinstance(call.args[1], ast.Constant)}
    pages = "\n".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    named = {extra for group in re.findall(r"pip install '\.\[([\w,]+)\]'", pages) for extra in group.split(",")}
    assert {"data", "hub"} <= named
    assert {"data", "hub"} <= extras
    assert not (named | extras) - PROJECT["optional-dependencies"].keys()


def test_no_command_installs_the_package_from_an_index():
    pages = [*SOURCES, ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    pattern = re.compile(r"pip install (?:-U )?['\"]?condensation")
    assert not [path.name for path in pages if pattern.search(path.read_text(encoding="utf-8"))]


def test_the_actions_of_the_workflows_are_pinned():
    uses = [
        step["uses"]
        for path in WORKFLOWS
        for job in yaml.safe_load(path.read_text())["jobs"].values()
        for step in job["steps"]
        if "uses" in step
    ]
    assert len(uses) > 10
    assert not [name for name in uses if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name)]


def test_workflows_call_targets_that_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    called = {
        name
        for path in [*WORKFLOWS, ROOT / ".ci" / "run"]
        if path.exists()
        for name in re.findall(r"^(?:.*run:)? *make ([a-z-]+)", path.read_text(), re.M)
    }
    assert {"lint", "test", "test-lowest", "docs", "dist"} <= called <= targets


def test_only_the_publishing_job_may_write():
    jobs = {
        f"{path.stem}/{name}": job.get("permissions", {})
        for path in WORKFLOWS
        for name, job in yaml.safe_load(path.read_text())["jobs"].items()
    }
    assert {name: given for name, given in jobs.items() if given} == {"release/publish": {"id-token": "write"}}
    assert all(yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"} for path in WORKFLOWS)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_source_distribution_holds_what_its_tests_need(tmp_path):
    """Collect every test in the unpacked archive, and run those that read results, pictures and files of the root folder."""
    build = [sys.executable, "-m", "build", "--sdist", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (archive,) = tmp_path.glob("condensation-*.tar.gz")
    with tarfile.open(archive) as content:
        content.extractall(tmp_path, filter="data")
    folder = tmp_path / archive.name.removesuffix(".tar.gz")
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    pytest_there = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    few = ["tests/test_docs.py", "tests/test_release.py", "-m", "not slow", "-k", "links_and_anchors or generated_tables or workflows"]
    for words in (["--collect-only"], few):
        done = subprocess.run([*pytest_there, *words], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:]
