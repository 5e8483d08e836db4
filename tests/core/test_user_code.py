"""Code of the user: imported by name, named again, and its errors shown with the line at fault."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import pytest

from condensation.core.errors import CondensationError
from condensation.core.plain import qualified_name
from condensation.core.user_code import import_object, short_name, user_error_message
from condensation.networks.convnet import ConvNet


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path.absolute()


def refusal(target: str) -> str:
    with pytest.raises(CondensationError) as caught:
        import_object(target)
    assert len(str(caught.value).splitlines()) <= 3
    return str(caught.value)


def top_level() -> None:
    """Something with a name."""


def test_a_file_is_found_from_the_current_folder() -> None:
    write("below/nets.py", "def small():\n    return 3\n")
    assert import_object("below/nets.py:small")() == 3


def test_a_file_is_run_once() -> None:
    write("once.py", "with open('runs', 'a') as file:\n    file.write('x')\ndef one(): pass\ndef two(): pass\n")
    import_object("once.py:one"), import_object("./once.py:two")
    assert Path("runs").read_text() == "x"


def test_a_file_may_import_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    write("below/beside_naming.py", "width = 4\n")
    write("below/nets.py", "import beside_naming\nwidth = beside_naming.width\n")
    assert import_object("below/nets.py:width") == 4


def test_a_module_of_the_current_folder_is_found() -> None:
    write("here_naming.py", "def small():\n    return 4\n")
    write("package_naming/inner.py", "class A:\n    b = 5\n")
    assert import_object("here_naming:small")() == 4
    assert import_object("package_naming.inner:A.b") == 5


def test_an_installed_module_is_found() -> None:
    assert import_object("condensation.networks.convnet:ConvNet") is ConvNet


def test_the_search_path_is_as_before() -> None:
    before = list(sys.path)
    write("path_naming.py", "small = 1\n")
    import_object("path_naming:small")
    import_object("path_naming.py:small")
    assert sys.path == before


@pytest.mark.parametrize("value", [ConvNet, ConvNet.layers, functools.reduce])
def test_named_objects_are_found_again(value: object) -> None:
    assert import_object(qualified_name(value)) is value


def test_objects_of_a_file_are_named_by_the_file() -> None:
    write("named.py", "class A:\n    def f(self): pass\n")
    assert qualified_name(import_object("named.py:A")) == "named.py:A"
    assert qualified_name(import_object("named.py:A")()) == "named.py:A"
    assert qualified_name(import_object("named.py:A.f")) == "named.py:A.f"


def test_a_file_elsewhere_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("elsewhere.py", "def f(): pass\n")
    function = import_object("elsewhere.py:f")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir("below")
    assert qualified_name(function) == f"{path}:f"
    assert import_object(qualified_name(function)) is function


@pytest.mark.parametrize("value", [lambda: 3, functools.partial(top_level, 3, width=4)])
def test_objects_without_a_name_are_refused(value: object) -> None:
    assert "cannot be imported by name: " in refusal(qualified_name(value))


def test_partials_are_named_with_their_arguments() -> None:
    assert qualified_name(functools.partial(top_level, width=4)) == "<tests.core.test_user_code:top_level with width=4>"


def test_the_short_name() -> None:
    assert short_name("path/to/nets.py:small") == "small"
    assert short_name("convnet") == "convnet"


@pytest.mark.parametrize(
    ("target", "start"),
    [
        ("nets.py:smal", "nets.py has no 'smal'. Did you mean 'small'?\nIt has: small, Wide."),
        ("nets.py:small.x", "nets.py has no 'small.x'."),
        ("netz.py:small", "There is no file netz.py. Did you mean 'nets.py'?\nThe path is relative to "),
        ("netz_naming:small", "There is no module 'netz_naming'. Did you mean 'nets_naming'?\nSearched "),
        ("condensation.nothing:x", "There is no module 'condensation.nothing'."),
        ("path/nets:small", "'path/nets' is not the name of a module.\nWrite module:name or path/to/file.py:name."),
        ("nets.py:", "'nets.py:' does not name an object"),
        (":small", "':small' does not name an object"),
        ("http://x.y/nets.py:small", "There is no file http://x.y/nets.py."),
        ("broken.py:x", "broken.py cannot be imported: SyntaxError: '(' was never closed"),
        ("raising.py:x", "raising.py cannot be imported: ZeroDivisionError: division by zero\nraising.py, line 2: y = 1 / 0"),
        (
            "missing.py:x",
            "missing.py cannot be imported: ModuleNotFoundError: No module named 'no_such_package'\nmissing.py, line 1: import",
        ),
        (
            "missing_naming:x",
            "missing_naming cannot be imported: ModuleNotFoundError: No module named 'no_such_package'\nmissing_naming.py",
        ),
        ("leaving.py:x", "leaving.py cannot be imported: SystemExit: 3\nleaving.py, line 2: sys.exit(3)"),
    ],
)
def test_errors_name_the_file_the_name_and_the_line(target: str, start: str) -> None:
    nets = "import torch\nfrom pathlib import Path\ndef small(): pass\nclass Wide: pass\n_hidden = 3\n"
    write("nets.py", nets)
    write("nets_naming.py", nets)
    write("broken.py", "x = (\n")
    write("raising.py", "x = 1\ny = 1 / 0\n")
    write("missing.py", "import no_such_package\n")
    write("missing_naming.py", "import no_such_package\n")
    write("leaving.py", "import sys\nsys.exit(3)\n")
    assert refusal(target).startswith(start)


def test_a_file_that_failed_is_tried_again() -> None:
    write("mended.py", "x = 1 / 0\n")
    assert "division by zero" in refusal("mended.py:x")
    write("mended.py", "x = 1\n")
    assert import_object("mended.py:x") == 1


def test_an_error_in_code_of_the_user_is_shown_with_its_line() -> None:
    write("failing.py", "def f(x):\n    return g(x)\n\ndef g(x):\n    return {}[x]\n")
    with pytest.raises(KeyError) as caught:
        import_object("failing.py:f")("no such key")
    assert user_error_message(caught.value) == "KeyError: 'no such key'\nfailing.py, line 5, in g: return {}[x]"


def test_an_error_elsewhere_has_no_such_message() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    assert user_error_message(caught.value) is None
