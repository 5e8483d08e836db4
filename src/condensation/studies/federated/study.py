"""Federated learning in one round: each client condenses its own images, and the server trains on the union of the sets.

Beside it stand what else can be done with the same clients: federated averaging (McMahan et al., 2017) for one round, for as many rounds as
the same bytes allow, and to the end; an ensemble of the clients' networks; each client alone; as many random real images; sets that are
condensed near the server's network for some rounds, in the manner of FedDM (Xiong et al., CVPR 2023); and all images in one place.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from condensation.core.errors import CondensationError
from condensation.core.ipc import images_per_class
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress
from condensation.core.storage import read_json
from condensation.data.dataset import Data
from condensation.studies.federated import arms
from condensation.studies.federated.clients import Clients, member
from condensation.studies.federated.server import Server
from condensation.studies.federated.settings import ARMS, LOCAL, SETS, FederatedSettings, without_near
from condensation.studies.federated.split import summary
from condensation.studies.jobs import Job, job_tasks
from condensation.studies.study_folder import claim_folder
from condensation.studies.tasks import Lazy, Task, TaskList, Watch, file_state


def federated_jobs(settings: FederatedSettings, folder: Path | None = None) -> list[Job]:
    """Return the runs of all clients."""
    clients = Clients(settings, None)
    return [clients.job(split, client) for split in range(settings.splits) for client in range(settings.clients)]


def claim_federated(settings: FederatedSettings, folder: Path) -> None:
    """Raise CondensationError if ``folder`` holds something else than this study; splits and arms may be added."""
    growing = ("splits", "arms", "compute")
    claim_folder(folder, settings, lambda each: {key: value for key, value in to_dict(each).items() if key not in growing})


def federated_tasks(settings: FederatedSettings, folder: Path, on_reading: OnProgress | None = None) -> TaskList:
    """Return the sets and networks of the clients, then the arms, division by division."""
    clients = Lazy(partial(Clients, settings, on_reading))
    everyone = range(settings.clients)

    def check() -> None:
        data = clients().data
        settings.evaluation.check(data)
        for split in range(settings.splits):
            for client in everyone:
                images_per_class(clients().data_of(split, client).train, clients().sizes_of(split, client))
        method = clients().job(0, 0).settings.method
        method.validate(clients().data_of(0, 0).train)
        if "near" in settings.arms and method.sampler is None:
            raise CondensationError(
                f"{type(method).__name__} draws no networks, so it has no arm near.", hint=without_near(settings.arms), setting="arms"
            )

    tasks: list[Task] = []
    for split in range(settings.splits):
        if arms.needs(settings.arms, SETS):
            for client in everyone:
                tasks += job_tasks([clients().job(split, client)], folder, SETS, partial(_data_of, clients, split, client))
        if arms.needs(settings.arms, LOCAL):
            tasks += [_local_task(settings, folder, split, client, clients) for client in everyone]
        tasks += [_arm_task(settings, folder, arm, split, clients) for arm in settings.arms]
    files = {f"split-{split}.json": _content(clients(), split) for split in range(settings.splits)}
    return TaskList(tasks, [clients().data], check, files, [clients])


def _content(clients: Clients, split: int) -> dict[str, Any]:
    division = clients.division(split)
    return {**to_dict(division), "counts": summary(division, clients.data.train)}


def _data_of(clients: Lazy[Clients], split: int, client: int) -> Data:
    return clients().data_of(split, client)


def _local_task(settings: FederatedSettings, folder: Path, split: int, client: int, clients: Lazy[Clients]) -> Task:
    name = member(split, client)
    path = folder / LOCAL / f"{name}.safetensors"

    def work(server: Server) -> None:
        arms.train_local(server, client, path)

    return _task(path, f"network of client {client}, split {split}", work, partial(_server, settings, folder, split, clients))


def _arm_task(settings: FederatedSettings, folder: Path, arm: str, split: int, clients: Lazy[Clients]) -> Task:
    path = folder / ARMS / f"{arm}-split{split}.json"
    needed = [group for group in (SETS, LOCAL) if arms.needs([arm], group)]

    def work(server: Server) -> None:
        arms.write_result(server, arm, path)

    task = _task(path, f"{arms.ARMS[arm].title}, split {split}", work, partial(_server, settings, folder, split, clients))
    needs = tuple(f"{group}/{member(split, client)}" for group in needed for client in range(settings.clients))
    return replace(task, needs=needs, result=lambda: f"{read_json(path)['accuracy']:.2f} %")


def _task(path: Path, title: str, work: Callable[[Server], None], server: Callable[[Watch], Server]) -> Task:
    """Return the task whose ``work`` writes ``path``, in the folder of its group."""
    return Task(
        name=path.stem,
        group=path.parent.name,
        title=title,
        work=lambda watch: work(server(watch)),
        state=lambda failures: file_state(path, path.stem, failures),
    )


def _server(settings: FederatedSettings, folder: Path, split: int, clients: Lazy[Clients], watch: Watch) -> Server:
    return Server(settings, clients(), folder, split, watch)
