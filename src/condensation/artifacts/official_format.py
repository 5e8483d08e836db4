"""Files of the official project of dataset condensation, such as ``res_DM_CIFAR10_ConvNet_10ipc.pt``, and of its successors.

IDC, DREAM, M3D, DANCE and NCFM save ``[images, labels]`` with pixels in [0, 1], as mosaics of tiles that they decode before training. MTT,
FTD and DATM save two files of one tensor each.
"""

import pickletools
import re
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import torch
from torch import Tensor

from condensation.core import memory
from condensation.core.errors import CondensationError, unknown
from condensation.core.form import Form
from condensation.core.images import ImageSet
from condensation.core.preprocessing import Standardize
from condensation.core.regular_files import open_regular
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
# A file of the official project has a few hundred objects and calls; each call may copy the longest string.
LEGACY_PICKLES = 4  # files of torch.save before PyTorch 1.6 begin with these
CALLS = ("REDUCE", "BUILD", "NEWOBJ")
MOST_OPERATIONS = 1_000_000
MOST_COPIED = 1_000_000_000  # calls times bytes of text
SAFE_SINCE = (2, 6)  # earlier versions of torch.load could run code despite weights_only
Pixels = Literal["normalized", "unit"]  # unit: in [0, 1], as far as they were clamped
# Values in [0, 1] have a standard deviation of at most 1/2, normalized ones about 1.
NORMALIZED_SPREAD = 0.6
OTHER_DATA = 'Name the data set that the file was made from, such as data="fashion-mnist".'


def read_official(
    path: Path, data: str, which: int = 0, labels: Path | None = None, form: Form | None = None, pixels: Pixels | None = None
) -> tuple[ImageSet, dict[str, Any]]:
    """Return a set and its card from an official file, from a plain ``[images, labels]``, or from a file of images and one of ``labels``.

    ``form`` is how the images hold those that a network sees. ``pixels`` None recognizes their range, or raises CondensationError if it is
    in doubt. Only tensors, numbers and plain containers are read, so no code can run.
    """
    name = known_name(data)
    published = [key for key, info in DATASETS.items() if info.published]
    if name not in published:
        raise unknown("data set with published constants", data, published)
    content = _load(path)
    if labels is not None or isinstance(content, Tensor):
        content = _pair(path, content, labels)
    sets = content.get("data") if isinstance(content, dict) else content
    sets = [sets] if _is_set(sets) else sets
    if not isinstance(sets, list | tuple) or not sets or not all(map(_is_set, sets)):
        hint = "Expected {'data': [[images, labels], ...]}, as the official project saves, or [images, labels]."
        raise CondensationError(f"{path} holds no condensed set.", hint=hint)
    if not 0 <= which < len(sets):
        raise CondensationError(f"{path} holds {counted(len(sets), 'set')}, counted from 0; got which={which}.", setting="which")
    stored, stored_labels = sets[which]
    images = _to_images(path, stored, stored_labels, DATASETS[name], form, pixels)
    card = {
        "settings": {"data": {"source": name, "preprocessing": "published"}},  # with these, evaluation finds the test images
        "data": {"name": name},
        "official": {"file": path.name, "which": which, "sets": len(sets)},
    }
    scores = _scores(content.get("accs_all_exps") if isinstance(content, dict) else None)
    return images, {**card, "scores": scores} if scores else card


def _pair(path: Path, images: Any, labels: Path | None) -> list[Tensor]:
    """Return the tensors of a file of images and one of labels."""
    if labels is None:
        hint = 'Name the file of their labels, such as labels="labels_best.pt".'
        raise CondensationError(f"{path} holds one tensor, without labels.", hint=hint, setting="labels")
    values = _load(labels)
    for file, content in ((path, images), (labels, values)):
        if not isinstance(content, Tensor):
            hint = "A file of images and labels needs no labels=...; two files hold one tensor each."
            raise CondensationError(f"Expected a single tensor in {file}.", hint=hint, setting="labels")
    return [images, values]


def _load(path: Path) -> Any:
    if tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2]) < SAFE_SINCE:
        raise CondensationError(f"Reading {path} safely needs PyTorch {SAFE_SINCE[0]}.{SAFE_SINCE[1]} or newer, not {torch.__version__}.")
    if not path.is_file():
        raise CondensationError(f"There is no file {path}.")
    memory.require(2 * path.stat().st_size, f"Reading {path}", "Close other programs, or use a machine with more memory.")
    try:
        is_zip = zipfile.is_zipfile(path)
        _check_pickles(path, is_zip)
        with torch.serialization.safe_globals(ALLOWED):
            # Mapped, so that storages end with the file, whatever sizes the file gives them.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except Exception as error:  # torch raises errors of many types for damaged files
        if forbidden := re.search(r"GLOBAL (\S+)", str(error)):
            raise CondensationError(f"{path} refers to {forbidden[1]}, which could run code, so the file was not read.") from None
        raise CondensationError(f"{path} is incomplete, or not a file of torch.save.", hint="Download it again.") from None


