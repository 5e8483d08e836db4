"""Groups of options: a dataclass in a command's signature becomes one option per field."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from condensation.cli.groups import grouped


@dataclass(frozen=True)
class Place:
    folder: Annotated[str | None, typer.Option("--folder", help="Where.")] = None
    deep: Annotated[bool, typer.Option("--deep", help="How.")] = False


@pytest.fixture
def app():
    app = typer.Typer()

    @app.command()
    @grouped
    def look(
        name: str,
        count: Annotated[int, typer.Option("--count")] = 1,
        place: Place = Place(),
        last: Annotated[int, typer.Option("--last")] = 0,
    ) -> None:
        """Look for something."""
        typer.echo(f"{name} {count} {place} {last}")

    return app


def test_the_fields_of_a_group_are_options(app):
    result = CliRunner().invoke(app, ["it", "--folder", "here", "--deep", "--last", "2"])
    assert result.stdout == "it 1 Place(folder='here', deep=True) 2\n"


def test_a_group_has_defaults(app):
    assert CliRunner().invoke(app, ["it"]).stdout == f"it 1 {Place()} 0\n"


def test_the_options_are_in_the_place_of_the_group(app):
    said = CliRunner().invoke(app, ["--help"]).stdout
    assert "Look for something." in said
    places = [said.index(option) for option in ("--count", "--folder", "--deep", "--last")]
    assert places == sorted(places)
    assert "Where." in said


def test_a_command_without_groups_is_unchanged():
    def plain(name: str, count: int = 2) -> None: ...

    assert str(signature(grouped(plain))) == str(signature(plain, eval_str=True))
