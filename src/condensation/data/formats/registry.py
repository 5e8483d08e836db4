"""Every format that is read, in the order in which they are tried."""

from __future__ import annotations

from pathlib import Path

from condensation.data.dataset import Format
from condensation.data.formats.cifar import CIFAR10_FILES, CIFAR100_FILES
from condensation.data.formats.csv_table import CSV
from condensation.data.formats.huggingface import HUGGING_FACE
from condensation.data.formats.idx import IDX
from condensation.data.formats.image_folder import IMAGE_FOLDER
from condensation.data.formats.npz import NPZ, NPZ_FILE
from condensation.data.formats.svhn import SVHN_FILES
from condensation.data.formats.tiny_imagenet import TINY_IMAGENET_FILES

# A folder of images is anything with sub-folders, so it comes last.
FORMATS: tuple[Format, ...] = (
    NPZ,
    NPZ_FILE,
    IDX,
    CIFAR10_FILES,
    CIFAR100_FILES,
    SVHN_FILES,
    TINY_IMAGENET_FILES,
    CSV,
    HUGGING_FACE,
    IMAGE_FOLDER,
)


def format_of(path: Path) -> Format | None:
    """The format of what lies at ``path``, a file or a folder; None if it is none of them."""
    return next((one for one in FORMATS if one.holds(path)), None)
