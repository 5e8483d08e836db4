"""A condensed set: the images, and all that is needed to use them, here and elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import TensorDataset

from condensation.artifacts.export.export import export
from condensation.artifacts.export.hub_client import fetch, push
from condensation.artifacts.official_format import read_official
from condensation.artifacts.set_file import SET, read_set, write_set
from condensation.core.images import ImageSet
from condensation.core.preprocessing import Preprocessing


@dataclass(frozen=True, eq=False)
class CondensedSet:
    """Synthetic images with their labels, class names and preprocessing, and a card that says how they were made."""

    images: ImageSet
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def preprocessing(self) -> Preprocessing:
        """Turns pictures in [0, 1], (n, c, h, w), into what a network trained on this set expects; use it on test images."""
        return self.images.preprocessing

    def dataset(self) -> TensorDataset:
        """A torch data set of (image, label), images (c, h, w) already preprocessed: ready to train on.

        A soft label, where the set has them, is a vector (classes,); which loss it is for is ``images.soft_labels.loss``.
        """
        soft = self.images.soft_labels
        return TensorDataset(self.images.inputs(), soft.values if soft else self.images.labels)

    def pictures(self) -> Tensor:
        """The images as a person sees them: (n, c, h, w) in [0, 1]."""
        return self.images.pictures()

    def with_scores(self, scores: Mapping[str, Any]) -> CondensedSet:
        """The same set, with measured ``scores`` on its card."""
        return replace(self, card={**self.card, "scores": dict(scores)})

    def save(self, path: str | Path) -> None:
        """Write the set to one file, at once. Values are kept to the last bit.

        Raises:
            CondensationError: if it cannot be written.
        """
        write_set(Path(path), self.images, self.card)

    @classmethod
    def load(cls, path: str | Path) -> CondensedSet:
        """Read a set; ``path`` may also be the run folder that holds it.

        Raises:
            CondensationError: if it is missing, damaged, or of a later format.
        """
        path = Path(path)
        return cls(*read_set(path / SET if path.is_dir() else path))

    @classmethod
    def from_official(cls, path: str | Path, *, data: str, which: int = 0) -> CondensedSet:
        """Read a set of the official project, a file such as ``res_DM_CIFAR10_ConvNet_10ipc.pt``.

        Args:
            path: A file of ``torch.save`` with one or more sets of normalised images and their labels. It is read without
                running any code that may be in it.
            data: The data set, by a name of `DATASETS`: the file does not say which it is, and with it by which constants
                the images are normalised.
            which: Of several runs in one file, which, from 0.

        Raises:
            CondensationError: if it is missing, damaged, holds anything else, or is not of that data set.
        """
        return cls(*read_official(Path(path), data, which))

    def export(self, path: str | Path, to: str) -> Path:
        """Write the set as ``to``, one of `EXPORTS`, into a new folder ``path``, with a card that says how to train on it.

        Raises:
            CondensationError: if the folder exists and is not empty, or cannot be written; nothing is then left behind.
            MissingExtra: if the format needs a package that is not here.
        """
        return export(self.images, self.card, Path(path), to)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the set into a new ``folder`` as it lies on the Hugging Face hub, the same as ``export(folder, "hub")``."""
        return self.export(folder, "hub")

    @classmethod
    def from_pretrained(cls, source: str | Path, *, revision: str | None = None) -> CondensedSet:
        """Read a set from a folder of `save_pretrained`, or from a data set repository ``owner/name`` of the Hugging Face hub.

        Raises:
            CondensationError: if there is no such folder or repository, the hub cannot be reached, or the set is damaged.
            MissingExtra: if it has to be fetched and ``huggingface_hub`` is not here.
        """
        here = Path(source).is_dir()
        return cls.load(source if here else fetch(str(source), SET, revision))

    def push_to_hub(self, repository: str, *, private: bool = False, message: str = "Add the condensed set") -> str:
        """Put the set, its pictures and its card into the data set repository ``owner/name`` of the Hugging Face hub.

        The repository is made if it is not there; ``hf auth login`` or ``HF_TOKEN`` say who you are. Returns its address.

        Raises:
            CondensationError: if the hub cannot be reached, or does not let you.
            MissingExtra: if packages of the extra ``hub`` are not here.
        """
        return push(self.images, self.card, repository, private=private, message=message)
