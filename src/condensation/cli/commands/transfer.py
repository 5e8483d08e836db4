"""``condense transfer``."""

from typing import Any

from condensation.cli.commands.study_command import StudyCommand, StudyOption, StudyRequest, preset_option
from condensation.cli.options import last_name, names


def transfer_folder(settings: Any, request: StudyRequest) -> str:
    """Return the default folder of the matrix."""
    from condensation.core.user_code import short_name

    return f"transfer/{last_name(settings.source)}-{short_name(str(settings.method_settings['name']))}-ipc{settings.ipc}"


StudyCommand(
    name="transfer",
    summary="Learn sets on some networks and test them on others, beside random images. The same command resumes it.",
    arguments="A matrix to print again; or settings: method.steps=500, evaluation.recipe=paper.",
    options=(
        StudyOption("--method -m", "method", "Name that `condense methods` lists, or file.py:Class.", "dm"),
        StudyOption("--learn", "learn", "Networks to learn images on.", "convnet,alexnet,vgg11,resnet18-ap", names),
        StudyOption("--test", "test", "Networks to test on.", "convnet,alexnet,vgg11,resnet18", names),
        StudyOption("--ipc -i", "ipc", "Synthetic images per class.", "10", int),
        StudyOption("--seeds", "seeds", "Sets learned on each network.", "1", int),
        StudyOption("--networks", "evaluation.networks", "Networks of each kind, trained on each set.", "3", int),
        StudyOption("--epochs", "evaluation.recipe.epochs", "Epochs of each network tested.", "1000", int),
        preset_option("The method's"),
    ),
    folder=transfer_folder,
    folder_text="transfer/DATA-METHOD-ipcN",
    home=("studies.transfer.study", "TransferSettings"),
    jobs_text="List the sets to learn with time, memory and disk space, and stop.",
).add()
