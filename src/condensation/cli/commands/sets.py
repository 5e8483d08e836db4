"""``condense sets``."""

from condensation.cli.app import app
from condensation.cli.options import JsonOption


@app.command()
def sets(as_json: JsonOption = False) -> None:
    """List the condensed sets that the package includes; their names are valid wherever a set is."""
    from condensation.cli.views import sets as view

    view.list_sets(as_json=as_json)
