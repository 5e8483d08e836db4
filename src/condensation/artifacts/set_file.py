"""The file of a condensed set: images, labels, preprocessing and card, and soft labels if any, as one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from condensation.core.errors import CondensationError, unknown
from condensation.core.images import ImageSet
from condensation.core.preprocessing import PREPROCESSINGS, Preprocessing
from condensation.core.soft_labels import SoftLabels
from condensation.core.tensor_files import read_tensors, write_tensors

KIND = "condensed set"
SET = "set.safetensors"  # its name in a run folder, and on the hub
PREFIX = "preprocessing."
SOFT = "soft_labels"  # what their tensor, and what the card says of them, is called
WITH_SOFT = 2  # the format of a set with soft labels, which versions that know nothing of them refuse


def write_set(path: Path, images: ImageSet, card: Mapping[str, Any]) -> None:
    """Write a set to one file, at once. Values are kept to the last bit, soft labels beside the classes.

    Raises:
        CondensationError: if it cannot be written.
    """
    whole = whole_card(images, card)
    tensors = {"images": images.images, "labels": images.labels}
    tensors |= preprocessing_tensors(images.preprocessing)
    if images.soft_labels is None:
        return write_tensors(path, KIND, tensors, whole)
    return write_tensors(path, KIND, {**tensors, SOFT: images.soft_labels.values}, whole, WITH_SOFT)


def read_set(path: Path) -> tuple[ImageSet, dict[str, Any]]:
    """The images and the card of a file that `write_set` wrote.

    Raises:
        CondensationError: if it is missing, damaged, or of a later format.
    """
    tensors, card = read_tensors(path, KIND)
    try:
        preprocessing = preprocessing_from(tensors, card.get("preprocessing"))
        images = ImageSet.of(
            tensors["images"],
            tensors["labels"],
            card["class_names"],
            preprocessing=preprocessing,
            flip_invariant=card["mirrored"],
            soft_labels=SoftLabels(tensors[SOFT], card[SOFT]["loss"]) if SOFT in tensors or SOFT in card else None,
        )
    except CondensationError:
        raise
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise CondensationError(f"{path} is damaged: {error} is missing or wrong.\nRestore it from a copy, or make it again.") from None
    return images, card


def whole_card(images: ImageSet, card: Mapping[str, Any]) -> dict[str, Any]:
    """``card`` with what the images themselves say, always in one order, so that equal sets are equal files."""
    own = {
        "class_names": list(images.class_names),
        "mirrored": images.flip_invariant,
        "preprocessing": preprocessing_name(images.preprocessing),
    }
    own |= {SOFT: {"loss": images.soft_labels.loss}} if images.soft_labels else {}
    made = {name: value for name, value in card.items() if name not in {*own, SOFT, "scores"}}
    scores = {"scores": card["scores"]} if "scores" in card else {}
    return {**made, **own, **scores}


def preprocessing_tensors(preprocessing: Preprocessing) -> dict[str, Tensor]:
    """The tensors of a preprocessing, by the names that they have in a file."""
    return {f"{PREFIX}{name}": tensor for name, tensor in preprocessing.tensors().items()}


def preprocessing_from(tensors: Mapping[str, Tensor], kind: object) -> Preprocessing:
    """The preprocessing that a card calls ``kind``, from the tensors of its file.

    Raises:
        CondensationError: if there is no such preprocessing.
    """
    if kind not in PREPROCESSINGS:
        raise unknown("preprocessing", str(kind), PREPROCESSINGS)
    saved = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
    return PREPROCESSINGS[str(kind)](**saved)


def preprocessing_name(preprocessing: Preprocessing) -> str:
    """What a card calls it.

    Raises:
        CondensationError: if it is not one that can be saved.
    """
    names = [name for name, kind in PREPROCESSINGS.items() if kind is type(preprocessing)]
    if not names:
        raise CondensationError(
            f"Only the preprocessings {', '.join(PREPROCESSINGS)} can be saved; this set has {type(preprocessing).__name__}."
        )
    return names[0]
