"""Write equations as MathML, which browsers draw by themselves: no script, and nothing is loaded from another server."""

import re
from functools import partial

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

# Commands that the converter does not know (the first two after \Big), and what looks the same.
SAME = {r"\lVert": "‖", r"\rVert": "‖", r"\arg": r"\operatorname{arg}"}


class UnknownCommand(ValueError):
    """Error for a command of LaTeX that the converter does not know."""


def mathml(latex: str, display: str = "inline") -> str:
    """Return an equation as MathML. Raise UnknownCommand if a command of LaTeX is left in it."""
    for command, known in SAME.items():
        latex = latex.replace(command, known)
    text = convert(latex, display=display)
    if left := re.search(r"\\[A-Za-z]+", text):
        raise UnknownCommand(left[0])
    return text


def _write(writer: HTML5Translator, node: nodes.math | nodes.math_block, display: str) -> None:
    try:
        text = mathml(node.astext(), display)
    except UnknownCommand as error:
        text = ""
        logging.getLogger(__name__).warning("%s is not known to the converter of equations: %s", error, node.astext(), location=node)
    writer.body.append(text if display == "inline" else f'<div class="math">{text}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (partial(_write, display="inline"), None), (partial(_write, display="block"), None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
