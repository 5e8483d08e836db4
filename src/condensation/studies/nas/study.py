"""Architecture search: every network of a space is trained on each set, for a short time on all images, and fully."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.ipc import images_per_class
from condensation.core.progress import OnProgress
from condensation.core.rng import Rng
from condensation.evaluation.compare import EvaluationSettings
from condensation.networks.convnet import ConvNet
from condensation.studies.jobs import check_all, claim_all, job_tasks
from condensation.studies.nas.proxies import SETS, WHOLE, SearchSettings, decisive_settings, search_jobs, without_validation
from condensation.studies.nas.search_space import stratified_order
from condensation.studies.nas.train_candidates import NETWORKS, SPACE, Material, material_of, train_network, trained, untrained
from condensation.studies.study_folder import claim_folder
from condensation.studies.tasks import BEGUN, FAILED, FINISHED, TO_DO, Failure, Lazy, Task, TaskList


def claim_search(settings: SearchSettings, folder: Path) -> None:
    """Raise CondensationError if ``folder`` holds something else than this search."""
    claim_folder(folder, settings, decisive_settings)
    claim_all(search_jobs(settings), folder / SETS)


def search_tasks(settings: SearchSettings, folder: Path, on_reading: OnProgress | None = None) -> TaskList:
    """Return the sets of the search in ``folder``, then the networks, each trained on everything that it was not trained on yet.

    Every beginning of the order is a stratified sample, so an interrupted search is a smaller search. A call with the same folder adds
    networks and proxies.
    """
    jobs = search_jobs(settings)
    whole = Lazy(lambda: without_validation(settings.data_at(settings.ipc).load(on_reading), settings.validation, settings.seed))
    networks, others = ordered_networks(settings, whole()[0].train)
    data = Lazy(lambda: whole()[0])
    material = Lazy(lambda: material_of(settings, networks, *whole()))

    def check() -> None:
        check_all(jobs, data())
        images_per_class(data().train, settings.ipc, settings.small_classes)
        EvaluationSettings(1, next(iter(networks.values())), settings.recipe).check(data())

    sets = job_tasks(jobs, folder, SETS, data)
    tasks = [*sets, *(_network_task(settings, folder, name, material, tuple(each.key for each in sets)) for name in networks)]
    return TaskList(tasks, [data()], check, {SPACE: {"networks": list(networks), "others": others}}, [whole, data, material])


def ordered_networks(settings: SearchSettings, real: ImageSet) -> tuple[dict[str, ConvNet], dict[str, str]]:
    """Return the networks to train in their order, by name, and the reason for each network that does not fit the images."""
    fitting, others = settings.space.networks(real.shape, real.num_classes)
    if not fitting:
        name, reason = next(iter(others.items()))
        raise CondensationError(f"No network of the space fits. {name}: {reason}", hint="Choose another space.", setting="space")
    names = list(fitting)
    order = stratified_order(list(fitting.values()), Rng(settings.seed).child("order"))
    return {names[place]: fitting[names[place]] for place in order[: settings.subset]}, others


def _network_task(settings: SearchSettings, folder: Path, name: str, material: Lazy[Material], after: tuple[str, ...]) -> Task:
    def state(failures: Mapping[str, Failure]) -> str:
        if not untrained(settings, folder, name):
            return FINISHED
        return FAILED if name in failures else BEGUN if trained(folder, name) else TO_DO

    def result() -> str:
        done = trained(folder, name)
        return f"{np.mean(done[WHOLE].test):.2f} %" if WHOLE in done else "finished"

    return Task(
        name=name,
        group=NETWORKS,
        title=name,
        work=lambda watch: train_network(material(), folder, name, watch.on_progress),
        state=state,
        after=after,
        result=result,
    )
