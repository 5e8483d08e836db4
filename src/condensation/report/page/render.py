"""A page as one file of HTML, which needs nothing else and asks nobody for anything."""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from condensation.core.errors import CondensationError
from condensation.core.storage import write
from condensation.core.text import shown
from condensation.data.own_output import PAGE_GENERATOR, is_own_page
from condensation.report.page.parts import Page

TEMPLATES = "templates"
ROOM = 1_900_000  # characters for all pictures of a page, which is to stay below 3 MB


@cache
def environment() -> Environment:
    """Return the environment of the templates: names are text, also those with HTML or terminal codes."""
    return Environment(
        loader=PackageLoader("condensation.report.page", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )


def _visible(value: Any) -> Any:
    return shown(value) if type(value) is str else value


@cache
def _source(name: str) -> str:
    return files("condensation.report.page").joinpath(TEMPLATES, name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def html(page: Page) -> str:
    """Return ``page`` as HTML. Only our style and our script are permitted, by their digests; requests are not."""
    style, script = _source("page.css"), _source("page.js")
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            generator=PAGE_GENERATOR,
            style=style,
            script=script,
            policy=f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
            "base-uri 'none'; form-action 'none'",
        )
    )


def check_place(path: Path) -> None:
    """Raise CondensationError unless ``path`` is free or holds an earlier page of ours."""
    if path.exists() and not (path.is_file() and is_own_page(str(path))):
        kind = "a folder" if path.is_dir() else "no report of ours"
        hint = "Choose another file (out=...)."
        raise CondensationError(f"{path} is {kind}; nothing is overwritten.", hint=hint, setting="out")


def write_page(page: Page, path: Path) -> None:
    """Write ``page`` to ``path``, atomically. Raise CondensationError if something else is there, NotWritten if it cannot be written."""
    check_place(path)
    write(path, html(page).encode())
