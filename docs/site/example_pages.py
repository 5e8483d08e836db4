"""Pages and notebooks of the programs in examples/."""

import ast
import json
from pathlib import Path

import jupytext
from guide_pages import toctree

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RECORDED = EXAMPLES.parent / "results" / "examples.json"


def pages() -> dict[str, str | Path]:
    """Return a page and a notebook per example, and the page that lists them."""
    programs = sorted(EXAMPLES.glob("*.py"))
    site: dict[str, str | Path] = {}
    for path in programs:
        site[f"examples/{path.stem}.md"] = page(path)
        site[f"examples/{path.stem}.ipynb"] = jupytext.writes(jupytext.reads(path.read_text(encoding="utf-8"), "py:light"), "ipynb")
    rows = "\n".join(f"| [{title(path)}]({path.stem}.md) | {summary(path)} |" for path in programs)
    head = "# Examples\n\nPrograms of less than 60 lines on bundled data. Each page has the same program as a notebook.\n\n"
    listed = f"{head}| example | what it does |\n| --- | --- |\n{rows}\n\n"
    site["examples/index.md"] = listed + toctree("Examples", [path.stem for path in programs])
    return site


def page(path: Path) -> str:
    """Return the page of the example ``path``."""
    code = path.read_text(encoding="utf-8")
    parts = [f"# {title(path)}", summary(path)]
    parts.append(f"{{download}}`Download the notebook <{path.stem}.ipynb>`, or run `python examples/{path.name}` in a clone.")
    return "\n\n".join([*parts, f"```python\n{code}```\n", *output(path.stem)])


def output(name: str) -> list[str]:
    """Return what the example printed when it was recorded."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8")).get(name)
    if recorded is None:
        return []
    cost = f"{recorded['cpu_seconds']:.0f} CPU seconds on a machine with {recorded['machine']['cpu']}"
    return [f"It prints, after {cost}:", f"```text\n{recorded['output']}```\n"]


def title(path: Path) -> str:
    """Return the name of an example in words."""
    return path.stem.replace("_", " ").capitalize()


def summary(path: Path) -> str:
    """Return the first paragraph of the docstring of an example, in one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())
