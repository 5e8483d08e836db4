"""Condensed set: synthetic images and everything needed to train on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import TensorDataset

from condensation.artifacts.export.export import export
from condensation.artifacts.export.hub_client import fetch, push
from condensation.artifacts.official_format import Pixels, read_official
from condensation.artifacts.set_file import SET, part_of, read_set, write_set
from condensation.artifacts.shelf import bundled_path, set_path
from condensation.core.form import Form
from condensation.core.images import ImageSet
from condensation.core.notebook import facts_of, picture_html, table_html
from condensation.core.preprocessing import Preprocessing
from condensation.core.text import accuracy, counted
from condensation.core.trust import Trust
from condensation.evaluation.scores import Scores


@dataclass(frozen=True, eq=False)
class CondensedSet:
    """Synthetic images with labels, class names and preprocessing, and a card that records how they were made.

    >>> from tempfile import TemporaryDirectory
    >>> from condensation import CondensedSet, Random, condense, load
    >>> small = CondensedSet(condense(Random(), load("digits").train, ipc=2))
    >>> with TemporaryDirectory() as folder:
    ...     small.save(f"{folder}/digits.safetensors")
    ...     saved = CondensedSet.load(f"{folder}/digits.safetensors")
    >>> image, label = saved.dataset()[0]
    >>> saved.pictures().shape, image.shape, label.item()
    (torch.Size([20, 1, 8, 8]), torch.Size([1, 8, 8]), 0)
    """

    images: ImageSet
    """The synthetic images, (n, c, h, w), as inputs of a network."""
    card: Mapping[str, Any] = field(default_factory=dict)
    """JSON content that records the settings, the data and the scores."""

    def __repr__(self) -> str:
        made_from = "".join(f"{value!r}, " for name, value in self._origin() if name != "licence" and value)
        return f"CondensedSet({made_from}{self.images})"

    def _repr_html_(self) -> str:
        scores = Scores.from_card(self.card.get("scores"))
        accuracies = [
            (f"accuracy, {name}", f"{accuracy(score.mean, score.deviation, score.count)} % ({counted(score.count, 'network')})")
            for name, score in (scores.sets if scores else {}).items()
        ]
        return table_html("Condensed set", [*self._origin(), *facts_of(self.images), *accuracies], picture_html(self.images))

    def _origin(self) -> list[tuple[str, object]]:
        """Return the data, the method and the terms on the card; empty values if it lacks them."""
        data, method = part_of(self.card, "data"), part_of(self.card, "settings", "method")
        return [("data", data.get("name", "")), ("method", method.get("name", "")), ("licence", data.get("licence", ""))]

    @property
    def preprocessing(self) -> Preprocessing:
        """Map from images in [0, 1], (n, c, h, w), to network inputs; apply it to test images."""
        return self.images.preprocessing

    def dataset(self) -> TensorDataset:
        """Return a torch data set of what a network sees: (preprocessed image (c, h, w), label).

        The images of a set with a form are decoded. A soft label is a vector for ``images.soft_labels.loss``.
        """
        seen = self.images.decoded()
        return TensorDataset(seen.inputs(), seen.soft_labels.values if seen.soft_labels else seen.labels)

    def pictures(self) -> Tensor:
        """Return the stored images without preprocessing, clipped to [0, 1], (n, c, h, w); decoded ones if those are no pictures."""
        return self.images.viewable().pictures()

    def decoded(self) -> CondensedSet:
        """Return the images that a network sees as an ordinary set without a form; this set itself if it has none."""
        return self if self.images.form is None else replace(self, images=self.images.decoded())

    def with_scores(self, scores: Mapping[str, Any]) -> CondensedSet:
        """Return the same set with ``scores`` on its card."""
        return replace(self, card={**self.card, "scores": dict(scores)})

    def save(self, path: str | Path) -> None:
        """Write the set to one file, atomically and exactly. Raise CondensationError if it cannot be written."""
        write_set(Path(path), self.images, self.card)

    @classmethod
    def load(cls, path: str | Path, *, trust: Trust = False) -> CondensedSet:
        """Read a set from its file or its run folder, or the bundled set ``path`` if there is no such file or folder.

        Code and data sets of the hub that the card names are used only with ``trust``, or if they are among its names. Raise
        CondensationError if the set is missing, damaged, or of a later format.
        """
        return cls(*read_set(set_path(Path(path)), trust))

    @classmethod
    def bundled(cls, name: str) -> CondensedSet:
        """Return a set that the package includes, such as ``fashion-mnist-10``. Raise CondensationError with all names for others.

        The card has the accuracy and the terms of the data.

        >>> from condensation import CondensedSet
        >>> small = CondensedSet.bundled("fashion-mnist-10")
        >>> small.images.counts[0], small.images.shape, small.card["data"]["licence"]
        (10, (1, 28, 28), 'MIT')
        """
        return cls(*read_set(bundled_path(name)))

    @classmethod
    def from_official(
        cls,
        path: str | Path,
        *,
        data: str,
        which: int = 0,
        labels: str | Path | None = None,
        form: Form | None = None,
        pixels: Pixels | None = None,
    ) -> CondensedSet:
        """Read set number ``which`` of a file of the official project, such as ``res_DM_CIFAR10_ConvNet_10ipc.pt``, or of its successors.

        ``data`` names the data set in `DATASETS`, which the file does not record; its published constants normalize the images. ``labels``
        is the file of the labels if they are apart. ``form``, such as ``Tiles(2)``, says that each stored image holds several. ``pixels``
        is "unit" for values in [0, 1] and "normalized" for others; None recognizes them. No code in the file can run. Raise
        CondensationError if a file is missing, damaged, no set, or of another data set.
        """
        return cls(*read_official(Path(path), data, which, Path(labels) if labels is not None else None, form, pixels))

    def export(self, path: str | Path, to: str) -> Path:
        """Write the set in the format ``to``, one of `EXPORTS`, to the new folder ``path``, with a card that shows how to train on it."""
        return export(self.images, self.card, Path(path), to)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the set as a data set repository of the Hugging Face hub, like ``export(folder, "hub")``."""
        return self.export(folder, "hub")

    @classmethod
    def from_pretrained(cls, source: str | Path, *, revision: str | None = None) -> CondensedSet:
        """Read a set from a folder of `save_pretrained`, or from a data set repository ``owner/name`` of the Hugging Face hub.

        Raise CondensationError if there is no such folder or repository, the hub cannot be reached, or the set is damaged.
        """
        return cls.load(source if Path(source).is_dir() else fetch(str(source), SET, revision))

    def push_to_hub(self, repository: str, *, private: bool = False, message: str = "Add the condensed set") -> str:
        """Upload the set, its images and its card to the data set repository ``owner/name`` and return its address.

        The repository is created if needed. Log in with ``hf auth login`` or set ``HF_TOKEN``. Raise CondensationError if the hub cannot
        be reached or refuses, and its subclass MissingExtra if packages of the extra ``hub`` are not installed.
        """
        return push(self.images, self.card, repository, private=private, message=message)
