"""Settings of Sphinx for the pages that `build.py` writes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import condensation

project = "condensation"
author = copyright = "The condensation developers"
version = release = condensation.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "links", "mathml"]
root_doc = "index"
source_suffix = {".md": "markdown"}
default_role = "py:obj"  # `name` in a docstring

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

autodoc_default_options = {"members": True, "show-inheritance": False}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 90
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"condensation {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = html_copy_source = False
html_math_renderer = "mathml"
