"""File format of a condensed set: images, labels, preprocessing, soft labels and card in one safetensors file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from condensation.core.errors import CondensationError, unknown
from condensation.core.images import ImageSet
from condensation.core.preprocessing import PREPROCESSINGS, Preprocessing
from condensation.core.records import as_record
from condensation.core.soft_labels import SoftLabels
from condensation.core.storage import RESTORE
from condensation.core.tensor_files import read_tensors, write_tensors

KIND = "condensed set"
SET = "set.safetensors"  # file name in a run folder and on the hub
PREFIX = "preprocessing."
SOFT_LABELS = "soft_labels"  # name of the tensor, and of the entry on the card
SOFT_LABELS_FORMAT = 2  # file format of a set with soft labels, which versions without them refuse


@dataclass(frozen=True)
class SoftLabelsEntry:
    """Entry of a card about soft labels."""

    loss: str


@dataclass(frozen=True, kw_only=True)
class ImagesCard:
    """Fields of a card that describe images."""

    class_names: tuple[str, ...]
    mirrored: bool
    preprocessing: str


@dataclass(frozen=True, kw_only=True)
class SetCard(ImagesCard):
    """Fields of a card from which a set is read."""

    soft_labels: SoftLabelsEntry | None = None


def write_set(path: Path, images: ImageSet, card: Mapping[str, Any]) -> None:
    """Write a set to one file, atomically and exactly.

    Raises:
        CondensationError: if it cannot be written.
    """
    content = complete_card(images, card)
    tensors = {"images": images.images, "labels": images.labels, **preprocessing_tensors(images.preprocessing)}
    if images.soft_labels is None:
        return write_tensors(path, KIND, tensors, content)
    return write_tensors(path, KIND, {**tensors, SOFT_LABELS: images.soft_labels.values}, content, SOFT_LABELS_FORMAT)


def read_set(path: Path) -> tuple[ImageSet, dict[str, Any]]:
    """Return the images and the card of a file that `write_set` wrote.

    Raises:
        CondensationError: if it is missing, damaged, or of a later format; the message names the field.
    """
    tensors, content = read_tensors(path, KIND)
    card = as_record(content, SetCard, str(path))
    wanted = ("images", "labels", *((SOFT_LABELS,) if card.soft_labels else ()))
    images, labels, *soft = (required_tensor(path, tensors, name) for name in wanted)
    soft_labels = SoftLabels(soft[0], card.soft_labels.loss) if card.soft_labels else None
    preprocessing = read_preprocessing(path, tensors, card.preprocessing)
    return (
        ImageSet.of(images, labels, card.class_names, preprocessing=preprocessing, flip_invariant=card.mirrored, soft_labels=soft_labels),
        content,
    )


def complete_card(images: ImageSet, card: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``card`` with the fields of `SetCard`, in a fixed order, so that equal sets are equal files."""
    fields = {
        "class_names": list(images.class_names),
        "mirrored": images.flip_invariant,
        "preprocessing": preprocessing_name(images.preprocessing),
    }
    fields |= {SOFT_LABELS: {"loss": images.soft_labels.loss}} if images.soft_labels else {}
    others = {name: value for name, value in card.items() if name not in {*fields, SOFT_LABELS, "scores"}}
    scores = {"scores": card["scores"]} if "scores" in card else {}
    return {**others, **fields, **scores}


def required_tensor(path: Path, tensors: Mapping[str, Tensor], name: str) -> Tensor:
    """Return the tensor ``name`` of a file.

    Raises:
        CondensationError: if it is missing.
    """
    if name not in tensors:
        raise CondensationError(f"{path}: the tensor {name!r} is missing.", hint=RESTORE)
    return tensors[name]


def preprocessing_tensors(preprocessing: Preprocessing) -> dict[str, Tensor]:
    """Return the tensors of a preprocessing by their names in a file."""
    return {f"{PREFIX}{name}": tensor for name, tensor in preprocessing.tensors().items()}


def read_preprocessing(path: Path, tensors: Mapping[str, Tensor], name: str) -> Preprocessing:
    """Return the preprocessing ``name`` from the tensors of its file.

    Raises:
        CondensationError: if there is no such preprocessing, or its tensors are not in the file.
    """
    if name not in PREPROCESSINGS:
        raise unknown("preprocessing", name, PREPROCESSINGS)
    saved = {key.removeprefix(PREFIX): tensor for key, tensor in tensors.items() if key.startswith(PREFIX)}
    try:
        return PREPROCESSINGS[name](**saved)
    except TypeError:
        raise CondensationError(f"{path}: the tensors of the preprocessing {name!r} are missing.", hint=RESTORE) from None


def preprocessing_name(preprocessing: Preprocessing) -> str:
    """Return the name of a preprocessing on a card.

    Raises:
        CondensationError: if it is not one that can be saved.
    """
    for name, kind in PREPROCESSINGS.items():
        if kind is type(preprocessing):
            return name
    known = ", ".join(PREPROCESSINGS)
    raise CondensationError(f"Expected one of the preprocessings {known}, which can be saved; got {type(preprocessing).__name__}.")
