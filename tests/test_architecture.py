import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import condensation

SRC = Path(condensation.__file__).parent
FILES = sorted(SRC.rglob("*.py"))

# From the innermost to the outermost: a module imports only from packages before its own, or from its own.
LAYERS = (
    *("core", "ntk", "networks", "generators", "augment", "matching", "data", "training", "methods", "evaluation"),
    *("config", "artifacts", "report", "runs", "studies", "cli", "__main__"),
)


def part(path):
    """The module below `condensation`, or the package, that a file belongs to."""
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imported(path):
    """The parts of `condensation` that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "condensation" else [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("condensation.")}
    return found


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(SRC.parent)})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_imports_point_one_way(path):
    if path == SRC / "__init__.py":
        return
    own = part(path)
    wrong = {name for name in imported(path) - {own} if LAYERS.index(name) > LAYERS.index(own)}
    assert not wrong


def test_every_module_has_its_layer():
    assert {part(path) for path in FILES} - {"__init__"} == set(LAYERS)


@pytest.mark.parametrize("name", condensation.__all__)
def test_every_public_name_is_there(name):
    assert getattr(condensation, name) is not None


def test_type_checkers_see_the_public_names():
    tree = ast.parse((SRC / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    assert sorted(alias.name for node in block.body for alias in node.names) == condensation.__all__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        condensation.nonsense  # noqa: B018


def test_importing_the_package_imports_no_torch():
    assert python("import sys, condensation; print('torch' in sys.modules, 'numpy' in sys.modules)") == "False False\n"


def test_help_imports_no_torch():
    code = """
import sys
from condensation.cli.main import main
sys.argv = ["condense", "run", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code
print("torch" in sys.modules)
"""
    assert python(code).splitlines()[-1] == "False"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_a_file_fits_a_sitting(path):
    assert len(path.read_text().splitlines()) <= 250


def test_no_file_is_a_drawer():
    assert not {path.stem for path in FILES} & {"utils", "helpers", "common", "misc"}


# PyTorch's own files are pickles. One is written, since people want it, and holds tensors and text alone; those of the
# official project are read, with nothing allowed but tensors, numbers and plain containers.
TORCH_FILES = {"artifacts/export/pt.py": {("torch", "save")}, "artifacts/official_format.py": {("torch", "load")}}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_nothing_is_pickled(path):
    allowed = TORCH_FILES.get(path.relative_to(SRC).as_posix(), set())
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name.split(".")[0] for alias in node.names} | {(getattr(node, "module", None) or "").split(".")[0]}
            assert not names & {"pickle", "cloudpickle", "dill", "joblib", "shelve"}
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in {("torch", "load"), ("torch", "save")} - allowed
        if isinstance(node, ast.keyword):
            assert node.arg != "allow_pickle" or (isinstance(node.value, ast.Constant) and node.value.value is False)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            assert [ast.unparse(word.value) for word in node.keywords if word.arg == "weights_only"] == ["True"]
