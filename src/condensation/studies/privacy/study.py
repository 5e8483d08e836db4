"""Privacy study: shadow pipelines with and without each image, for membership inference, and copies in a given set."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import part_of
from condensation.config.build import from_dict
from condensation.core.errors import CondensationError
from condensation.core.progress import OnProgress
from condensation.core.rng import Rng
from condensation.data.settings import DataSettings
from condensation.studies.privacy.copies import copies_task
from condensation.studies.privacy.pool import make_pool
from condensation.studies.privacy.settings import PrivacySettings, arm_method, decisive_settings
from condensation.studies.privacy.shadows import shadow_task
from condensation.studies.study_folder import claim_folder
from condensation.studies.tasks import Lazy, TaskList


def settings_for_set(path: str, content: Mapping[str, Any]) -> PrivacySettings:
    """Return the settings of a study of the set at ``path``: its data and ipc, unless plain settings ``content`` tell others."""
    condensed = CondensedSet.load(path)
    data = {key: value for key, value in part_of(condensed.card, "settings", "data").items() if key != "preprocessing"}
    if not data:
        hint = "Name a set that this program made."
        raise CondensationError(f"The card of {path} does not name its data.", hint=hint, setting="set")
    source = from_dict(DataSettings, {**data, "preprocessing": "centered"})
    usual = PrivacySettings(set=path, data=source, ipc=max(condensed.images.counts.values()))
    return from_dict(PrivacySettings, content, usual)


def claim_privacy(settings: PrivacySettings, folder: Path) -> None:
    """Raise CondensationError if ``folder`` holds something else than this study."""
    claim_folder(folder, settings, decisive_settings)


def privacy_tasks(settings: PrivacySettings, folder: Path, on_reading: OnProgress | None = None) -> TaskList:
    """Return the search for copies, and one task for each arm and half."""
    data = Lazy(partial(settings.data.load, on_reading))
    pool = Lazy(lambda: make_pool(data().train, settings.images, settings.canaries, settings.seed))
    condensed = Lazy(lambda: CondensedSet.load(settings.set or ""))

    def check() -> None:
        train = data().train
        settings.spec.build(train.shape, train.num_classes, Rng(0))
        for arm in settings.arms:
            if method := arm_method(settings, arm):
                method.validate(train)
        least = min(pool().fewest(number) for number in range(settings.shadows))
        if least < settings.ipc:
            message = f"A half of the images has only {least} of a class, fewer than ipc {settings.ipc}."
            raise CondensationError(message, hint="Use more images, or a smaller ipc.", setting="images")
        if settings.set and condensed().images.shape != train.shape:
            message = f"The set has images of {condensed().images.shape}, the data of {train.shape}."
            raise CondensationError(message, hint="Use the data that the set was made from.", setting="data.source")

    tasks = [copies_task(settings.set, settings.spec, folder, data, condensed)] if settings.set else []
    for number in range(settings.shadows):
        for arm in settings.arms:
            tasks.append(shadow_task(settings, arm, arm_method(settings, arm), number, folder, pool, data))
    return TaskList(tasks, [data()], check, memory=[data, pool, condensed])
