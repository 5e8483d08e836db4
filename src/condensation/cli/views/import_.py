"""Printed form of ``condense import``."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from condensation.artifacts.condensed_set import CondensedSet
from condensation.config.build import from_dict
from condensation.config.registry import lookup
from condensation.config.toml import apply_override
from condensation.core.errors import CondensationError
from condensation.core.form import Form
from condensation.report.tables import plain_console, print_json, print_scores


def import_official(path: Path, out: Path | None, form: str | None, *, as_json: bool, **options: Any) -> None:
    """Run ``condense import`` with ``options`` for `CondensedSet.from_official`."""
    condensed = CondensedSet.from_official(path, form=_form(form) if form else None, **options)
    out = out or path.with_suffix(".safetensors")
    if out.exists():
        raise CondensationError(f"{out} exists already.", hint="Choose another file with out=...")
    condensed.save(out)
    if as_json:
        return print_json({"set": str(out), **condensed.card})
    screen, images, official = plain_console(), condensed.images, condensed.card["official"]
    size = f"{len(images)} images of {'x'.join(map(str, images.shape))}, {len(images.classes)} classes"
    place = f"set {official['which']} of {official['sets']} in {path.name}"
    screen.print(f"{size}; {place}, normalized with the published constants of {options['data']}.")
    if images.form:
        screen.print(f"Each holds {images.form.count}: a network sees {images.seen} images.")
    if condensed.card.get("scores"):
        print_scores(screen, condensed.card["scores"])
    return screen.print(f"Set: {out}")


def _form(text: str) -> Form:
    """Return the form ``tiles=2``: its name, and the value of its first setting."""
    name, sign, value = text.partition("=")
    try:
        first = fields(lookup(Form, name, "form"))[0].name
        content = apply_override({"name": name}, f"{first}={value}") if sign else {"name": name}
        return from_dict(Form, content, where="form")  # type: ignore[type-abstract]
    except CondensationError as error:
        raise CondensationError(error.message, hint=error.hint, setting="form") from None
