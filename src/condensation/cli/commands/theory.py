"""``condense theory``."""

import re
from dataclasses import dataclass
from typing import Any

from condensation.cli.commands.study_command import StudyCommand, StudyOption, StudyRequest
from condensation.cli.options import (
    ConfigOption,
    DeviceOption,
    FolderOption,
    ResultOutput,
    SeedOption,
    SizeOption,
    TrustOption,
    data_options,
    last_name,
)


@dataclass(frozen=True)
class TheoryOptions:
    """Options for data, configuration and device of ``condense theory``."""

    folder: FolderOption = None
    size: SizeOption = None
    config: ConfigOption = None
    seed: SeedOption = None
    device: DeviceOption = None
    trust: TrustOption = False

    def settings(self, source: str | None) -> dict[str, Any]:
        """Return the options as settings, with the data set ``source``."""
        return {**data_options(source, self.folder, self.size), "seed": self.seed, "compute.device": self.device}


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
    reading=TheoryOptions,
    output=ResultOutput,
).add()
