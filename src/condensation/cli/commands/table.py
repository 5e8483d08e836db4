"""``condense table``."""

import logging
from typing import Annotated, Any

import typer

from condensation.cli.commands.study_command import StudyCommand, StudyOption, StudyRequest, preset_option
from condensation.cli.options import last_name, names, numbers

logger = logging.getLogger(__name__)

TABLES = ("supplement", "supplement-paper")
DEFAULT_METHODS = ("random", "dm")
REPORT = typer.Option("--report", help="Print the table in the folder without running anything.")


def table_settings(request: StudyRequest) -> Any:
    """Return the settings of the table: preset, then file, options and overrides. A whole table that is named replaces the file's."""
    from dataclasses import replace

    from condensation.config.build import from_dict
    from condensation.studies.table.study import TableRow, TableSettings, rows_for, with_overrides
    from condensation.studies.table.supplement import missing, table_named

    methods, file, whole = request.take("methods"), request.file(), None
    if request.preset in TABLES:
        whole = table_named(request.take("preset"), methods)
        file = {key: file[key] for key in ("compute", "small_classes") if key in file}
        if methods is None and missing():
            logger.warning("Rows of methods that are not installed are left out: %s.", ", ".join(missing()))
    saved = file.pop("rows", ())
    rows = whole.rows if whole else tuple(from_dict(TableRow, row) for row in saved) if methods is None else ()
    rows, overrides = with_overrides(rows or rows_for(methods or DEFAULT_METHODS), request.overrides, TableSettings)
    content = request.content(file, overrides)
    return from_dict(TableSettings, content, replace(whole, rows=rows) if whole else TableSettings(rows))


StudyCommand(
    name="table",
    summary="Make the papers' table: methods x ipc x seeds, beside the published numbers. The same command resumes it.",
    arguments="A table to print again; or settings: dm.steps=500 of a method, evaluation.recipe.lr=0.02.",
    options=(
        StudyOption("--methods -m", "methods", "Names that `condense methods` lists, or file.py:Class.", "random,dm", names),
        StudyOption("--ipc -i", "ipc", "Images per class.", "1,10,50", numbers),
        StudyOption("--seeds", "seeds", "Sets of each method and ipc.", "5", int),
        StudyOption("--networks", "networks", "Evaluation networks of each set.", "20", int),
        StudyOption("--epochs", "epochs", "Epochs of each network, by the published recipe.", "1000", int),
        StudyOption("--published", "published", "Later methods whose published numbers are shown too: idc,dance,ncfm.", None, names),
        preset_option("The methods'", "paper", TABLES),
    ),
    settings=table_settings,
    folder=lambda settings, request: f"tables/{last_name(settings.source)}" + f"-{request.preset}" * (request.preset in TABLES),
    folder_text="tables/DATA",
    home=("studies.table.study", "TableSettings"),
    jobs_text="List the jobs with time, memory and disk space, and stop.",
    run_options={"report": (Annotated[bool, REPORT], False)},
).add()
