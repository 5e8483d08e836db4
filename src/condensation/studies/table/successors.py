"""Published numbers of later methods in a table: beside the measured rows if the recipe is the same, otherwise in blocks of their own."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from condensation.core.plain import to_dict
from condensation.studies.published_numbers import Number, Successor, recipes, successor
from condensation.studies.study import Block
from condensation.studies.table.study import TableSettings, table_recipe

COLUMNS = ("ipc", "method", "published", "")


@dataclass(frozen=True)
class PublishedCell:
    """A published number of a later method at one ipc."""

    method: Successor
    ipc: int
    number: Number
    recipe: str
    same_recipe: bool  # as the measured rows
    sign: str  # of the note with the caveats

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON: the number and its caveats."""
        about = to_dict(self.method)
        about = {key: value for key, value in about.items() if key not in ("title", "numbers", "recipe_on")}
        number = {"method": self.method.title, "ipc": self.ipc, **to_dict(self.number)}
        return {**number, **about, "recipe": self.recipe, "same_recipe": self.same_recipe}


def published_cells(settings: TableSettings) -> list[PublishedCell]:
    """Return the numbers of the later methods that ``settings`` name, ipc by ipc."""
    ours = table_recipe(settings)
    cells = []
    for ipc in settings.ipc:
        for sign, method in enumerate(map(successor, settings.published), 1):
            recipe, number = method.recipe_for(settings.source), method.number(settings.source, ipc)
            if number:
                cells.append(PublishedCell(method, ipc, number, recipe, recipe == ours, str(sign)))
    return cells


def published_blocks(cells: list[PublishedCell]) -> tuple[Block, ...]:
    """Return a block for each recipe that is not that of the measured rows."""
    others = sorted((cell for cell in cells if not cell.same_recipe), key=lambda cell: list(recipes()).index(cell.recipe))
    blocks = []
    for recipe, of_recipe in groupby(others, lambda cell: cell.recipe):
        rows = tuple((str(cell.ipc), cell.method.title, str(cell.number), cell.sign) for cell in of_recipe)
        title = f"Published with another recipe, {recipes()[recipe]}; not comparable with the rows above"
        blocks.append(Block(title, COLUMNS, rows, ("method", "")))
    return tuple(blocks)


def published_notes(settings: TableSettings, cells: list[PublishedCell]) -> list[str]:
    """Return a line of caveats for each method with a number, and one for each without."""
    lines = []
    for sign, method in enumerate(map(successor, settings.published), 1):
        found = any(cell.method is method for cell in cells)
        caveats = "; ".join([f"{method.title} ({method.paper})", *method.caveats(settings.source)])
        lines.append(f"{sign}: {caveats}." if found else f"No published number of {method.title} for this data set and ipc is known.")
    return lines
