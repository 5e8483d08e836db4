"""A dataclass of options stands in a command's signature for all of its fields."""

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


def test_the_options_of_a_group_are_options_of_the_command(app):
    result = CliRunner().invoke(app, ["it", "--folder", "here", "--deep", "--last", "2"])
    assert result.stdout == "it 1 Place(folder='here', deep=True) 2\n"


def test_a_group_that_nothing_is_said_of_is_as_by_default(app):
    assert CliRunner().invoke(app, ["it"]).stdout == f"it 1 {Place()} 0\n"


def test_the_options_stand_where_the_group_did_with_their_help(app):
    said = CliRunner().invoke(app, ["--help"]).stdout
    assert "Look for something." in said
    places = [said.index(option) for option in ("--count", "--folder", "--deep", "--last")]
    assert places == sorted(places)
    assert "Where." in said


def test_a_command_without_groups_is_as_it_was():
    def plain(name: str, count: int = 2) -> None: ...

    assert str(signature(grouped(plain))) == str(signature(plain, eval_str=True))
