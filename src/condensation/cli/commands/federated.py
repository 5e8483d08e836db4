"""``condense federated``."""

from typing import Any

from condensation.cli.commands.study_command import StudyCommand, StudyOption, StudyRequest, preset_option
from condensation.cli.options import last_name, names


def federated_folder(settings: Any, request: StudyRequest) -> str:
    """Return the default folder of the study."""
    return f"federated/{last_name(settings.source)}-{settings.clients}-alpha{settings.alpha:g}-ipc{settings.ipc}"


StudyCommand(
    name="federated",
    summary="Divide a data set among clients that share condensed sets only, and compare with federated averaging.",
    arguments="A comparison to print again; or settings: method.steps=500, local.epochs=5, evaluation.recipe=paper.",
    options=(
        StudyOption("--method -m", "method", "Method by which clients condense.", "dm"),
        StudyOption("--clients", "clients", "Owners of images.", "10", int, least=2),
        StudyOption("--alpha", "alpha", "How alike the clients are: a low value gives each few classes.", "0.1", float),
        StudyOption("--splits", "splits", "Divisions of the images, each with its seed.", "3", int),
        StudyOption("--ipc -i", "ipc", "Images per class of all clients together.", "20", int),
        StudyOption("--arms", "arms", "What to compare: condensed, random, averaging, ...", "every one", names),
        StudyOption("--rounds", "rounds", "Rounds of federated averaging.", "10", int),
        StudyOption("--networks", "evaluation.networks", "Networks trained on each union of sets.", "1", int),
        StudyOption("--epochs", "evaluation.recipe.epochs", "Epochs of each of them.", "1000", int),
        preset_option("The method's"),
    ),
    folder=federated_folder,
    folder_text="federated/DATA-N-alphaA-ipcN",
    home=("studies.federated.settings", "FederatedSettings"),
    jobs_text="List the sets and networks with time, memory and disk space, and stop.",
).add()
