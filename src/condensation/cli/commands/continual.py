"""``condense continual``."""

from collections.abc import Mapping
from typing import Any

from condensation.cli.commands.study_command import StudyCommand, StudyOption, StudyRequest, preset_option
from condensation.cli.options import last_name, names

DEFAULT_METHODS = ("random", "herding", "dm")


def continual_settings(request: StudyRequest) -> Any:
    """Return the settings of the curves; overrides that begin with the label of a method are settings of that method."""
    from condensation.config.build import from_dict
    from condensation.config.toml import apply_override
    from condensation.core.user_code import short_name
    from condensation.studies.continual.study import ContinualSettings
    from condensation.studies.settings import setting_of

    given, file = request.take("methods"), request.file()
    saved = file.get("methods") or {}
    if not isinstance(saved, Mapping):  # names alone, in a list or separated by commas
        saved = {str(name): {"name": str(name)} for name in (names(saved) if isinstance(saved, str) else saved) or ()}
    chosen = {label if label in saved else short_name(label): saved.get(label, label) for label in given or saved or DEFAULT_METHODS}
    methods = {label: {"name": method} if isinstance(method, str) else method for label, method in chosen.items()}
    others = []
    for override in request.overrides:
        found = {
            label: setting
            for label, method in methods.items()
            if (setting := setting_of(override, label) or setting_of(override, str(method.get("name", ""))))
        }
        methods |= {label: apply_override(methods[label], setting) for label, setting in found.items()}
        others += [] if found else [override]
    content = request.content({**file, "methods": methods}, others)
    return from_dict(ContinualSettings, content, ContinualSettings())


def continual_folder(settings: Any, request: StudyRequest) -> str:
    """Return the default folder of the curves."""
    name = "-".join(map(last_name, settings.tasks)) or last_name(settings.source)
    return f"continual/{name}-{settings.count}steps-ipc{settings.ipc}"


StudyCommand(
    name="continual",
    summary="Learn classes a few at a time from condensed memories, and test all classes seen so far. The same command resumes it.",
    arguments="Curves to print again; or settings: dm.steps=500 of a method, evaluation.recipe=paper, memory=shared.",
    options=(
        StudyOption("--tasks", "tasks", "Data sets in sequence, in place of the classes of one.", parse=names),
        StudyOption("--methods -m", "methods", "Names that `condense methods` lists, or file.py:Class.", ",".join(DEFAULT_METHODS), names),
        StudyOption("--steps", "steps", "Steps in which the classes come.", "5", int),
        StudyOption("--ipc -i", "ipc", "Images per class in the memory.", "20", int),
        StudyOption("--orders", "orders", "Orders of the classes, each with its seed.", "5", int),
        StudyOption("--networks", "evaluation.networks", "Networks trained after each step.", "3", int),
        StudyOption("--epochs", "evaluation.recipe.epochs", "Epochs of each network.", "1000", int),
        preset_option("The methods'"),
    ),
    settings=continual_settings,
    folder=continual_folder,
    folder_text="continual/DATA-STEPSsteps-ipcN",
    home=("studies.continual.study", "ContinualSettings"),
    jobs_text="List the memories to make with time, memory and disk space, and stop.",
).add()
