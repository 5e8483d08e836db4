"""JSON records: what is converted, and one line for each kind of damage."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from condensation.core.errors import CondensationError
from condensation.core.records import as_record, read_record
from condensation.core.storage import RESTORE, read_json


@dataclass(frozen=True)
class Score:
    mean: float
    count: int = 0
    kind: Literal["a", "b"] = "a"
    values: tuple[float, ...] = ()
    deviation: float | None = None


@dataclass(frozen=True)
class Record:
    sets: dict[str, Score]
    names: dict[int, str] = field(default_factory=dict)
    pair: tuple[int, int] = (1, 2)
    tags: frozenset[str] = frozenset()
    step: Annotated[int, Meta(ge=0)] = 0
    about: Any = None


GOOD = {"sets": {"idm": {"mean": 1, "values": [1, 2.5]}}, "names": {"3": "three"}, "added later": True}


def problem(content: Any) -> str:
    with pytest.raises(CondensationError) as caught:
        as_record(content, Record, "scores.json")
    assert caught.value.hint == RESTORE
    assert "\n" not in caught.value.message
    return caught.value.message


def test_content_becomes_the_dataclass(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(GOOD))
    assert read_record(path, Record) == Record({"idm": Score(1.0, values=(1.0, 2.5))}, {3: "three"})


def test_the_names_of_earlier_versions_are_read(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Ipc:
        small_classes: str

    path = tmp_path / "settings.json"
    path.write_text('{"smaller": "all"}')
    assert read_record(path, Ipc) == Ipc("all")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"sets": {"idm": {"mean": 1}, "dm": {"mean": "x"}}}, 'sets.dm.mean: expected a number, got "x"'),
        ({"sets": {"dm": {"mean": True}}}, "sets.dm.mean: expected a number, got true"),
        ({"sets": {"dm": {"mean": 1, "values": [1, 2, None]}}}, "sets.dm.values[2]: expected a number, got null"),
        ({"sets": {"dm": {"mean": 1, "count": 1.5}}}, "sets.dm.count: expected a whole number, got 1.5"),
        ({"sets": {"dm": {"mean": 1, "deviation": []}}}, "sets.dm.deviation: expected a number or null, got []"),
        ({"sets": {"a.b": {"mean": 1, "kind": "c"}}}, "sets.a.b.kind: unexpected value 'c'"),
        ({"sets": {"dm": 10**30}}, f"sets.dm: expected an object, got {10**30}"),
        ({"sets": {"dm": {"mean": 10**400}}}, "sets.dm.mean: number out of range"),
        ({"sets": {"dm": {"mean": 1}, "x": {}}}, "sets.x.mean is missing"),
        ({"sets": {"dm": {"mean": 1, "values": [float("nan")]}}}, "sets.dm.values[0]: expected a finite number"),
        ({"sets": {"dm": {"mean": 1, "values": [float("-inf")]}}}, "sets.dm.values[0]: expected a finite number"),
        ({"sets": {"dm": {"mean": [[]] * 100}}}, f"sets.dm.mean: expected a number, got {str([[]] * 100)[:60]}..."),
        ({"sets": {"dm": {"mean": 1}}, "tags": ["a", 3]}, "tags[1]: expected text, got 3"),
        ({"sets": {}, "step": -1}, "step: expected a whole number >= 0, got -1"),
        ({"sets": {}, "pair": [1]}, "pair: expected a list of length 2, got 1"),
        ({"sets": {}, "names": {"x": "y"}}, "names: expected a whole number as the name of each field"),
        ({"sets": "x" * 100}, f'sets: expected an object, got "{"x" * 59}...'),
        ({}, "sets is missing"),
        ([1], "expected an object, got [1]"),
        (None, "expected an object, got null"),
    ],
)
def test_the_field_at_fault_is_named(content: Any, message: str) -> None:
    assert problem(content) == f"scores.json: {message}."


def test_half_of_a_character_is_refused() -> None:
    with pytest.raises(CondensationError) as error:
        as_record(json.loads('"\\ud800"'), Record, "a file")
    assert error.value.message == "a file: expected text, got '\\ud800'."


def test_content_that_is_nested_too_deeply_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert problem({"sets": {}, "about": nested}) == "scores.json: nested too deeply."
    assert problem({"sets": {"dm": {"mean": nested}}}) == "scores.json: nested too deeply."
    while nested:  # so that Python need not free it recursively
        nested = nested.pop()


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b"[" * 800 + b"]" * 800, b"9" * 10_000, b'{"sets": ' * 50_000, b"\xff", b"", b"{", b'{"sets": 1e}', b"[\x00]"],
    ids=[
        "deep list",
        "deep and complete",
        "10,000 digits",
        "deep object",
        "not UTF-8",
        "empty",
        "cut off",
        "no number",
        "control character",
    ],
)
def test_damaged_files_are_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scores.json"
    path.write_bytes(content)
    for read in (read_json, lambda path: read_record(path, Record)):
        with pytest.raises(CondensationError) as caught:
            read(path)
        assert caught.value.message.startswith(f"{path} is damaged or not JSON: ")
        assert "\n" not in caught.value.message
        assert caught.value.hint == RESTORE
