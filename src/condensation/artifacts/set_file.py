"""File format of a condensed set: images, labels, preprocessing, soft labels and card in one safetensors file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from condensation.artifacts.shelf import SET as SET
from condensation.core.errors import CondensationError, unknown
from condensation.core.form import form_from_json
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.preprocessing import PREPROCESSINGS, Preprocessing
from condensation.core.records import as_record
from condensation.core.soft_labels import SoftLabels
from condensation.core.storage import RESTORE
from condensation.core.tensor_files import read_tensors, write_tensors
from condensation.core.trust import Trust, from_file

KIND = "condensed set"
PREFIX = "preprocessing."
SOFT_LABELS = "soft_labels"  # name of the tensor, and of the entry on the card
# File formats; versions that do not support one reject it by name.
SOFT_LABELS_FORMAT, FORM_FORMAT = 2, 3
FORM = "form"  # entry of the card


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
    form: dict[str, Any] | None = None


def write_set(path: Path, images: ImageSet, card: Mapping[str, Any]) -> None:
    """Write a set to one file, atomically and exactly. Raise CondensationError if it cannot be written."""
    content = complete_card(images, card)
    tensors = {"images": images.images, "labels": images.labels, **preprocessing_tensors(images.preprocessing)}
    if images.soft_labels:
        tensors[SOFT_LABELS] = images.soft_labels.values
    version = FORM_FORMAT if images.form else SOFT_LABELS_FORMAT if images.soft_labels else 1
    write_tensors(path, KIND, tensors, content, version)


def read_set(path: Path, trust: Trust = False) -> tuple[ImageSet, dict[str, Any]]:
    """Return the images and the card of a file; names on the card are used only with ``trust``.

    Raise CondensationError if the file is missing, damaged, or of a later format.
    """
    tensors, content = read_tensors(path, KIND)
    card = as_record(content, SetCard, str(path))
    wanted = ("images", "labels", *((SOFT_LABELS,) if card.soft_labels else ()))
    if missing := [name for name in wanted if name not in tensors]:
        raise CondensationError(f"{path}: the tensor {missing[0]!r} is missing.", hint=RESTORE)
    pixels, labels, *values = (tensors[name] for name in wanted)
    soft = SoftLabels(values[0], card.soft_labels.loss) if card.soft_labels else None
    preprocessing = read_preprocessing(path, tensors, card.preprocessing)
    form = form_from_json(card.form) if card.form else None
    images = ImageSet.of(
        pixels.float() if pixels.dtype == torch.float16 else pixels,
        labels,
        card.class_names,
        preprocessing=preprocessing,
        flip_invariant=card.mirrored,
        soft_labels=soft,
        form=form,
    )
    check_preprocessing(path, images)
    return images, from_file(content, path, trust)


def check_preprocessing(path: Path, images: ImageSet) -> None:
    """Raise CondensationError unless the preprocessing of a file and its inverse fit the shape of its ``images``."""
    preprocessing, black = images.preprocessing, torch.zeros(1, *images.shape)
    constants = [tensor for name, tensor in preprocessing.tensors().items() if name in ("mean", "std")]
    try:
        results: tuple[Tensor, ...] = (preprocessing(black), preprocessing.inverse(black))
    except (RuntimeError, IndexError):  # the tensors of the preprocessing have other sizes
        results = ()
    fits = [each.shape == black.shape and bool(each.isfinite().all()) for each in results]
    if not results or not all(fits) or any(tensor.shape != images.shape[:1] for tensor in constants):
        name = type(preprocessing).__name__.lower()
        raise CondensationError(f"{path}: the preprocessing {name!r} does not fit images of {images.shape}.", hint=RESTORE)


def part_of(card: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """Return the part of a card below ``names``; empty if it is missing or no table."""
    for name in names:
        part = card.get(name)
        card = part if isinstance(part, Mapping) else {}
    return card


def complete_card(images: ImageSet, card: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``card`` with the fields of `SetCard`, in a fixed order, so that equal sets give identical files."""
    fields = images_card(images)
    fields |= {SOFT_LABELS: {"loss": images.soft_labels.loss}} if images.soft_labels else {}
    fields |= {FORM: {**to_dict(images.form), "seen": images.seen}} if images.form else {}
    others = {name: value for name, value in card.items() if name not in {*fields, SOFT_LABELS, FORM, "scores"}}
    scores = {"scores": card["scores"]} if "scores" in card else {}
    return {**others, **fields, **scores}


def images_card(images: ImageSet) -> dict[str, Any]:
    """Return the fields of `ImagesCard`. Raise CondensationError for a user-defined preprocessing, which cannot be saved."""
    names, kind = {kind: name for name, kind in PREPROCESSINGS.items()}, type(images.preprocessing)
    if kind not in names:
        known = ", ".join(PREPROCESSINGS)
        raise CondensationError(f"Expected one of the preprocessings {known}, which can be saved; got {kind.__name__}.")
    return {"class_names": list(images.class_names), "mirrored": images.flip_invariant, "preprocessing": names[kind]}


def preprocessing_tensors(preprocessing: Preprocessing) -> dict[str, Tensor]:
    """Return the tensors of a preprocessing by their names in a file."""
    return {f"{PREFIX}{name}": tensor for name, tensor in preprocessing.tensors().items()}


def read_preprocessing(path: Path, tensors: Mapping[str, Tensor], name: str) -> Preprocessing:
    """Return the preprocessing ``name`` from the tensors of its file. Raise CondensationError if the name or a tensor is unknown."""
    if name not in PREPROCESSINGS:
        raise unknown("preprocessing", name, PREPROCESSINGS)
    saved = {key.removeprefix(PREFIX): tensor for key, tensor in tensors.items() if key.startswith(PREFIX)}
    try:
        return PREPROCESSINGS[name](**saved)
    except TypeError:
        raise CondensationError(f"{path}: the tensors of the preprocessing {name!r} are missing.", hint=RESTORE) from None
