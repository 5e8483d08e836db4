"""The layers, what importing loads, and the rules that hold for every source file."""

import ast
import dataclasses
import importlib
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import condensation

SRC = Path(condensation.__file__).parent
TREES = {path.relative_to(SRC).as_posix(): ast.parse(path.read_text()) for path in sorted(SRC.rglob("*.py"))}

# From the lowest to the highest: a module imports only from packages below its own, or from its own.
LAYERS = (
    *("core", "networks", "generators", "augment", "matching", "data", "training", "methods", "evaluation"),
    *("config", "artifacts", "report", "runs", "studies", "cli", "__main__"),
)


def layer(file):
    return file.partition("/")[0].removesuffix(".py")


def module_name(file):
    return ".".join(("condensation", *file.removesuffix(".py").removesuffix("/__init__").split("/")))


MODULES = {module_name(file) for file in TREES}


def imports(tree, typed=False):
    """Modules of this project that are imported anywhere in a file, those for type checkers alone only if ``typed``."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING" and not typed:
        return set()
    modules = set()
    if isinstance(tree, ast.ImportFrom):
        assert not tree.level, "relative import"
        modules = {full if (full := f"{tree.module}.{alias.name}") in MODULES else tree.module for alias in tree.names}
    elif isinstance(tree, ast.Import):
        modules = {alias.name for alias in tree.names}
    modules = {name for name in modules if name.startswith("condensation.")}
    return modules.union(*(imports(node, typed) for node in ast.iter_child_nodes(tree)))


def texts(tree):
    """Every string of a file with its line, and whether it is a docstring or stands alone under a field."""
    documentation = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [(node, node in documentation) for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(SRC.parent)})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_imports_point_down():
    wrong = [
        f"{file} imports {name}"
        for file, tree in TREES.items()
        if file != "__init__.py"
        for name in imports(tree)
        if LAYERS.index(name.split(".")[1]) > LAYERS.index(layer(file))
    ]
    assert not wrong


def test_every_module_has_its_layer():
    assert {layer(file) for file in TREES} - {"__init__"} == set(LAYERS)


def test_packages_have_a_docstring_alone():
    files = [file for file in TREES if file.endswith("/__init__.py")]
    assert not [file for file in files if len(TREES[file].body) != 1 or not ast.get_docstring(TREES[file])]


def test_no_imports_form_a_circle():
    graph = {module_name(file): imports(tree, typed=True) for file, tree in TREES.items() if file != "__init__.py"}
    done, path = set(), []

    def visit(name):
        assert name not in path, f"import circle: {' -> '.join([*path[path.index(name) :], name])}"
        if name not in done:
            path.append(name)
            for imported in graph.get(name, ()):
                visit(imported)
            done.add(path.pop())

    for name in graph:
        visit(name)


def test_every_public_name_exists():
    assert not [name for name in condensation.__all__ if getattr(condensation, name, None) is None]


def test_type_checkers_see_the_public_names():
    (block,) = [node for node in TREES["__init__.py"].body if isinstance(node, ast.If)]
    assert sorted(alias.name for node in block.body for alias in node.names) == condensation.__all__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'nonsense'"):
        condensation.nonsense  # noqa: B018


def test_importing_the_package_imports_no_torch():
    assert python("import sys, condensation; print('torch' in sys.modules, 'numpy' in sys.modules)") == "False False\n"


def test_importing_the_loop_imports_few_modules():
    code = "import sys, condensation.methods.loop; print(*sorted(name for name in sys.modules if name.startswith('condensation')))"
    loaded = python(code).split()
    assert len(loaded) <= 25, loaded


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


def test_no_file_is_longer_than_250_lines():
    assert not [file for file in TREES if len((SRC / file).read_text().splitlines()) > 250]


def test_no_file_has_a_name_without_meaning():
    assert not {Path(file).stem for file in TREES} & {"utils", "helpers", "common", "misc"}


# PyTorch's own files are pickles. The export as .pt holds only tensors and text; files of the official project are read with
# nothing allowed but tensors, numbers and plain containers. CIFAR's archives are read by an unpickler that resolves no name.
PICKLING = {
    "artifacts/export/pt.py": {"torch.save"},
    "artifacts/official_format.py": {"torch.load"},
    "data/formats/safe_pickle.py": {"pickle", "pickle.Unpickler", "pickle.UnpicklingError"},
}
PICKLES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "torch.load", "torch.save"}


def pickling(node):
    """The name by which a node reads or writes pickles, or None."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [(getattr(node, "module", None) or "").split(".")[0], *(alias.name.split(".")[0] for alias in node.names)]
        return next((name for name in names if name in PICKLES), None)
    if isinstance(node, ast.Attribute):
        return ast.unparse(node) if {ast.unparse(node), ast.unparse(node.value)} & PICKLES else None
    if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
        return "allow_pickle"
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
        safe = [word for word in node.keywords if word.arg == "weights_only" and ast.unparse(word.value) == "True"]
        return None if safe else "torch.load without weights_only"
    return None


