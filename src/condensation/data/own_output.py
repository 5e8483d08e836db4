"""Recognition of what this program wrote, so that it is never read as images of a class."""

import os
import re
from contextlib import suppress
from pathlib import Path

from PIL import Image

from condensation.core.lock import LOCK
from condensation.core.regular_files import LARGEST_TEXT, read_regular
from condensation.core.storage import UNFINISHED
from condensation.data.pack.recognize import is_pack

OWN = "written by this program"  # reason to pass a folder or a picture over
SOFTWARE, MARK = 0x0131, "condensation picture"  # EXIF tag, and its value in each picture that the program draws
PAGE_GENERATOR = "condensation report"  # generator of each page of HTML that the program writes
HEAD = 512  # bytes that hold the tag of a PNG or JPEG file, or the generator of a page
UNNUMBERED = re.compile(r"\D+\.\w+")  # pictures are rarely numbered, images of a data set nearly always
_STUDY = ("settings", "versions", "machine")
# Files of run folders, studies, exports and pools, with some of their keys.
RECORDS = {
    **{f"{name}.json": _STUDY for name in ("settings", "table", "continual", "federated", "privacy", "nas", "pools", "theory", "transfer")},
    "card.json": ("class_names", "mirrored", "preprocessing"),
    "pool.json": ("spec", "bounds", "data"),
}


def picture_mark() -> Image.Exif:
    """Return the EXIF data of a picture that the program draws."""
    exif = Image.Exif()
    exif[SOFTWARE] = MARK
    return exif


def is_marked(image: Image.Image) -> bool:
    """Return whether the program drew ``image``."""
    return bool(image.getexif().get(SOFTWARE) == MARK)


def is_own_picture(path: str, name: str) -> bool:
    """Return whether the program drew the picture at ``path``; only files without a number in their ``name`` are opened."""
    return bool(UNNUMBERED.fullmatch(name)) and _begins_with(path, MARK)


def is_own_page(path: str) -> bool:
    """Return whether the program wrote the page of HTML at ``path``."""
    return path.endswith(".html") and _begins_with(path, f'name="generator" content="{PAGE_GENERATOR}"')


def _begins_with(path: str, mark: str) -> bool:
    """Return whether ``mark`` is in the first bytes of a file."""
    with suppress(OSError), open(path, "rb") as file:
        return mark.encode() in file.read(HEAD)
    return False


def is_own_folder(path: str | Path) -> bool:
    """Return whether the program wrote the folder: a run, a study, an export, a pool, a pack or a cache, or a folder of such folders."""
    return is_pack(Path(path)) or any(_is_record(os.path.join(path, name), keys) for name, keys in RECORDS.items()) or _holds_outputs(path)


def _is_record(path: str, keys: tuple[str, ...]) -> bool:
    with suppress(OSError):
        content = read_regular(path, LARGEST_TEXT)
        return all(f'"{key}"'.encode() in content for key in keys)
    return False


def _holds_outputs(path: str | Path) -> bool:
    """Return whether a folder holds nothing but outputs. Reading stops at the first image, since there may be very many."""
    has_outputs = os.path.basename(path) == "runs"  # the default place of runs, possibly empty
    with suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                has_outputs |= entry.name == LOCK or entry.name.endswith(UNFINISHED)  # of a run that was killed at its start
            elif _is_output(entry):
                has_outputs = True
            else:
                return False
        return has_outputs
    return False


def _is_output(entry: os.DirEntry[str]) -> bool:
    if entry.is_dir(follow_symlinks=False):
        return is_own_folder(entry.path)
    if not entry.is_file():
        return False
    return entry.name.endswith(".safetensors") or is_own_picture(entry.path, entry.name) or is_own_page(entry.path)
