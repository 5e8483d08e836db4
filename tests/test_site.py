"""The documentation site: its pages come from the code and the results, and their links lead to pages."""

import doctest
import json
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from experiments.measured import measured

import condensation
from condensation.methods.registry import METHODS

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "docs" / "site"), str(ROOT)]

import api_pages  # noqa: E402
import example_pages  # noqa: E402
import guide_pages  # noqa: E402
import mathml  # noqa: E402
import method_pages  # noqa: E402

TEXTS = method_pages.texts()


@pytest.fixture(scope="module")
def site():
    return {**method_pages.pages(), **api_pages.pages(), **example_pages.pages(), **guide_pages.pages(ROOT)}


def links(text):
    text = re.sub(r"^(`{3,}).*?^\1", "", text, flags=re.M | re.S)
    return [target for target in re.findall(r"\]\(([^)#\s]+)", text) if not re.match(r"\w+:", target)]


def test_links_of_the_site_lead_to_its_files(site):
    texts = {name: content for name, content in site.items() if isinstance(content, str)}
    broken = [
        f"{name}: {target}"
        for name, text in texts.items()
        for target in links(text)
        if os.path.normpath(Path(name).parent / target) not in site
    ]
    assert not broken
    assert sum(len(links(text)) for text in texts.values()) > 300


def test_a_link_out_of_the_guides_becomes_a_page(site):
    assert "[Architecture](architecture.md)" in site["index.md"]
    assert "(files/LICENSE.md)" in site["index.md"]
    assert "MIT License" in site["files/LICENSE.md"]
    assert "(files/tests/test_architecture.py.md)" in site["architecture.md"]


def test_every_page_is_in_a_table_of_contents(site):
    listed = {"index.md"}
    for name, text in site.items():
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.M | re.S) if isinstance(text, str) else []:
            names = [line for line in block.splitlines() if line and not line.startswith(":")]
            folder = Path(name).parent
            listed |= {os.path.normpath(folder / f"{each}.md") for each in names}
            listed |= {page for page in site if "*" in names and Path(page).parent == folder}
    orphans = {name for name, text in site.items() if isinstance(text, str) and text.startswith("---\norphan: true")}
    assert not [name for name in site if name.endswith(".md") and name not in listed | orphans]


def test_every_public_name_has_a_page_in_one_group(site):
    names = [name for group in api_pages.grouped().values() for name in group]
    assert sorted(names) == condensation.__all__
    assert all(api_pages.documentation(name) for name in names)
    assert "| `momentum` | `float` | `0.5` |" in site["api/DM.md"]


def test_every_public_name_has_an_example():
    """Those of functions and classes run with the docstrings of all modules."""
    parser = doctest.DocTestParser()
    examples = {name: parser.get_doctest(f"{api_pages.documentation(name)}\n", {}, name, None, None) for name in condensation.__all__}
    assert not [name for name, test in examples.items() if not test.examples]
    values = [examples[name] for name in ("DATASETS", "EXPORTS", "METHODS", "NETWORKS", "Observer", "PRESETS")]
    assert not [test.name for test in values if doctest.DocTestRunner().run(test).failed]


def test_every_method_has_its_texts_and_a_picture():
    assert list(TEXTS) == list(METHODS)
    keys = {"title", "guide", "equation", "cost", "use", "command"}
    assert not [name for name, text in TEXTS.items() if set(text) != keys or not all(text.values())]
    assert {path.stem for path in (ROOT / "docs" / "images" / "methods").glob("*.png")} == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_the_command_of_a_picture_is_valid(name, condense):
    words = shlex.split(TEXTS[name]["command"])[1:]
    code, out, error = condense(*words, "--print-config")
    assert code == 0, error
    assert f'name = "{name}"' in out


def test_measured_numbers_are_those_of_the_results(site):
    content = json.loads((ROOT / "results" / "table" / "cifar10.json").read_text())
    cell = next(cell for cell in content["cells"] if cell["method"] == "DM" and cell["ipc"] == 10)
    rows = [row for row in measured() if (row.method, row.source, row.ipc) == ("dm", "table/cifar10.json", 10)]
    assert [(row.score["mean"], row.differences) for row in rows] == [(cell["mean"], tuple(cell["differences"]))]
    assert f"| {cell['mean']:.1f} ± {cell['deviation']:.1f} ({cell['count']}) |" in site["methods/dm.md"]


def test_every_method_has_measured_numbers():
    assert {row.method for row in measured()} == set(METHODS)


def test_equations_become_mathml():
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in mathml.mathml("x^2")
    with pytest.raises(mathml.UnknownCommand) as error:
        mathml.mathml(r"\nonsense{x}")
    assert error.value.args == (r"\nonsense",)


def test_every_equation_of_the_site_is_known(site):
    text = "\n".join(content for content in site.values() if isinstance(content, str))
    blocks = re.findall(r"^```math\n(.*?)^```", text, re.M | re.S) + re.findall(r"^\$\$(.*?)\$\$", text, re.M | re.S)
    assert len(blocks) >= len(METHODS)
    assert all(mathml.mathml(block, "block").startswith("<math") for block in blocks)