def _check_pickles(path: Path, is_zip: bool) -> None:
    """Check that reading the objects of a file cannot take far more memory or time than the file is large. Raise ValueError otherwise."""
    with ExitStack() as stack:
        pickles: list[IO[bytes]] = [stack.enter_context(open_regular(path))] * LEGACY_PICKLES
        if is_zip:
            archive = stack.enter_context(zipfile.ZipFile(path))
            if any(entry.compress_type != zipfile.ZIP_STORED or entry.file_size > path.stat().st_size for entry in archive.infolist()):
                raise ValueError("it is compressed, unlike files of torch.save")
            pickles = [stack.enter_context(archive.open(name)) for name in archive.namelist() if name.endswith(".pkl")]
        for file in pickles:
            calls = size = 0
            for count, (operation, argument, _) in enumerate(pickletools.genops(file)):
                calls += operation.name in CALLS
                size += len(argument) if isinstance(argument, str | bytes) else 1
                if count > MOST_OPERATIONS or calls * size > MOST_COPIED:
                    raise ValueError("it holds too many objects")


def _is_set(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(part, Tensor) for part in value)


def _normalized(path: Path, images: Tensor, preprocessing: Standardize, pixels: Pixels | None) -> Tensor:
    """Return normalized images, checking that ``pixels`` is possible."""
    low, high = float(images.min()), float(images.max())
    possible = {"unit": float(images.std(correction=0)) < NORMALIZED_SPREAD, "normalized": low < 0 or high > 1}
    if pixels is None and all(possible.values()):
        hint = 'Pass pixels="unit" or pixels="normalized".'
        raise CondensationError(f"{path} has pixels from {low:.2f} to {high:.2f}: in [0, 1], or normalized?", hint=hint, setting="pixels")
    if pixels not in (None, *possible):
        raise unknown("range of pixels", pixels, possible, setting="pixels")
    if pixels and not possible[pixels]:
        message = f"{path} has pixels from {low:.2f} to {high:.2f}, which contradicts pixels={pixels!r}."
        raise CondensationError(message, hint="Leave it out to have the range recognized.", setting="pixels")
    return preprocessing(images) if pixels == "unit" or not possible["normalized"] else images


def _to_images(path: Path, images: Tensor, labels: Tensor, info: DatasetInfo, form: Form | None, pixels: Pixels | None) -> ImageSet:
    assert info.published is not None
    for tensor in (images, labels):
        if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_quantized or tensor.is_nested:
            raise CondensationError(f"{path} has tensors that are not plain arrays.", hint=OTHER_DATA)
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            message = f"{path} has a tensor of {tensor.numel():,} numbers in a smaller storage."
            raise CondensationError(message, hint="Download it again.")
    if not images.numel():
        raise CondensationError(f"{path} has no images.")
    images, labels = images.detach(), labels.detach()
    if not images.is_floating_point() or images.ndim != 4 or tuple(images.shape[1:]) != info.shape:
        expected = f"floats (n, {', '.join(map(str, info.shape))}) for {info.title}"
        raise CondensationError(f"Expected images as {expected}, got {images.dtype} {tuple(images.shape)} in {path}.", hint=OTHER_DATA)
    if not bool(images.isfinite().all()):
        raise CondensationError(f"{path} has pixels that are infinite or not a number.")
    if labels.ndim == 2 or labels.is_floating_point():
        raise CondensationError(f"{path} has soft labels. Expected one class label per image.")
    if labels.shape != images.shape[:1] or labels.is_complex() or labels.dtype == torch.bool:
        got = f"{labels.dtype} {tuple(labels.shape)}"
        raise CondensationError(f"Expected {len(images)} whole numbers in {path}, one label per image, got {got}.")
    low, high = int(labels.min()), int(labels.max())
    if not 0 <= low <= high < info.classes:
        message = f"Expected labels in 0..{info.classes - 1} for {info.title}, got {low}..{high} in {path}."
        raise CondensationError(message, hint=OTHER_DATA)
    preprocessing = Standardize(*(torch.tensor(values) for values in info.published))
    if form:
        try:
            form.check(info.shape, preprocessing)
        except CondensationError as error:
            message = f"{error.message} Files whose tiles were padded cannot be read."
            raise CondensationError(message, hint=error.hint, setting="form") from None
    return ImageSet.of(
        _normalized(path, images.float(), preprocessing, pixels),
        labels,
        info.class_names or tuple(str(label) for label in range(info.classes)),
        preprocessing=preprocessing,
        flip_invariant=info.flip_invariant,
        form=form,
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
