"""A run with differential privacy: its release, and what may be recorded of the images."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condensation.core.errors import CondensationError
from condensation.core.progress import OnProgress
from condensation.data.dataset import Data
from condensation.data.summary import read_facts
from condensation.methods.dm import DM
from condensation.methods.loop import divided_error
from condensation.methods.release import Release
from condensation.methods.released_images import kept_release
from condensation.methods.step_info import RELEASE
from condensation.runs.settings import RunSettings

logger = logging.getLogger(__name__)
REPLACED = "No real image is shown and no random real image is evaluated: the set has differential privacy."


def check_private(settings: RunSettings, data: Data, release: str | Path | None = None, processes: int = 1) -> None:
    """Raise CondensationError for what privacy excludes: test images that were held out of the same images, a release for other methods."""
    if not settings.method.is_private:
        if release:
            hint = "Set method.privacy.epsilon, or leave out release=..."
            raise CondensationError("Only a private method uses a release.", hint=hint, setting="release")
        return
    if processes > 1:
        raise divided_error()
    if "split" in data.details and settings.evaluation.networks:
        message = "The test images were held out of the training images, so their accuracy would not be covered by differential privacy."
        hint = "Use data with a test part (data.test=NAME), or no evaluation: evaluation.networks=0."
        raise CondensationError(message, hint=hint, setting="evaluation.networks")


def release_of_run(
    settings: RunSettings, data: Data, folder: Path, given: str | Path | None, on_progress: OnProgress | None = None
) -> Release:
    """Return the release in the run ``folder``: that of an interrupted run, a copy of the ``given`` file, or a new one.

    Raise CondensationError if the given file or that in the folder is of other data or settings.
    """
    method, kept = settings.method, folder / RELEASE
    assert isinstance(method, DM)
    if given and not kept.exists():
        release = Release.load(given)
        release.check(method, data.train, data.name)
        release.save(kept)
        logger.info("Read the release %s: no epsilon is spent again.", given)
    release = kept_release(method, data.train, settings.seed, settings.compute, kept, on_progress, data.name)
    release.check(method, data.train, data.name)
    return release


def facts_for_record(settings: RunSettings, data: Data) -> dict[str, Any]:
    """Return `read_facts` of ``data``; for a private method without values of pixels, and without counts that are not public."""
    facts = read_facts(data)
    if not settings.method.is_private:
        return facts
    parts: Mapping[str, Any] = facts["parts"] if _counts_are_public(settings) else {}
    return {"parts": parts, "shape": facts["shape"]}


def private_card(settings: RunSettings, data: Data) -> dict[str, Any]:
    """Return the entry of a card about the data of a private set: no digest, no statistic, no names of files."""
    about = {"name": data.name, "note": REPLACED, "read": facts_for_record(settings, data)}
    return {**about, "images": len(data.train)} if _counts_are_public(settings) else about


def _counts_are_public(settings: RunSettings) -> bool:
    return isinstance(settings.method, DM) and settings.method.privacy is not None and settings.method.privacy.counts == "public"
