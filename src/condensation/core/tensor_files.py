"""Tensors with a JSON card in one safetensors file, with a digest; no pickle."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from condensation.core import memory
from condensation.core.errors import NEWER, CondensationError
from condensation.core.regular_files import LARGEST_TEXT, open_regular
from condensation.core.renamed import with_new_names
from condensation.core.storage import RESTORE, parsed, write

FORMAT = 3  # the latest format; files that earlier versions can read are written as 1


def write_tensors(path: Path, kind: str, tensors: dict[str, Tensor], card: dict[str, Any], version: int = 1) -> None:
    """Write ``tensors`` and their ``card`` (JSON) as one safetensors file of format ``version``, atomically."""
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(card, ensure_ascii=False)
    metadata = {"kind": kind, "format": str(version), "card": text, "digest": _digest(on_cpu, text)}
    write(path, _with_sorted_header(save(on_cpu, metadata)))


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the card of a file. Raise CondensationError if it is missing, damaged, of another kind or a later format."""
    tensors, card, _ = _read(path, kind, with_tensors=True)
    return tensors, card


def read_card(path: Path, kind: str) -> tuple[dict[str, Any], str]:
    """Return the card of a file that `write_tensors` wrote, and the digest of its content, without reading and checking the tensors."""
    _, card, digest = _read(path, kind, with_tensors=False)
    return card, digest


def _read(path: Path, kind: str, with_tensors: bool) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    if not path.is_file():
        raise CondensationError(f"There is no {kind} at {path}.")
    try:
        with open_regular(path) as content:
            if int.from_bytes(content.read(8), "little") > LARGEST_TEXT:
                raise ValueError(f"its header has more than {LARGEST_TEXT:,} bytes")
        if with_tensors:
            memory.require(path.stat().st_size, f"Reading {path}")
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            actual, version = metadata.get("kind"), int(metadata.get("format", "0"))
            if actual == kind and version > FORMAT:
                message = f"{path} has format {version}; this version of condensation reads formats up to {FORMAT}."
                raise CondensationError(message, hint=NEWER)
            # Copies, because some systems refuse to replace a file while it is mapped.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()} if with_tensors else {}
        text, digest = metadata.get("card", "null"), metadata.get("digest", "")
        card = with_new_names(parsed(text))
        if with_tensors and digest and digest != _digest(tensors, text):
            raise ValueError("its digest does not match its content")
    except CondensationError:
        raise
    except (SafetensorError, OSError, ValueError) as error:
        raise CondensationError(f"{path} is damaged, or not a {kind}: {error}.", hint=RESTORE) from None
    if actual != kind or not isinstance(card, dict):
        raise CondensationError(f"{path} is a safetensors file, but not a {kind} (it says: {actual or 'nothing'}).")
    return tensors, card, digest


def _with_sorted_header(content: bytes) -> bytes:
    """Return a safetensors file with a sorted header; the library writes it in an order that varies between processes."""
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


def to_tensors(tree: Any) -> tuple[dict[str, Tensor], Any]:
    """Return a nested state as named tensors, copied to the CPU, and JSON that refers to them."""
    tensors: dict[str, Tensor] = {}

    def pack(value: Any) -> Any:
        if isinstance(value, Tensor):
            name = str(len(tensors))
            tensors[name] = value.detach().to("cpu", copy=True)
            return {"tensor": name}
        if isinstance(value, dict):
            # As pairs, because JSON would turn the integer keys of optimizers into strings.
            return {"dict": [[key, pack(item)] for key, item in value.items()]}
        return {"list": [pack(item) for item in value]} if isinstance(value, list | tuple) else {"value": value}

    return tensors, pack(tree)


def unpack(packed: Any, tensors: dict[str, Tensor]) -> Any:
    """Return the nested state from which `to_tensors` made ``packed`` and ``tensors``."""
    if "tensor" in packed:
        return tensors[packed["tensor"]]
    if "dict" in packed:
        return {key: unpack(value, tensors) for key, value in packed["dict"]}
    if "list" in packed:
        return [unpack(value, tensors) for value in packed["list"]]
    return packed["value"]
