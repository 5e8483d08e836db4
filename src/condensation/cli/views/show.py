"""Printed form of ``condense show``."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.export.card_fields import PrivacyEntry
from condensation.artifacts.set_file import SET
from condensation.core.errors import NotWritten
from condensation.core.records import as_record
from condensation.core.text import extremes
from condensation.report.grid import grid, save_picture
from condensation.report.tables import plain_console, print_json, print_scores
from condensation.runs.files import GRID
from condensation.runs.private_sets import is_private
from condensation.runs.saved_set import real_images, title_of

PICTURE = "show.png"


def show(
    paths: Sequence[Path], out: Path | None, rows: int | None, folder: str | None, *, trust: bool, as_json: bool, decoded: bool = False
) -> None:
    """Run ``condense show``."""
    path = paths[0]
    sets = {_label(each, paths): CondensedSet.load(each, trust=trust) for each in paths}
    first, several = next(iter(sets.values())), len(sets) > 1
    real, problem = real_images(next(filter(is_private, sets.values()), first), folder)
    # Do not replace the picture of a run by one that shows less.
    beside = path / (GRID if real is not None and rows is None and not several and not decoded else PICTURE)
    beside = beside if path.is_dir() else path.with_suffix(".png")
    titles = [f"{label}: {title_of(condensed, label)}" if several else title_of(condensed, label) for label, condensed in sets.items()]
    drawn = {label: condensed.decoded().images if decoded else condensed.images for label, condensed in sets.items()}
    images = drawn if several else next(iter(drawn.values()))
    picture: dict[str, str | None] = {"picture": str(out or beside)}
    try:
        save_picture(out or beside, grid(images, real, title="\n".join(titles), rows=rows))
    except NotWritten as error:
        if out is not None:
            raise
        picture = {"picture": None, "no_picture": error.message}
    if as_json:
        cards = {"sets": {label: condensed.card for label, condensed in sets.items()}} if several else first.card
        return print_json({**picture, **cards})
    screen = plain_console()
    for condensed, title in zip(sets.values(), titles, strict=True):
        _print_card(screen, condensed, title)
    if problem:
        screen.print(f"Without real images: {problem}")
    return screen.print(f"Picture: {picture['picture']}" if picture["picture"] else f"Without a picture: {picture['no_picture']}")


def _print_card(screen: Console, condensed: CondensedSet, title: str) -> None:
    images, preprocessing = condensed.images, condensed.card["preprocessing"]
    size = f"{len(images)} images of {'x'.join(map(str, images.shape))}, {len(images.classes)} classes"
    per_class = " to ".join(map(str, extremes(images.counts.values())))
    screen.print(title, style="bold")
    screen.print(f"{size}, {per_class} per class; preprocessing: {preprocessing}")
    if images.form:
        megabytes = images.images.numel() * images.images.element_size() / 1e6
        screen.print(f"{images.form}: a network sees {images.seen} images; {len(images)} are stored ({megabytes:.1f} MB)")
    if "privacy" in condensed.card:
        privacy = as_record(condensed.card["privacy"], PrivacyEntry, "The card of the set")
        screen.print(f"Privacy: {privacy.guarantee}")
    if condensed.card.get("scores"):
        print_scores(screen, condensed.card["scores"])


def _label(path: Path, paths: Sequence[Path]) -> str:
    """Return the name of a set file or run folder, or the whole path if another set has the same name."""
    names = [(each.parent if each.name == SET else each).resolve().name.removesuffix(".safetensors") for each in paths]
    name = names[list(paths).index(path)]
    return name if names.count(name) == 1 else str(path)
