"""The clients of federated learning, which hold parts of one data set."""

from dataclasses import replace

from condensation.core.progress import OnProgress
from condensation.data.dataset import Data
from condensation.studies.federated.settings import FederatedSettings
from condensation.studies.federated.split import Division, divide, sizes
from condensation.studies.jobs import Job


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
        part = f"client {client} of split {split}"
        return replace(self.data, name=f"{self.data.name}, {part}", train=images, details={**self.data.details, "part": part})

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
