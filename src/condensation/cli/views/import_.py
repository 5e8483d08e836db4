"""Printed form of ``condense import``."""

from pathlib import Path

from condensation.artifacts.condensed_set import CondensedSet
from condensation.core.errors import CondensationError
from condensation.report.tables import plain_console, print_json, print_scores


def import_official(path: Path, data: str, which: int, out: Path | None, *, as_json: bool) -> None:
    """Run ``condense import``."""
    condensed = CondensedSet.from_official(path, data=data, which=which)
    out = out or path.with_suffix(".safetensors")
    if out.exists():
        raise CondensationError(f"{out} exists already.", hint="Choose another file with out=...")
    condensed.save(out)
    if as_json:
        return print_json({"set": str(out), **condensed.card})
    screen, images, sets = plain_console(), condensed.images, condensed.card["official"]["sets"]
    size = f"{len(images)} images of {'x'.join(map(str, images.shape))}, {len(images.classes)} classes"
    screen.print(f"{size}; set {which} of {sets} in {path.name}, normalized with the published constants of {data}.")
    if condensed.card.get("scores"):
        print_scores(screen, condensed.card["scores"])
    return screen.print(f"Set: {out}")
