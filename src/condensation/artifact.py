"""A condensed set on disk: the images, and all that is needed to use them, in one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from condensation.errors import CondensationError, unknown
from condensation.images import ImageSet
from condensation.preprocess import PREPROCESSINGS, Preprocessing
from condensation.storage import read_tensors, write_tensors

KIND = "condensed set"


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
        """A torch data set of (image, label), images (c, h, w) already preprocessed: ready to train on."""
        return TensorDataset(self.images.inputs(), self.images.labels)

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
        preprocessing = self.preprocessing
        names = [name for name, kind in PREPROCESSINGS.items() if kind is type(preprocessing)]
        if not names:
            raise CondensationError(
                f"Only the preprocessings {', '.join(PREPROCESSINGS)} can be saved; this set has {type(preprocessing).__name__}."
            )
        tensors = {"images": self.images.images, "labels": self.images.labels}
        tensors |= {f"preprocessing.{name}": tensor for name, tensor in preprocessing.tensors().items()}
        own = {"class_names": list(self.images.class_names), "mirrored": self.images.mirrored, "preprocessing": names[0]}
        # In one order, whether the card was just made or read from a file, so that equal sets are equal files.
        made = {name: value for name, value in self.card.items() if name not in own and name != "scores"}
        scores = {"scores": self.card["scores"]} if "scores" in self.card else {}
        write_tensors(Path(path), KIND, tensors, {**made, **own, **scores})

    @classmethod
    def load(cls, path: str | Path) -> CondensedSet:
        """Read a set; ``path`` may also be the run folder that holds it.

        Raises:
            CondensationError: if it is missing, damaged, or of a later format.
        """
        path = Path(path)
        path = path / "set.safetensors" if path.is_dir() else path
        tensors, card = read_tensors(path, KIND)
        kind = str(card.get("preprocessing"))
        if kind not in PREPROCESSINGS:
            raise unknown("preprocessing", kind, PREPROCESSINGS)
        try:
            prefix = "preprocessing."
            saved = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
            images = ImageSet.of(
                tensors["images"],
                tensors["labels"],
                card["class_names"],
                preprocessing=PREPROCESSINGS[kind](**saved),
                mirrored=card["mirrored"],
            )
        except (KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise CondensationError(f"{path} is damaged: {error} is missing or wrong.\nRestore it from a copy, or make it again.") from None
        return cls(images, card)


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    return {"condensation": version("condensation"), "torch": torch.__version__, "numpy": np.__version__}
