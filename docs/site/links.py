"""Link names of the library in signatures and docstrings to the pages of the public names."""

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

import condensation


def _public(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement) -> nodes.reference | None:
    """Return the link to the page of a public name that is called by the name of its module, such as ``core.images.ImageSet``."""
    name = str(node.get("reftarget", "")).rpartition(".")[2]
    if node.get("refdomain") != "py" or name not in condensation.__all__:
        return None
    return make_refnode(app.builder, node["refdoc"], f"api/{name}", f"condensation.{name}", content, name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the link."""
    app.connect("missing-reference", _public)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
