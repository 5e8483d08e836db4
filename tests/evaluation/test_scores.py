"""Scores of an evaluation: read, written, found on the card of a set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from condensation import CondensationError
from condensation.core.renamed import with_new_names
from condensation.core.storage import write_json
from condensation.evaluation.scores import Scores

GOLDEN = sorted((Path(__file__).parents[1] / "golden").rglob("scores.json"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.name)
def test_files_of_earlier_versions_are_read_and_written_alike(path: Path, tmp_path: Path) -> None:
    scores = Scores.read(path)
    expected = with_new_names(json.loads(path.read_text()))
    write_json(tmp_path / "again.json", scores.to_json())
    assert (tmp_path / "again.json").read_text() == json.dumps(expected, indent=2, ensure_ascii=False) + "\n"
    assert Scores.read(tmp_path / "again.json") == scores


def test_scores_for_card_lack_the_key() -> None:
    scores = Scores.read(GOLDEN[0])
    bare = scores.for_card()
    assert all("seconds" not in score for score in bare.to_json()["sets"].values())
    assert Scores.from_card(bare.to_json()) == bare


@pytest.mark.parametrize("content", [None, 3, "good", [], {}, {"by its file": "26.5"}, {"sets": 3, "test": None, "evaluation": {}}])
def test_anything_else_on_a_card_is_no_scores(content: object) -> None:
    assert Scores.from_card(content) is None


def test_damage_names_the_file_and_the_field(tmp_path: Path) -> None:
    content = json.loads(GOLDEN[0].read_text())
    name = next(iter(content["sets"]))
    content["sets"][name]["mean"] = "high"
    (tmp_path / "scores.json").write_text(json.dumps(content))
    with pytest.raises(CondensationError, match=r"scores\.json") as caught:
        Scores.read(tmp_path / "scores.json")
    assert f"sets.{name}.mean" in caught.value.message


@pytest.mark.parametrize("evaluation", [{}, {"networks": 2, "network": {"name": "mlp"}, "recipe": {}}, {"networks": 2, "network": "mlp"}])
def test_an_evaluation_that_cannot_be_shown_is_damage(tmp_path: Path, evaluation: object) -> None:
    content = {**json.loads(GOLDEN[0].read_text()), "evaluation": evaluation}
    assert Scores.from_card(content) is None
    (tmp_path / "scores.json").write_text(json.dumps(content))
    with pytest.raises(CondensationError) as caught:
        Scores.read(tmp_path / "scores.json")
    assert "evaluation" in caught.value.message
