"""Time, memory and disk space of a study on this machine: its missing runs, and the networks that it trains beside them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from pathlib import Path
from typing import Any

from condensation.core.memory import process_memory
from condensation.core.plain import to_dict
from condensation.core.text import counted
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.networks.registry import NETWORKS
from condensation.runs.estimate import Plan, Training, plan_run, training_seconds
from condensation.runs.settings import RunSettings
from condensation.runs.trials import FORWARD
from condensation.studies.continual.study import ContinualSettings
from condensation.studies.federated.arms import needs
from condensation.studies.federated.settings import LOCAL, FederatedSettings
from condensation.studies.jobs import state
from condensation.studies.nas.proxies import EARLY, SearchSettings
from condensation.studies.pools.study import PoolsSettings, pool_network
from condensation.studies.privacy.copies import COPIES, RESULT
from condensation.studies.privacy.pool import make_pool
from condensation.studies.privacy.settings import PrivacySettings, arm_method
from condensation.studies.privacy.shadows import shadow_path
from condensation.studies.study import Study
from condensation.studies.tasks import FINISHED, failures_in
from condensation.studies.theory.study import TheorySettings
from condensation.studies.transfer.study import TransferSettings, transfer_rows
from condensation.training.train import Recipe

MOST_TRIED = 8  # different runs; further ones are taken to last as long as these on average


@dataclass(frozen=True)
class StudyPlan:
    """Parts that are missing in a study, and its needs."""

    parts: tuple[tuple[str, float | None], ...]
    """Text and time of each part; None if the time cannot be told."""
    memory: int
    """Bytes of memory of one process, as far as trials have shown."""
    disk: int
    """Bytes of the folders of missing runs."""


def plan_study(study: Study[Any], settings: Any, folder: Path) -> StudyPlan:
    """Return what the study ``settings`` in ``folder`` still has to do. Raise NoSuchData if its data do not exist."""
    place = folder / study.runs
    failures = failures_in(place)
    runs = [job.settings for job in study.jobs(settings, folder) if state(job, place, failures) != FINISHED]
    loaded: dict[DataSettings, Data] = {}
    no_jobs = isinstance(settings, TheorySettings | PrivacySettings)
    for run in runs or [RunSettings(data=settings.data)] if no_jobs else runs:
        whole = replace(run.data, classes=None)
        if whole not in loaded:
            loaded[whole] = whole.load()
    if not loaded:
        return StudyPlan((), process_memory(), 0)
    plans: dict[str, Plan] = {}
    for run in runs:
        key = _key(run)
        if key not in plans and len(plans) < MOST_TRIED:
            data = loaded[replace(run.data, classes=None)]
            names = run.data.classes or (list(run.ipc) if isinstance(run.ipc, Mapping) else None)
            plans[key] = plan_run(run, data if names is None else data.only(names))
    known = [plan.seconds for plan in plans.values() if all(part.seconds is not None for part in plan.parts)]
    times = [plans[_key(run)].seconds if _key(run) in plans else sum(known) / len(known) if known else 0.0 for run in runs]
    parts: list[tuple[str, float | None]] = [(counted(len(runs), "run"), sum(times) if known else None)] if runs else []
    data = next(iter(loaded.values()))
    parts += [(each.text, training_seconds(each, data, settings.compute)) for each in trainings(settings, data)]
    parts += shadow_parts(settings, data, folder) if isinstance(settings, PrivacySettings) else []
    disk = max((plan.disk for plan in plans.values()), default=0) * len(runs)
    return StudyPlan(tuple(parts), process_memory(), disk)


def _key(run: RunSettings) -> str:
    ipc = [len(run.ipc), max(run.ipc.values())] if isinstance(run.ipc, Mapping) else run.ipc  # clients differ a little
    return json.dumps({**to_dict(run), "ipc": ipc, "seed": None}, sort_keys=True)


@singledispatch
def trainings(settings: Any, data: Data) -> Sequence[Training]:
    """Return the networks that the study ``settings`` trains beside its runs."""
    return ()


@trainings.register
def _(settings: TransferSettings, data: Data) -> Sequence[Training]:
    form = settings.run_of(settings.method_settings, settings.ipc).method.set_form
    images = settings.ipc * len(data.train.classes) * (form.count if form else 1)
    networks = len(transfer_rows(settings)) * settings.seeds * settings.evaluation.networks
    text, recipe = f"testing {counted(networks, 'network')}", settings.evaluation.recipe
    return [Training(text, networks, spec, recipe, images) for spec in settings.test]


@trainings.register
def _(settings: ContinualSettings, data: Data) -> Sequence[Training]:
    evaluation, networks = settings.evaluation, settings.orders * len(settings.methods) * settings.count * settings.evaluation.networks
    images = round(settings.ipc * len(data.train.classes) * (settings.count + 1) / (2 * settings.count))  # on average over the steps
    return [Training(f"testing {counted(networks, 'network')}", networks, evaluation.network, evaluation.recipe, images)]


@trainings.register
def _(settings: FederatedSettings, data: Data) -> Sequence[Training]:
    evaluation, seen = settings.evaluation, len(data.train)
    unions = settings.splits * evaluation.networks * len({"condensed", "random"} & set(settings.arms))
    parts = [
        Training(
            f"{counted(unions, 'network')} on unions of sets",
            unions,
            evaluation.network,
            evaluation.recipe,
            settings.ipc * len(data.train.classes),
        )
    ]
    local = settings.splits * (needs(settings.arms, LOCAL) + ("pooled" in settings.arms))
    parts.append(Training("networks of clients", local, evaluation.network, settings.local, seen))
    if "averaging" in settings.arms:
        rounds = replace(settings.local, epochs=settings.rounds * settings.round_epochs)
        parts.append(Training(f"{counted(settings.rounds, 'round')} of averaging", settings.splits, evaluation.network, rounds, seen))
    return [part for part in parts if part.networks]


@trainings.register
def _(settings: SearchSettings, data: Data) -> Sequence[Training]:
    fitting, _ = settings.space.networks(data.train.shape, data.train.num_classes)
    count = min(settings.subset or len(fitting), len(fitting))
    network = list(fitting.values())[len(fitting) // 2] if fitting else NETWORKS["convnet"]
    on_sets = count * settings.trainings * len(settings.proxies)
    whole = replace(settings.recipe, epochs=settings.whole_epochs)
    proxies = "sets and for few steps" if any(proxy.method_settings.get("name") == EARLY for proxy in settings.proxies) else "sets"
    return [
        Training(f"{counted(on_sets, 'training')} on {proxies}", on_sets, network, settings.recipe, settings.ipc * len(data.train.classes)),
        Training(
            f"{counted(count * settings.trainings, 'training')} on all images", count * settings.trainings, network, whole, len(data.train)
        ),
    ]


@trainings.register
def _(settings: PoolsSettings, data: Data) -> Sequence[Training]:
    networks = settings.pool.networks
    return [
        Training(f"training {counted(networks, 'network')}", networks, pool_network(settings), settings.pool.recipe, len(data.train)),
    ]


@trainings.register
def _(settings: TheorySettings, data: Data) -> Sequence[Training]:
    recipe = Recipe(epochs=max(1, *settings.epochs), augmentation=None)
    return [
        Training(f"training {counted(settings.networks, 'network')}", settings.networks, settings.network, recipe, len(data.train)),
    ]


def shadow_parts(settings: PrivacySettings, data: Data, folder: Path) -> list[tuple[str, float | None]]:
    """Return the missing shadows of each arm, and the search for copies, with the time of each."""
    half = replace(data, train=make_pool(data.train, settings.images, settings.canaries, settings.seed).half(0))
    parts = []
    for arm in settings.arms:
        missing = sum(not shadow_path(folder, arm, number).exists() for number in range(settings.shadows))
        if missing:
            once = _shadow_seconds(settings, arm, half)
            parts.append((f"{counted(missing, 'shadow')} of {arm}", None if once is None else missing * once))
    if settings.set and not (folder / COPIES / RESULT).exists():
        compared = Training("", 1, settings.spec, Recipe(epochs=1, augmentation=None), 2 * len(data.test))
        seconds = training_seconds(compared, data, settings.compute)
        parts.append(("the search for copies", None if seconds is None else FORWARD * seconds))
    return parts


def _shadow_seconds(settings: PrivacySettings, arm: str, half: Data) -> float | None:
    """Return the time of a shadow: its release, its set, and the networks that are trained on the set; None if it cannot be told."""
    method, images = arm_method(settings, arm), len(half.train)
    times: list[float | None] = []
    if method is not None:
        run = RunSettings(settings.data, method, settings.ipc, evaluation=EvaluationSettings(networks=0), compute=settings.compute)
        times += [part.seconds for part in plan_run(run, half).parts]
        images = settings.ipc * len(half.train.classes)
    trained = Training("", settings.networks, settings.spec, settings.recipe, images)
    times.append(training_seconds(trained, half, settings.compute))
    known = [seconds for seconds in times if seconds is not None]
    return sum(known) if len(known) == len(times) else None
