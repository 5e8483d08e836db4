"""``condense theory``."""

import re
from typing import Any

from condensation.cli.commands.study_command import StudyCommand, StudyOption, StudyRequest
from condensation.cli.options import ResultOutput, SeededDataOptions, last_name


def theory_settings(request: StudyRequest) -> Any:
    """Return the settings of the measurement; ``epochs=0,1`` may be written without brackets."""
    from condensation.config.build import from_dict
    from condensation.studies.theory.study import TheorySettings

    overrides = [re.sub(r"^epochs=([^\[]*)$", r"epochs=[\1]", override) for override in request.overrides]
    return from_dict(TheorySettings, request.content(overrides=overrides), TheorySettings())


StudyCommand(
    name="theory",
    summary="Compare matching last-layer gradients with matching features, before and during training.",
    arguments="A measurement to print again; or settings: epochs=0,1,3,10 pairs=30 ipc=10 network.width=64.",
    options=(
        StudyOption("--network", "network", "Name that `condense networks` lists.", "a ConvNet of width 32"),
        StudyOption("--networks", "networks", "Networks to draw, train and measure.", "2", int),
    ),
    settings=theory_settings,
    folder=lambda settings, request: f"theory/{last_name(settings.data.source)}",
    folder_text="theory/DATA",
    jobs_text="Print time, memory and disk space, and stop.",
    home=("studies.theory.study", "TheorySettings"),
    reading=SeededDataOptions,
    output=ResultOutput,
).add()
