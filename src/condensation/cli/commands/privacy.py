"""``condense privacy``."""

from typing import Any

from condensation.cli.commands.study_command import StudyCommand, StudyOption, StudyRequest
from condensation.cli.options import OutputOptions, SeededDataOptions, last_name


def privacy_settings(request: StudyRequest) -> Any:
    """Return the settings of the study; a set that was named brings its data and its images per class."""
    from condensation.config.build import from_dict
    from condensation.studies.privacy.settings import PrivacySettings
    from condensation.studies.privacy.study import settings_for_set

    content = request.content()
    path = content.get("set")
    return settings_for_set(str(path), content) if path and not request.config else from_dict(PrivacySettings, content, PrivacySettings())


def privacy_folder(settings: Any, request: StudyRequest) -> str:
    """Return ``privacy/DATA``, or ``privacy/SET`` if a set was named."""
    return f"privacy/{last_name(settings.set or settings.data.source)}"


StudyCommand(
    name="privacy",
    summary="Measure what a set reveals: copies of training images, and membership inference on five ways to make sets.",
    arguments="A set, whose copies are searched, or a study to print again; and settings: shadows=64 images=2000 privacy.epsilon=1.",
    options=(
        StudyOption("--ipc -i", "ipc", "Synthetic images per class.", "10, or that of the set", int),
        StudyOption("--shadows", "shadows", "Random halves of the images, at least 64 for a strong attack.", "64", int, 4),
        StudyOption("--arms", "arms", "What is made of each half: whole, random, dm-real, dm-noise, dm-private.", "all"),
    ),
    settings=privacy_settings,
    folder=privacy_folder,
    folder_text="privacy/SET",
    home=("studies.privacy.settings", "PrivacySettings"),
    reading=SeededDataOptions,
    jobs_text="Print the missing shadows with time, memory and disk space, and stop.",
    subject="set",
    output=OutputOptions,
).add()
