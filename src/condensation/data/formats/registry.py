"""Registry of data formats, in the order in which they are tried."""

from pathlib import Path

from condensation.data.formats.cifar import CIFAR10_FILES, CIFAR100_FILES
from condensation.data.formats.csv_table import CSV
from condensation.data.formats.format import Format
from condensation.data.formats.huggingface import HUGGING_FACE
from condensation.data.formats.idx import IDX
from condensation.data.formats.image_folder import IMAGE_FOLDER
from condensation.data.formats.npz import NPZ, NPZ_FILE
from condensation.data.formats.packed import PACK
from condensation.data.formats.svhn import SVHN_FILES
from condensation.data.formats.tiny_imagenet import TINY_IMAGENET_FILES

# IMAGE_FOLDER is last because it matches any folder with sub-folders.
FORMATS: tuple[Format, ...] = (
    PACK,
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
    """Return the format of the file or folder at ``path``, or None."""
    return next((form for form in FORMATS if form.matches(path)), None)
