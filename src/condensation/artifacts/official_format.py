"""Sets of the official project of dataset condensation: files named like ``res_DM_CIFAR10_ConvNet_10ipc.pt``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from condensation.core.errors import CondensationError, unknown
from condensation.core.images import ImageSet
from condensation.core.preprocessing import Standardize
from condensation.core.text import accuracy, counted
from condensation.data.catalogue import DATASETS, DatasetInfo, known_name

# Accuracies lie in the files as numpy's numbers. Before numpy 2 the function that makes them had another name.
_SCALAR: Any = getattr(np, "_core", None) or np.core
NUMBERS: list[Any] = [
    np.dtype,
    type(np.dtype(np.float64)),
    type(np.dtype(np.float32)),
    (_SCALAR.multiarray.scalar, "numpy.core.multiarray.scalar"),
    (_SCALAR.multiarray.scalar, "numpy._core.multiarray.scalar"),
]
SAFE_SINCE = (2, 6)  # before, torch.load could be made to run code even with weights_only


def read_official(path: Path, data: str, which: int = 0) -> tuple[ImageSet, dict[str, Any]]:
    """One of the sets in an official file, or in a plain ``[images, labels]`` that torch.save wrote, and a card.

    The images are normalised by the constants published for the data set, which the file does not name. Nothing but
    tensors, numbers and plain containers is read, so no code can run.

    Raises:
        CondensationError: if the file is missing, damaged or holds anything else, or its images are not of that data set.
    """
    name = known_name(data)
    having = [key for key, info in DATASETS.items() if info.published]
    if name not in having:
        raise unknown("data set with published constants", data, having)
    content = _load(path)
    sets = content.get("data") if isinstance(content, dict) else content
    if isinstance(sets, list | tuple) and len(sets) == 2 and all(isinstance(part, Tensor) for part in sets):
        sets = [sets]
    if not isinstance(sets, list | tuple) or not sets or not all(_is_set(one) for one in sets):
        raise CondensationError(
            f"{path} holds no condensed set.\nIt must hold {{'data': [[images, labels], ...]}}, as the official project saves, or "
            "[images, labels]."
        )
    if not 0 <= which < len(sets):
        raise CondensationError(
            f"{path} holds {len(sets)} {'set' if len(sets) == 1 else 'sets'}; there is no number {which}. Count from 0."
        )
    images = _checked(path, sets[which], name)
    official = {"file": path.name, "which": which, "sets": len(sets)}
    # Judging looks here for the test images.
    card = {"settings": {"data": {"source": name, "preprocessing": "published"}}, "data": {"name": name}, "official": official}
    scores = _scores(content.get("accs_all_exps") if isinstance(content, dict) else None)
    return images, {**card, "scores": scores} if scores else card


def _load(path: Path) -> Any:
    if tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2]) < SAFE_SINCE:
        raise CondensationError(
            f"Reading {path} safely needs PyTorch {'.'.join(map(str, SAFE_SINCE))} or newer; this is {torch.__version__}."
        )
    if not path.is_file():
        raise CondensationError(f"There is no file {path}.")
    try:
        with torch.serialization.safe_globals(NUMBERS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises errors of many types on damaged files
        forbidden = re.search(r"GLOBAL (\S+)", str(error))
        if forbidden:
            raise CondensationError(
                f"{path} asks for {forbidden[1]}, which no condensed set needs and which could run code. Nothing of it was run."
            ) from None
        raise CondensationError(f"{path} is cut off, or not a file of torch.save.\nGet it again.") from None


def _is_set(one: Any) -> bool:
    return isinstance(one, list | tuple) and len(one) == 2 and all(isinstance(part, Tensor) for part in one)


def _checked(path: Path, one: Sequence[Tensor], name: str) -> ImageSet:
    info = DATASETS[name]
    images, labels = (part.detach() for part in one)
    if not images.is_floating_point() or images.ndim != 4 or tuple(images.shape[1:]) != info.shape:
        raise CondensationError(
            f"{path} has images {tuple(images.shape)} of {images.dtype}; {info.title} has floats (n, {', '.join(map(str, info.shape))}).\n"
            "Name the data set that it was made from with --data."
        )
    if not bool(images.isfinite().all()):
        raise CondensationError(f"{path} has images with values that are no numbers.")
    if float(images.min()) >= 0 and float(images.max()) <= 1:
        raise CondensationError(
            f"The images in {path} lie in 0 to 1, so they are not normalised as those of the official project are.\n"
            "In Python, CondensedSet(ImageSet.of(...)) takes them with the preprocessing that they have."
        )
    names = info.class_names or tuple(str(label) for label in range(info.classes))
    _check_labels(path, labels, info)
    mean, std = (torch.tensor(values) for values in _constants(info))
    return ImageSet.of(images.float(), labels, names, preprocessing=Standardize(mean, std), flip_invariant=info.flip_invariant)


def _check_labels(path: Path, labels: Tensor, info: DatasetInfo) -> None:
    if labels.ndim == 2 or labels.is_floating_point():
        raise CondensationError(f"{path} has soft labels; sets with one class an image can be read.")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < info.classes:
        raise CondensationError(
            f"Labels in {path} run from {int(labels.min())} to {int(labels.max())}; {info.title} has classes 0 to {info.classes - 1}.\n"
            "Name the data set that it was made from with --data."
        )


def _constants(info: DatasetInfo) -> tuple[tuple[float, ...], tuple[float, ...]]:
    assert info.published is not None
    return info.published


def _scores(accuracies: Any) -> dict[str, str]:
    """What the file says of accuracies, by network: over all sets and networks, in percent."""
    if not isinstance(accuracies, dict):
        return {}
    found = {}
    for network, values in accuracies.items():
        if isinstance(values, list | tuple) and values and all(isinstance(value, float | int | np.floating) for value in values):
            percent = 100 * np.array(values, dtype=np.float64)
            found[f"by its file, {network}"] = f"{accuracy(percent.mean(), percent.std(), len(values))} ({counted(len(values), 'network')})"
    return found
