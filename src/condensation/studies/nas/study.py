"""Architecture search: every network of a space is trained on each set, for a short time on all images, and fully."""

from functools import partial
from pathlib import Path

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.ipc import images_per_class
from condensation.core.rng import Rng
from condensation.core.storage import write_json
from condensation.evaluation.compare import EvaluationSettings
from condensation.networks.convnet import ConvNet
from condensation.studies import jobs as states
from condensation.studies.executors import Executor, run_all
from condensation.studies.jobs import Failure, Failures, Watch, check_all, claim_all, failures_in, record_failure, run_jobs
from condensation.studies.nas.proxies import SETS, SearchSettings, decisive_settings, search_jobs, without_validation
from condensation.studies.nas.search_space import stratified_order
from condensation.studies.nas.train_candidates import NETWORKS, SPACE, train_network, trained, untrained
from condensation.studies.study_folder import claim_folder, write_settings


def run_search(
    settings: SearchSettings, folder: Path, watch: Watch = Watch(), executor: Executor | None = None, at_a_time: int | None = None
) -> Failures:
    """Make the missing sets of the search in ``folder``, then train the networks one by one.

    Every beginning of the order is a stratified sample, so an interrupted search is a smaller search. A call with the same folder adds
    networks and proxies. An ``executor`` trains ``at_a_time`` networks, by default its number of workers; without it, this process does.
    """
    claim_folder(folder, settings, decisive_settings)
    jobs = search_jobs(settings)
    claim_all(jobs, folder / SETS)
    data, _ = without_validation(settings.data_at(settings.ipc).load(watch.on_reading), settings.validation, settings.seed)
    check_all(jobs, data)
    networks, others = ordered_networks(settings, data.train)
    names = list(networks)
    images_per_class(data.train, settings.ipc, settings.small_classes)
    EvaluationSettings(1, networks[names[0]], settings.recipe).check(data)
    write_settings(folder, settings, data)
    write_json(folder / SPACE, {"networks": names, "others": others})
    count = len(jobs) + len(names)
    failed = run_jobs(jobs, folder / SETS, data, watch, count)
    del data  # workers read it again
    return failed | _train(settings, folder, names, watch, executor, at_a_time, count)


def ordered_networks(settings: SearchSettings, real: ImageSet) -> tuple[dict[str, ConvNet], dict[str, str]]:
    """Return the networks to train in their order, by name, and the reason for each network that does not fit the images."""
    fitting, others = settings.space.networks(real.shape, real.num_classes)
    if not fitting:
        name, reason = next(iter(others.items()))
        raise CondensationError(f"No network of the space fits. {name}: {reason}", hint="Choose another space.", setting="space")
    names = list(fitting)
    order = stratified_order(list(fitting.values()), Rng(settings.seed).child("order"))
    return {names[place]: fitting[names[place]] for place in order[: settings.subset]}, others


def _train(
    settings: SearchSettings, folder: Path, names: list[str], watch: Watch, executor: Executor | None, at_a_time: int | None, count: int
) -> Failures:
    """Train the networks ``names`` on everything that is missing; return those that failed."""
    place = folder / NETWORKS
    failures = failures_in(place)
    to_do = [name for name in names if untrained(settings, folder, name)]
    waiting = set(to_do)

    def begin(name: str) -> None:
        begun = states.BEGUN if trained(folder, name) else states.TO_DO
        state = states.FINISHED if name not in waiting else states.FAILED if name in failures else begun
        watch.begin(count - len(names) + 1 + names.index(name), count, name, state)

    def end(name: str, failure: Failure | None) -> None:
        record_failure(place, failures, name, failure)
        waiting.discard(name)

    def report() -> None:
        if watch.on_progress:
            watch.on_progress(len(names) - len(waiting), len(names))

    for name in names:
        if name not in waiting:
            record_failure(place, failures, name, None)
            begin(name)
    if executor is None:
        for name in to_do:
            begin(name)
            end(name, train_network(str(folder), name, watch.on_progress))
    else:
        submit = partial(executor.submit, train_network, str(folder))
        run_all(to_do, submit, begin, end, report, at_a_time or getattr(executor, "workers", None))
    return {name: failures[name] for name in names if name in failures}
