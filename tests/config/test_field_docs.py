"""Docstrings under the fields of settings."""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass
from typing import ClassVar

from condensation.config.field_docs import field_docs


@dataclass
class Base:
    """Settings."""

    kind: ClassVar[str] = "base"
    """No field, so not listed."""
    steps: int = 1
    """Number of steps."""
    lr: float = 1.0
    """Learning rate,
    in two lines."""
    bare: int = 3

    "A text that follows a blank line is still the docstring of the field above."
    last: int = 4

    def method(self) -> str:
        """Return nothing of interest."""
        return "text"


@dataclass
class Derived(Base):
    seed: int = 0
    """Seed."""
    lr: float = 2.0
    steps: int = 5
    """Number of steps of the derived settings."""


def test_each_field_has_the_text_under_it() -> None:
    assert field_docs(Base) == {
        "steps": "Number of steps.",
        "lr": "Learning rate,\nin two lines.",
        "bare": "A text that follows a blank line is still the docstring of the field above.",
    }


def test_a_subclass_inherits_and_replaces_texts() -> None:
    docs = field_docs(Derived)
    assert docs["lr"] == field_docs(Base)["lr"]
    assert docs["steps"] == "Number of steps of the derived settings."
    assert list(docs) == ["steps", "lr", "bare", "seed"]


def test_local_classes_are_read_too() -> None:
    @dataclass
    class Local:
        width: int = 1
        """Width in channels."""

    assert field_docs(Local) == {"width": "Width in channels."}


def test_a_class_without_source_has_no_texts() -> None:
    assert field_docs(make_dataclass("Made", ["size"])) == {}
