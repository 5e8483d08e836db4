"""Federated learning in one round: each client condenses its own images, and the server trains on the union of the sets.

Beside it stand what else can be done with the same clients: federated averaging (McMahan et al., 2017) for one round, for as many rounds as
the same bytes allow, and to the end; an ensemble of the clients' networks; each client alone; as many random real images; sets that are
condensed near the server's network for some rounds, in the manner of FedDM (Xiong et al., CVPR 2023); and all images in one place.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from condensation.core.errors import CondensationError, unknown
from condensation.core.ipc import images_per_class
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress
from condensation.core.storage import read_json
from condensation.data.dataset import Data
from condensation.evaluation.compare import EvaluationSettings
from condensation.runs.settings import RunSettings
from condensation.studies.federated import arms
from condensation.studies.federated.server import Server
from condensation.studies.federated.split import Division, divide, sizes, summary
from condensation.studies.jobs import Job, job_tasks
from condensation.studies.settings import StudySettings, method_content, require_at_least
from condensation.studies.study_folder import claim_folder
from condensation.studies.tasks import Lazy, Task, TaskList, Watch, file_state
from condensation.training.train import Recipe

SETS, LOCAL, ARMS = "sets", "local", "arms"
LOCAL_RECIPE = Recipe(epochs=10, lr=0.01, lr_drop_epoch=10, batch=64, augmentation=None)


@dataclass(frozen=True)
class FederatedSettings(StudySettings):
    """Settings of a comparison of federated learning."""

    noun: ClassVar[str] = "study of federated learning"
    mark: ClassVar[str] = "clients"

    method: str | dict[str, object] = "dm"
    """Method by which clients condense: its name, or settings on top of those of the preset. By default, DM starts from noise."""
    clients: int = 10
    """Owners of images."""
    alpha: float = 0.1
    """Concentration of the Dirichlet distribution that divides each class, above 0; clients differ more the lower it is."""
    splits: int = 3
    """Divisions, each with its seed."""
    least: int = 10
    """Images that each client has at least."""
    ipc: int = 20
    """Images per class of the union; a client contributes in proportion to its images of the class, but at least one."""
    arms: tuple[str, ...] = tuple(arms.ARMS)
    """Arms to compare, names of `ARMS`."""
    local: Recipe = LOCAL_RECIPE
    """Training of the networks of clients, and of the network on all images."""
    rounds: int = 10
    """Rounds of federated averaging to the end."""
    round_epochs: int = 1
    """Epochs of each client in a round of federated averaging."""
    near_rounds: int = 3
    """Rounds of condensing near the server's network."""
    near_radius: float = 5.0
    """Distance from the server's network up to which clients match, above 0."""
    evaluation: EvaluationSettings = EvaluationSettings(networks=1)
    """Networks that the server trains on a union of sets."""

    def __post_init__(self) -> None:
        counts = ("splits", "least", "ipc", "rounds", "round_epochs", "near_rounds", "evaluation.networks")
        require_at_least(self, {"clients": 2, **dict.fromkeys(counts, 1)})
        for name in ("alpha", "near_radius"):
            if not getattr(self, name) > 0:
                raise CondensationError(f"{name} is {getattr(self, name):g}; it must be above 0.", setting=name)
        for arm in self.arms:
            if arm not in arms.ARMS:
                raise unknown("arm", arm, arms.ARMS, setting="arms")
        if "near" in self.arms and method_content(self.method).get("privacy"):
            hint = f"Leave it out: arms {','.join(arm for arm in self.arms if arm != 'near')}."
            problem = "The arm near condenses anew in each round, which one private release does not cover."
            raise CondensationError(problem, hint=hint, setting="arms")
        if not self.arms or len(set(self.arms)) < len(self.arms):
            raise CondensationError("arms names nothing, or one arm twice.", hint=f"Choose from: {', '.join(arms.ARMS)}.", setting="arms")

    @property
    def method_settings(self) -> dict[str, object]:
        """Settings of the method; those of DM start from noise, because a set that starts from real images shows them."""
        content = method_content(self.method)
        return {"start": "noise", **content} if content["name"] == "dm" and "privacy" not in content else content

    def client_run(self, ipc: dict[int, int], names: tuple[str, ...], seed: int) -> RunSettings:
        """Return the run of one client with ``ipc`` images by label."""
        run = self.run_of(self.method_settings, self.ipc, seed)
        return replace(run, ipc={names[label]: count for label, count in ipc.items()}, show_real=False)


class Clients:
    """The clients of all divisions, and their images."""

    def __init__(self, settings: FederatedSettings, on_reading: OnProgress | None) -> None:
        self.settings = settings
        self.data = settings.run_of(settings.method_settings, settings.ipc).data.load(on_reading)
        self.divisions: dict[int, Division] = {}

    def division(self, split: int) -> Division:
        """Return a division; it depends on its number only."""
        if split not in self.divisions:
            settings = self.settings
            self.divisions[split] = divide(self.data.train, settings.clients, settings.alpha, settings.least, split)
        return self.divisions[split]

    def data_of(self, split: int, client: int) -> Data:
        """Return the training images of a client, with the common test images."""
        images = self.division(split).images_of(client, self.data.train)
        return replace(self.data, name=f"{self.data.name}, client {client} of split {split}", train=images)

    def sizes_of(self, split: int, client: int) -> dict[int, int]:
        """Return the images per class of a client's set, by label."""
        return sizes(self.data_of(split, client).train.counts, self.data.train.counts, self.settings.ipc)

    def job(self, split: int, client: int) -> Job:
        """Return the run of a client."""
        settings, seed = self.settings, split * self.settings.clients + client
        run = settings.client_run(self.sizes_of(split, client), self.data.train.class_names, seed)
        return Job(member(split, client), f"set of client {client}, split {split}", run)


def member(split: int, client: int) -> str:
    """Return the name of a client's results."""
    return f"split{split}-client{client}"


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
        clients().job(0, 0).settings.method.validate(clients().data_of(0, 0).train)

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

    def work(watch: Watch) -> None:
        arms.train_local(Server(settings, clients(), folder, split, watch), client, path)

    return Task(
        name=name,
        group=LOCAL,
        title=f"network of client {client}, split {split}",
        work=work,
        state=lambda failures: file_state(path, name, failures),
    )


def _arm_task(settings: FederatedSettings, folder: Path, arm: str, split: int, clients: Lazy[Clients]) -> Task:
    name = f"{arm}-split{split}"
    path = folder / ARMS / f"{name}.json"
    needed = [group for group in (SETS, LOCAL) if arms.needs([arm], group)]

    def work(watch: Watch) -> None:
        arms.write_result(Server(settings, clients(), folder, split, watch), arm, path)

    return Task(
        name=name,
        group=ARMS,
        title=f"{arms.ARMS[arm].title}, split {split}",
        work=work,
        state=lambda failures: file_state(path, name, failures),
        needs=tuple(f"{group}/{member(split, client)}" for group in needed for client in range(settings.clients)),
        result=lambda: f"{read_json(path)['accuracy']:.2f} %",
    )
