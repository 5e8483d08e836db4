"""Results of an evaluation, as written to ``scores.json`` and to the card of a set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.records import as_record, read_record


@dataclass(frozen=True)
class TestImages:
    """Name and size of a test set."""

    __test__ = False  # pytest collects classes named Test...

    name: str
    images: int


@dataclass(frozen=True, kw_only=True)
class SetScore:
    """Test accuracies in percent of the networks trained on one set."""

    images: int  # training images of the set
    mean: float  # mean over all networks
    deviation: float  # population standard deviation over all networks
    deviation_between_sets: float | None = None
    """Population standard deviation of the means of several sets; 0 for one set, None in files that lack it."""
    count: int  # number of networks
    values: tuple[Annotated[tuple[float, ...], Meta(min_length=1)], ...] = ()  # accuracy of each network: (sets, networks)
    per_class: dict[str, float]  # mean accuracy of each class
    text: str = ""  # accuracy as text: `64.5 ± 1.8 (1 set x 2 networks)`
    seconds: float | None = None
    """Wall-clock time of the evaluation; None on the card of a set, so that repeated runs write identical files."""
    loss: str | None = None  # loss of the set's soft labels; None for hard labels
    recipe: dict[str, Any] | None = None  # training recipe, if it differs from the common one
    test: TestImages | None = None  # test set, if each set has its own
    confusion: dict[str, dict[str, int]] | None = None
    """Test images of all networks by true class, then by predicted class, the most frequent first; only those if there are more than 100
    classes. None in files that lack it, and on cards."""


@dataclass(frozen=True)
class NetworkEntry:
    """Network of an evaluation."""

    name: str


@dataclass(frozen=True)
class RecipeEntry:
    """Recipe of an evaluation."""

    epochs: int


@dataclass(frozen=True)
class EvaluationEntry:
    """Part of the settings of an evaluation that every reader of scores shows."""

    networks: int
    network: NetworkEntry
    recipe: RecipeEntry


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of several sets and the settings that reproduce them."""

    sets: dict[str, SetScore]  # score of each set by name
    test: TestImages | None  # common test set; None if each set has its own
    seed: int  # seed of the evaluation
    evaluation: dict[str, Any]  # plain `EvaluationSettings`; not built, because they may name user code
    compute: dict[str, Any]  # plain resolved `Compute`
    machine: dict[str, Any]  # machine and version of torch

    @classmethod
    def read(cls, path: str | Path) -> Scores:
        """Read a ``scores.json``. Raise CondensationError if the file is missing or damaged; the message names the field."""
        return read_record(Path(path), cls)._checked(f"{path}: evaluation")

    @classmethod
    def from_card(cls, content: object) -> Scores | None:
        """Return the scores on the card of a set, or None if the user put something else there."""
        try:
            return as_record(content, cls, "The card")._checked("The card")
        except CondensationError:
            return None

    def _checked(self, origin: str) -> Scores:
        as_record(self.evaluation, EvaluationEntry, origin)
        return self

    @property
    def random(self) -> SetScore | None:
        """Score of the random real images beside the first set, in whatever form; None if there are none."""
        return next((score for name, score in list(self.sets.items())[1:] if name.startswith("random")), None)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON; fields of a set that are None are left out."""
        content: dict[str, Any] = to_dict(self)
        sets = {name: {key: value for key, value in score.items() if value is not None} for name, score in content["sets"].items()}
        return {**content, "sets": sets}

    def for_card(self) -> Scores:
        """Return the scores without times, so that repeated runs write identical files, and without confusion matrices, which are large."""
        return replace(self, sets={name: replace(score, seconds=None, confusion=None) for name, score in self.sets.items()})
