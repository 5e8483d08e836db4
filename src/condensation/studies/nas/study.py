"""Do small sets find good architectures? Every network of a space is trained on each set, for a short time on all images, and fully."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.ipc import images_per_class
from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.core.storage import read_json, remove_unfinished, write_json
from condensation.evaluation.compare import EvaluationSettings
from condensation.networks.convnet import ConvNet
from condensation.studies.executors import Executor, Reason, go_through
from condensation.studies.jobs import BEGUN, FAILED, FINISHED, TO_DO, Watch, check_all, claim_all, failures_in, note_failure, run_jobs
from condensation.studies.nas.proxies import SETS, SearchSettings, data_of, sets_of, without_validation
from condensation.studies.nas.search_space import spread
from condensation.studies.nas.train_candidates import NETWORKS, SPACE, missing, train_network, trained
from condensation.studies.study_folder import in_use, keep, kept_in, must_be_alike

# What may change when a search goes on: more of the same, and how it is computed. Sets have settings of their own to be compared.
OPEN = ("proxies", "space", "subset", "top", "preset", "compute")


def run_search(
    settings: SearchSettings, out: str | Path, watch: Watch = Watch(), executor: Executor | None = None, at_a_time: int | None = None
) -> dict[str, Any]:
    """Do what is missing of the search in the folder ``out``: first the sets, then network by network; return what failed.

    Each network is a job that ``executor`` is given, at most so many ``at_a_time``; without one, they are trained here, one after
    the other. Networks come in an order whose every beginning is a stratified sample of the space, and each is trained on everything, so
    that what is broken off is a smaller search. More networks and proxies are added by asking for them with the same folder.

    Raises:
        CondensationError: if anything in the settings cannot be done, or the folder holds something else.
        Stopped: if ``watch`` asked for it; what is finished is kept, and the same again goes on.
    """
    folder = Path(out)
    _claim(settings, folder)
    jobs = sets_of(settings)
    claim_all(jobs, folder / SETS)
    data, _ = without_validation(data_of(settings).load(watch.on_reading), settings.validation, settings.seed)
    check_all(jobs, data)
    networks, others = order_of(settings, data.train)
    names = list(networks)
    images_per_class(data.train, settings.ipc, settings.small_classes)
    EvaluationSettings(1, networks[names[0]], settings.recipe).check(data)
    keep(folder, settings, data)
    remove_unfinished(folder / NETWORKS)
    write_json(folder / SPACE, {"networks": names, "others": others})
    count = len(jobs) + len(names)
    failed = run_jobs(jobs, folder / SETS, data, watch, count)
    del data  # whoever trains reads them again
    return failed | _train(settings, folder, names, watch, executor, at_a_time, count)


def order_of(settings: SearchSettings, real: ImageSet) -> tuple[dict[str, ConvNet], dict[str, str]]:
    """The networks that are trained, by name, in their order; and of those of the space that do not fit the images, why.

    Raises:
        CondensationError: if none fits.
    """
    fitting, others = settings.space.networks(real.shape, real.num_classes)
    if not fitting:
        name, why = next(iter(others.items()))
        raise CondensationError(f"No network of the space fits. {name}: {why}\nGive --space a file with other networks.")
    names = list(fitting)
    order = spread(list(fitting.values()), Rng(settings.seed).child("order"))
    return {names[place]: fitting[names[place]] for place in order[: settings.subset]}, others


def search_in(folder: str | Path) -> SearchSettings:
    """The settings of the search in ``folder``.

    Raises:
        CondensationError: if there is none.
    """
    otherwise = f"There is no search in {folder}.\nMake one: condense nas --data NAME --out {folder}"
    return kept_in(folder, SearchSettings, "proxies", otherwise)


def names_in(folder: Path) -> tuple[list[str], dict[str, str]]:
    """What `order_of` gave when the search in ``folder`` was begun; nothing if it was broken off before."""
    kept = read_json(folder / SPACE) if (folder / SPACE).exists() else {"networks": [], "others": {}}
    return kept["networks"], kept["others"]


def _train(
    settings: SearchSettings, folder: Path, names: list[str], watch: Watch, executor: Executor | None, at_a_time: int | None, count: int
) -> dict[str, Any]:
    """Train the networks called ``names`` on what each is missing; return what failed."""
    place = folder / NETWORKS
    failures = failures_in(place)
    numbers = {name: number for number, name in enumerate(names, count - len(names) + 1)}
    to_do = [name for name in names if missing(settings, folder, name)]
    waiting = set(to_do)

    def tell(name: str) -> None:
        if watch.on_job:
            how = FINISHED if name not in waiting else FAILED if name in failures else BEGUN if trained(folder, name) else TO_DO
            watch.on_job(numbers[name], count, name, how)

    for name in names:
        if name not in waiting:
            note_failure(place, failures, name, None)
            tell(name)

    def end(name: str, reason: Reason) -> None:
        note_failure(place, failures, name, reason)
        waiting.discard(name)

    if executor is None:
        for name in to_do:
            tell(name)
            end(name, train_network(str(folder), name, watch.on_progress))
    else:
        submit = partial(executor.submit, train_network, str(folder))
        at_a_time = at_a_time or getattr(executor, "workers", None)
        go_through(to_do, submit, tell, end, lambda: _look(watch, len(names) - len(waiting), len(names)), at_a_time)
    return {name: failures[name] for name in names if name in failures}


def _look(watch: Watch, done: int, count: int) -> None:
    if watch.on_progress:
        watch.on_progress(done, count)


def _claim(settings: SearchSettings, folder: Path) -> None:
    """Make sure that ``folder`` is free, or holds a search with the same settings."""
    if in_use(folder):
        must_be_alike(folder, "another search", _compared(search_in(folder)), _compared(settings))


def _compared(settings: SearchSettings) -> dict[str, Any]:
    content = {key: value for key, value in to_dict(settings).items() if key not in OPEN}
    return {**content, "data": to_dict(replace(data_of(settings), folder=None))}
