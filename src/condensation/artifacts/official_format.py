"""Files of the official project of dataset condensation, such as ``res_DM_CIFAR10_ConvNet_10ipc.pt``."""

import re
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

# Accuracies in the files are numpy scalars, whose constructor has another module name since numpy 2.
_MULTIARRAY: Any = (getattr(np, "_core", None) or np.core).multiarray
ALLOWED: list[Any] = [
    np.dtype,
    type(np.dtype(np.float64)),
    type(np.dtype(np.float32)),
    *((_MULTIARRAY.scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
]
SAFE_SINCE = (2, 6)  # earlier versions of torch.load could run code despite weights_only
OTHER_DATA = 'Name the data set that the file was made from, such as data="fashion-mnist".'


def read_official(path: Path, data: str, which: int = 0) -> tuple[ImageSet, dict[str, Any]]:
    """Return a set and its card from an official file, or from a plain ``[images, labels]`` of ``torch.save``.

    Only tensors, numbers and plain containers are read, so no code can run.
    """
    name = known_name(data)
    published = [key for key, info in DATASETS.items() if info.published]
    if name not in published:
        raise unknown("data set with published constants", data, published)
    content = _load(path)
    sets = content.get("data") if isinstance(content, dict) else content
    sets = [sets] if _is_set(sets) else sets
    if not isinstance(sets, list | tuple) or not sets or not all(map(_is_set, sets)):
        hint = "Expected {'data': [[images, labels], ...]}, as the official project saves, or [images, labels]."
        raise CondensationError(f"{path} holds no condensed set.", hint=hint)
    if not 0 <= which < len(sets):
        raise CondensationError(f"{path} holds {counted(len(sets), 'set')}, counted from 0; got which={which}.", setting="which")
    pixels, labels = sets[which]
    images = _to_images(path, pixels, labels, DATASETS[name])
    card = {
        "settings": {"data": {"source": name, "preprocessing": "published"}},  # with these, evaluation finds the test images
        "data": {"name": name},
        "official": {"file": path.name, "which": which, "sets": len(sets)},
    }
    scores = _scores(content.get("accs_all_exps") if isinstance(content, dict) else None)
    return images, {**card, "scores": scores} if scores else card


def _load(path: Path) -> Any:
    if tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2]) < SAFE_SINCE:
        raise CondensationError(f"Reading {path} safely needs PyTorch {SAFE_SINCE[0]}.{SAFE_SINCE[1]} or newer, not {torch.__version__}.")
    if not path.is_file():
        raise CondensationError(f"There is no file {path}.")
    try:
        with torch.serialization.safe_globals(ALLOWED):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises errors of many types for damaged files
        if forbidden := re.search(r"GLOBAL (\S+)", str(error)):
            raise CondensationError(f"{path} refers to {forbidden[1]}, which could run code, so the file was not read.") from None
        raise CondensationError(f"{path} is incomplete, or not a file of torch.save.", hint="Download it again.") from None


def _is_set(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(part, Tensor) for part in value)


def _to_images(path: Path, images: Tensor, labels: Tensor, info: DatasetInfo) -> ImageSet:
    assert info.published is not None
    images, labels = images.detach(), labels.detach()
    if not images.is_floating_point() or images.ndim != 4 or tuple(images.shape[1:]) != info.shape:
        expected = f"floats (n, {', '.join(map(str, info.shape))}) for {info.title}"
        raise CondensationError(f"Expected images as {expected}, got {images.dtype} {tuple(images.shape)} in {path}.", hint=OTHER_DATA)
    if not bool(images.isfinite().all()):
        raise CondensationError(f"{path} has pixels that are infinite or not a number.")
    if float(images.min()) >= 0 and float(images.max()) <= 1:
        hint = "In Python, CondensedSet(ImageSet.of(...)) takes images with any preprocessing."
        raise CondensationError(f"Expected normalized images, got values in [0, 1] in {path}.", hint=hint)
    if labels.ndim == 2 or labels.is_floating_point():
        raise CondensationError(f"{path} has soft labels. Expected one class label per image.")
    low, high = (int(labels.min()), int(labels.max())) if len(labels) else (0, 0)
    if not 0 <= low <= high < info.classes:
        message = f"Expected labels in 0..{info.classes - 1} for {info.title}, got {low}..{high} in {path}."
        raise CondensationError(message, hint=OTHER_DATA)
    mean, std = (torch.tensor(values) for values in info.published)
    return ImageSet.of(
        images.float(),
        labels,
        info.class_names or tuple(str(label) for label in range(info.classes)),
        preprocessing=Standardize(mean, std),
        flip_invariant=info.flip_invariant,
    )


def _scores(accuracies: Any) -> dict[str, str]:
    """Return the accuracies in the file by network, in percent over all sets and trained networks."""
    scores = {}
    for network, values in accuracies.items() if isinstance(accuracies, dict) else ():
        if isinstance(values, list | tuple) and values and all(isinstance(value, float | int | np.floating) for value in values):
            percent = 100 * np.array(values, dtype=np.float64)
            text = accuracy(percent.mean(), percent.std(), len(values))
            scores[f"by its file, {network}"] = f"{text} ({counted(len(values), 'network')})"
    return scores