def test_nothing_is_pickled():
    wrong = [
        f"{file}:{node.lineno} {name}"
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if (name := pickling(node)) and name not in PICKLING.get(file, set())
    ]
    assert not wrong


@pytest.mark.parametrize(
    "line", ["import pickle", "from pickle import loads", "torch.load(path)", "np.load(path, allow_pickle=True)", "pickle.loads(data)"]
)
def test_pickling_is_noticed(line):
    assert [name for node in ast.walk(ast.parse(line)) if (name := pickling(node))]


def test_docstrings_begin_with_a_verb_or_a_noun():
    opening = re.compile(r"\s*(What|Whether|How|Where|Which|Of|By|That)\b")
    wrong = [
        f"{file}:{node.lineno} {node.value[:40]!r}"
        for file, tree in TREES.items()
        for node, documents in texts(tree)
        if documents and opening.match(node.value)
    ]
    assert not wrong, "\n".join([str(len(wrong)), *wrong])


def test_the_library_names_no_option_of_the_command():
    option = re.compile(r"(?<![\w-])--[a-z]")
    wrong = [
        f"{file}:{node.lineno} {node.value[:60]!r}"
        for file, tree in TREES.items()
        if layer(file) != "cli"
        for node, _ in texts(tree)
        if option.search(node.value)
    ]
    assert not wrong, "\n".join(wrong)


# Six entry points of the library (condense, evaluate, gan_test, teach, make_pool, TrainedGenerator.images), then a run, a study, the
# worker process of a search, and the command of a study.
RESOLVING = 10


def test_compute_is_resolved_at_the_entry_points_alone():
    calls = [
        f"{file}:{node.lineno}"
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and re.fullmatch(r"((\w+\.)*compute|Compute\(.*\))\.resolve", ast.unparse(node.func))
    ]
    assert 6 <= len(calls) <= RESOLVING, calls


def settings_classes():
    """Dataclasses that hold settings: of the registered families, of runs, studies and commands, and those inside them."""
    from condensation.config.registry import FAMILIES

    waiting = [type(value) for values in FAMILIES.values() for value in values.values()]
    for file, tree in TREES.items():
        names = [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("Settings")]
        waiting += [getattr(importlib.import_module(module_name(file)), name) for name in names]
    classes = set()
    while waiting:
        kind = waiting.pop()
        waiting += typing.get_args(kind)
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ in MODULES and kind not in classes:
            classes.add(kind)
            waiting += [*kind.__mro__[1:], *typing.get_type_hints(kind, include_extras=False).values()]
    return classes


def test_every_settings_field_has_a_docstring():
    wrong, names = [], set()
    for kind in settings_classes():
        file = f"{kind.__module__.removeprefix('condensation.').replace('.', '/')}.py"
        (body,) = [node.body for node in ast.walk(TREES[file]) if isinstance(node, ast.ClassDef) and node.name == kind.__name__]
        names.add(kind.__name__)
        for node, following in zip(body, [*body[1:], None], strict=True):
            if not isinstance(node, ast.AnnAssign) or "ClassVar" in ast.unparse(node.annotation) or node.target.id.startswith("_"):
                continue
            value = getattr(following, "value", None)
            if not (isinstance(following, ast.Expr) and isinstance(value, ast.Constant) and isinstance(value.value, str)):
                wrong.append(f"{file}:{node.lineno} {kind.__name__}.{node.target.id}")
    assert {"DM", "ConvNet", "Compute", "RunSettings", "TableSettings", "Recipe", "DSA", "DataSettings"} <= names
    assert not wrong, "\n".join([str(len(wrong)), *sorted(wrong)])
