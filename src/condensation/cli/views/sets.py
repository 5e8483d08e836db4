"""Printed form of ``condense sets``."""

from typing import Any

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import part_of
from condensation.artifacts.shelf import bundled_sets
from condensation.config.build import from_dict
from condensation.core.memory import readable
from condensation.core.plain import to_dict
from condensation.core.text import accuracy_of, counted
from condensation.evaluation.scores import Scores
from condensation.networks.convnet import ConvNet
from condensation.report.tables import plain_console, print_json, table
from condensation.training.train import RECIPES, Recipe


def list_sets(*, as_json: bool) -> None:
    """Run ``condense sets``."""
    listed = {name: _facts(CondensedSet.bundled(name)) | {"bytes": path.stat().st_size} for name, path in bundled_sets().items()}
    if as_json:
        return print_json(listed)
    rows = table("set", "images", "accuracy, %", "size", "licence", right=("size",))
    for name, facts in listed.items():
        stored, seen = facts["stored_images"], facts["seen_images"]
        counts = f"{stored:,} stored, {seen:,} seen" if seen != stored else f"{stored:,}"
        images = f"{facts['images_per_class']:,} per class of {facts['data']}, {counts}"
        score = f"{accuracy_of(facts['score'])} ({facts['recipe']})" if facts["score"] else "not measured"
        rows.add_row(name, images, score, readable(facts["bytes"]), facts["licence"])
    for column in (rows.columns[0], *rows.columns[3:]):
        column.no_wrap = True
    screen = plain_console()
    screen.print(rows, soft_wrap=False)
    example = next(iter(listed), "NAME")
    return screen.print(f'Card and picture: condense show {example}. In Python: CondensedSet.bundled("{example}").')


def _facts(condensed: CondensedSet) -> dict[str, Any]:
    images, data = condensed.images, part_of(condensed.card, "data")
    scores = Scores.from_card(condensed.card.get("scores"))
    score = next(iter(scores.sets.values())) if scores else None
    return {
        "data": data["name"],
        "images_per_class": max(images.counts.values()),
        "stored_images": len(images),
        "seen_images": images.seen,
        "score": score and {name: getattr(score, name) for name in ("mean", "deviation", "count")},
        "recipe": _recipe(scores) if scores else "",
        "licence": data["licence"],
    }


def _recipe(scores: Scores) -> str:
    """Return the name of the recipe and its epochs, as the function of the recipe takes them, and the networks if they are unusual."""
    recipe, usual = from_dict(Recipe, scores.evaluation["recipe"]), to_dict(ConvNet())
    unusual = [f"{name}={value}" for name, value in scores.evaluation["network"].items() if usual.get(name) != value]
    networks = ", ".join([counted(scores.evaluation["networks"], "network"), *unusual])
    for name, make in RECIPES.items():
        for epochs in (recipe.epochs, recipe.epochs - 1):  # the published recipe has one epoch more
            if epochs and make(epochs) == recipe:
                return f"{name}, {counted(epochs, 'epoch')}, {networks}"
    return f"{counted(recipe.epochs, 'epoch')}, {networks}"
