"""Order of settings of the studies: defaults < preset < file < command line, pair by pair."""

import json

import pytest

from condensation.cli.commands.continual import continual_settings
from condensation.cli.commands.nas import search_settings
from condensation.cli.commands.study_command import StudyRequest
from condensation.cli.commands.table import table_settings
from condensation.config.build import from_dict
from condensation.methods.dm import DM
from condensation.studies.registry import POOLS, TRANSFER
from condensation.training.train import Recipe

DM_5 = {"name": "dm", "steps": 5}
PAPER, LONG = DM.paper(10).steps, DM.long(10, 10, 3).steps


@pytest.fixture
def request_of(tmp_path):
    def make(file=None, overrides=(), **options):
        path = tmp_path / "file.json"
        path.write_text(json.dumps(file or {}))
        given = {name.replace("__", "."): value for name, value in options.items()}
        return StudyRequest(given, list(overrides), path, options.get("preset"), trust=False)

    return make


def steps_of(settings):
    """Return the steps of DM in a study of any kind."""
    if hasattr(settings, "rows"):
        from condensation.studies.table.study import row_run

        (row,) = [row for row in settings.rows if row.method_settings["name"] == "dm"]
        return row_run(settings, row, 10, 0).method.steps
    if hasattr(settings, "proxies"):
        (method,) = [proxy.method_settings for proxy in settings.proxies]
    elif hasattr(settings, "methods"):
        (method,) = [settings.method_settings(label) for label in settings.methods]
    else:
        method = settings.method_settings
    return settings.run_of(method, 10).method.steps


def of_request(study):
    """Return the function that makes the settings of a study without special options."""
    return lambda request: from_dict(study.settings_type, request.content(), study.settings_type())


KINDS = {
    "table": (table_settings, {"rows": [{"label": "DM", "method": DM_5}], "ipc": [10]}, "dm"),
    "transfer": (of_request(TRANSFER), {"method": DM_5}, "method"),
    "pools": (of_request(POOLS), {"method": DM_5}, "method"),
    "continual": (continual_settings, {"methods": {"dm": DM_5}}, "dm"),
    "nas": (search_settings, {"proxies": [{"label": "dm", "method": DM_5}]}, "dm"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_file_and_command_line(kind, request_of):
    make, file, prefix = KINDS[kind]
    assert steps_of(make(request_of({**file, "preset": "paper"}))) == 5  # file over its preset
    assert steps_of(make(request_of(file, preset="paper"))) == PAPER  # preset of the command line over the file
    assert steps_of(make(request_of({**file, "preset": "long"}, preset="paper"))) == PAPER
    assert steps_of(make(request_of(file, [f"{prefix}.steps=7"], preset="paper"))) == 7  # override over the preset
    assert steps_of(make(request_of(file, [f"{prefix}.steps=7"]))) == 7  # override over the file


@pytest.mark.parametrize("kind", ["transfer", "pools", "continual"])
def test_recipes_and_options(kind, request_of):
    make, file, _ = KINDS[kind]
    file = {**file, "evaluation": {"networks": 9, "recipe": {"epochs": 7, "lr": 0.5}}}
    assert make(request_of(file)).evaluation.recipe == Recipe(epochs=7, lr=0.5)
    assert make(request_of(file, evaluation__recipe__epochs=3)).evaluation.recipe == Recipe(epochs=3, lr=0.5)
    named = make(request_of(file, ["evaluation.recipe=paper"]))
    assert (named.evaluation.recipe, named.evaluation.networks) == (Recipe.paper(), 9)  # the name replaces all of the file's recipe
    assert make(request_of(file, ["evaluation.networks=2"], evaluation__networks=4)).evaluation.networks == 2


def test_methods_with_their_own_label_keep_their_settings_under_a_preset(request_of):
    rows = [{"label": label, "method": {"name": "dm", "lr": lr}} for label, lr in (("gentle", 0.1), ("strong", 9.0))]
    settings = table_settings(request_of({"rows": rows}, preset="classic"))
    assert [row.method_settings["lr"] for row in settings.rows] == [0.1, 9.0]
    assert settings.preset == "classic"


def test_a_whole_table_on_the_command_line_replaces_that_of_the_file(request_of):
    rows = [{"label": "mine", "method": "dm"}]
    file = {"rows": rows, "data": "digits", "ipc": [3], "seeds": 9, "epochs": 2, "preset": "paper", "compute": {"device": "cpu"}}
    settings = table_settings(request_of(file, preset="supplement"))
    assert (settings.source, settings.ipc, settings.seeds, settings.epochs, settings.preset) == ("cifar10", (1, 10, 50), 1, 300, "classic")
    assert "mine" not in [row.label for row in settings.rows]
    assert settings.compute.device == "cpu"
    assert table_settings(request_of(file, preset="supplement", seeds=2, data__source="mnist")).seeds == 2
