"""Files that are either whole or not there: tensors as safetensors, the rest as JSON, never a pickle."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from condensation.core.atomic import UNFINISHED, umask, whole
from condensation.core.errors import CondensationError, NotWritten
from condensation.core.renamed import with_new_names

FORMAT = 2  # the latest that is read; what earlier versions read as well is written as 1


def write(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` at once: whatever happens, the file is the old one or the new one.

    Raises:
        NotWritten: if there is no room or no permission, or the place cannot be; what was there before is still there.
    """
    try:
        with whole(path) as unfinished:
            unfinished.write_bytes(content)
    except OSError as error:
        left = "What was there before is untouched." if os.path.lexists(path) else "Nothing of it is left."
        raise NotWritten(path, error, left) from error


def require_free(path: Path) -> None:
    """Make sure that a new folder can be called ``path``: nothing is overwritten.

    Raises:
        CondensationError: if it is a file, or a folder that is not empty.
    """
    if path.is_dir() and any(path.iterdir()):
        raise CondensationError(f"{path} is not empty; nothing is overwritten.\nRemove it, or choose another folder with --out.")
    if path.exists() and not path.is_dir():
        raise CondensationError(f"{path} is a file; nothing is overwritten.\nChoose a folder with --out.")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which becomes ``path`` once the block ends well; otherwise nothing of it is left.

    Raises:
        CondensationError: if ``path`` is a file or a folder that is not empty, or there is no room or no permission.
    """
    require_free(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED))
        yield temporary
        temporary.chmod(0o777 & ~umask())
        if path.exists():
            path.rmdir()  # empty, which some systems don't let a rename replace
        temporary.rename(path)
    except OSError as error:
        raise NotWritten(path, error, "Nothing of it is left.") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what a kill in the middle of `write` or `new_folder` left in ``folder``."""
    for path in folder.glob(f".*{UNFINISHED}"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_json(path: Path, content: object) -> None:
    """Write ``content`` as indented JSON, at once."""
    write(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        CondensationError: if it is missing or damaged.
    """
    try:
        return with_new_names(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise CondensationError(f"There is no file {path}.") from None
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no JSON, no UTF-8, or a number of thousands of digits
        raise CondensationError(
            f"{path} is damaged or not JSON: {error}.", hint="Restore it from a copy, or remove it to make it again."
        ) from None


def write_tensors(path: Path, kind: str, tensors: dict[str, Tensor], card: dict[str, Any], version: int = 1) -> None:
    """Write tensors and their ``card`` (JSON) as one safetensors file of format ``version``, at once."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(card, ensure_ascii=False)
    metadata = {"kind": kind, "format": str(version), "card": text, "digest": _digest(plain, text)}
    write(path, _in_order(save(plain, metadata)))


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the card of a file that `write_tensors` wrote.

    Raises:
        CondensationError: if the file is missing, damaged, of another kind, or of a later format.
    """
    if not path.is_file():
        raise CondensationError(f"There is no {kind} at {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            found, version = metadata.get("kind"), int(metadata.get("format", "0"))
            if found == kind and version > FORMAT:
                raise _too_new(path, version)
            # Copies, so that the file is free to be replaced: some systems refuse that while it is mapped.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
        text = metadata.get("card", "null")
        card = json.loads(text)
        if metadata.get("digest", _digest(tensors, text)) != _digest(tensors, text):
            raise ValueError("some bytes are not what was written")
    except CondensationError:
        raise
    except (SafetensorError, OSError, ValueError) as error:
        raise CondensationError(f"{path} is damaged, or not a {kind}: {error}.\nRestore it from a copy, or make it again.") from None
    if found != kind or not isinstance(card, dict):
        raise CondensationError(f"{path} is a safetensors file, but not a {kind} (it says: {found or 'nothing'}).")
    return tensors, with_new_names(card)


def read_card(path: Path, kind: str) -> tuple[dict[str, Any], str]:
    """The card of a file that `write_tensors` wrote, and the digest of all that was written; the tensors are not read.

    Raises:
        CondensationError: as `read_tensors`, but for damage to the tensors.
    """
    if not path.is_file():
        raise CondensationError(f"There is no {kind} at {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        card = json.loads(metadata.get("card", "null"))
    except (SafetensorError, OSError, ValueError) as error:
        raise CondensationError(f"{path} is damaged, or not a {kind}: {error}.\nRestore it from a copy, or make it again.") from None
    if metadata.get("kind") != kind or not isinstance(card, dict):
        raise CondensationError(f"{path} is a safetensors file, but not a {kind} (it says: {metadata.get('kind') or 'nothing'}).")
    return with_new_names(card), metadata.get("digest", "")


def _too_new(path: Path, version: int) -> CondensationError:
    return CondensationError(
        f"{path} has format {version}; this version of condensation reads formats up to {FORMAT}.\n"
        "Install a newer one: pip install -U condensation"
    )


def _in_order(content: bytes) -> bytes:
    """A safetensors file with its header sorted: the library writes it in an order that changes from process to process."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors begin at a multiple of 8 bytes
    return len(header).to_bytes(8, "little") + header + content[end:]


def _digest(tensors: dict[str, Tensor], card: str) -> str:
    digest = hashlib.blake2b(card.encode(), digest_size=16)
    for name in sorted(tensors):
        digest.update(repr((name, str(tensors[name].dtype), tuple(tensors[name].shape))).encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def pack(tree: Any, keep: Callable[[Tensor], str]) -> Any:
    """Nested dicts and lists as JSON, each tensor given to ``keep``, which names it."""
    if isinstance(tree, Tensor):
        return {"tensor": keep(tree)}
    if isinstance(tree, dict):
        # As pairs, since JSON would turn the whole numbers that optimisers use as keys into strings.
        return {"dict": [[key, pack(value, keep)] for key, value in tree.items()]}
    if isinstance(tree, list | tuple):
        return {"list": [pack(value, keep) for value in tree]}
    return {"value": tree}


def unpack(packed: Any, tensors: dict[str, Tensor]) -> Any:
    """What `pack` packed."""
    if "tensor" in packed:
        return tensors[packed["tensor"]]
    if "dict" in packed:
        return {key: unpack(value, tensors) for key, value in packed["dict"]}
    if "list" in packed:
        return [unpack(value, tensors) for value in packed["list"]]
    return packed["value"]


def to_tensors(tree: Any) -> tuple[dict[str, Tensor], Any]:
    """A nested state as named tensors and JSON."""
    tensors: dict[str, Tensor] = {}

    def keep(tensor: Tensor) -> str:
        name = str(len(tensors))
        tensors[name] = tensor.detach().to("cpu", copy=True)
        return name

    return tensors, pack(tree, keep)


__all__ = [
    "FORMAT",
    "UNFINISHED",
    "new_folder",
    "read_card",
    "read_json",
    "read_tensors",
    "remove_unfinished",
    "require_free",
    "to_tensors",
    "unpack",
    "write",
    "write_json",
    "write_tensors",
]
