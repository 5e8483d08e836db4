"""Damage of bytes, of JSON values and of safetensors headers."""

import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import strategies

HEADER = 600  # bytes at the beginning, where damage matters most
DEEP = ("[" * 100_000, '{"a":' * 100_000, "[" * 900 + "]" * 900, "9" * 10_000, "NaN", "1e999", '"\\ud800"', "")
WRONG: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    3,
    2**63,
    -(2**70),
    1e308,
    float("inf"),
    "",
    "x",
    "\x1b[31mred\x07\nline",
    "A" * 5000,
    "../../x",
)
WRONG += ([], [1, "a"], {}, {"a": 1}, [[[]]], {"name": "dm"}, {"name": 5}, {"name": "none"})
JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text(max_size=30),
    lambda inner: strategies.lists(inner, max_size=4) | strategies.dictionaries(strategies.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


def drawn(strategy: "strategies.SearchStrategy[Any]", rng: random.Random) -> Any:
    """Return a value that Hypothesis draws with a seed from ``rng``."""
    values: list[Any] = []

    @hypothesis.seed(rng.getrandbits(32))
    @hypothesis.settings(
        max_examples=6, database=None, deadline=None, phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.given(strategy)
    def keep(value: Any) -> None:
        values.append(value)

    keep()
    return values[-1]  # the first is the simplest


def bytes_of(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Return damaged bytes and a description."""
    size = len(content)
    at = rng.randrange(max(1, min(size, HEADER) if rng.random() < 0.4 else size))
    way = rng.choice(("cut", "cut", "bit", "bit", "bytes", "zeros", "ones", "inserted", "doubled", "swapped", "tail", "head", "empty"))
    changed = bytearray(content)
    if way == "cut":
        changed = changed[:at]
    elif way == "bit" and size:
        changed[at] ^= 1 << rng.randrange(8)
    elif way == "bytes" and size:
        for _ in range(rng.randint(2, 40)):
            changed[rng.randrange(size)] = rng.randrange(256)
    elif way in ("zeros", "ones"):
        end = min(size, at + rng.randint(1, 400))
        changed[at:end] = bytes([255 * (way == "ones")]) * (end - at)
    elif way == "inserted":
        changed[at:at] = rng.randbytes(rng.randint(1, 50))
    elif way == "doubled":
        changed[at:at] = changed[at : at + 64]
    elif way == "swapped":
        changed = changed[at:] + changed[:at]
    elif way == "tail":
        changed += rng.randbytes(100)
    elif way == "head":
        changed[:0] = rng.randbytes(10)
    else:
        changed.clear()
    return bytes(changed), f"{way} at {at} of {size}"


def spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in JSON."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from spots(item, (*path, key))


def value_at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a copy of JSON with another value at ``path``."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def json_of(value: Any, rng: random.Random) -> tuple[Any, str]:
    """Return JSON with one wrong or missing value, and a description."""
    path = rng.choice(list(spots(value)))
    name = ".".join(map(str, path)) or "all"
    if path and rng.random() < 0.2:
        parent = value_at(value, path[:-1])
        rest = {key: item for key, item in parent.items() if key != path[-1]} if isinstance(parent, dict) else parent[: path[-1]]
        return replaced(value, path[:-1], rest), f"without {name}"
    new = rng.choice(WRONG) if rng.random() < 0.6 else drawn(JSON, rng)
    return replaced(value, path, new), f"{name} = {str(new)[:40]!r}"


def json_text(text: str, rng: random.Random) -> tuple[str, str]:
    """Return a damaged JSON text and a description."""
    if rng.random() < 0.08:
        deep = rng.choice(DEEP)
        return deep, f"text {deep[:20]!r} of {len(deep)}"
    value, how = json_of(json.loads(text), rng)
    return json.dumps(value), how


def header_parts(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return the header and the tensors' bytes of a safetensors file."""
    content = path.read_bytes()
    end = 8 + struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8:end]), content[end:]


def write_parts(path: Path, header: str, body: bytes, length: int | None = None) -> None:
    text = header.encode("utf-8", "surrogatepass")
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + body)


def header_of(path: Path, rng: random.Random) -> str:
    """Change the header of a safetensors file, without a valid digest; return a description."""
    header, body = header_parts(path)
    way = rng.choice(("length", "json", "json", "metadata", "no digest", "no digest", "overlap"))
    if way == "length":
        length = rng.choice((0, 1, 7, 2**63, 2**64 - 1, 2**40, 10**9, len(body)))
        write_parts(path, json.dumps(header), body, length)
        return f"header of {length} bytes"
    how = way
    if way == "no digest":
        header["__metadata__"].pop("digest", None)
    if way == "overlap":
        names = [name for name in header if name != "__metadata__"]
        header[rng.choice(names)]["data_offsets"] = header[rng.choice(names)]["data_offsets"]
    elif way == "metadata":
        header["__metadata__"], how = json_of(header["__metadata__"], rng)
    else:
        header, how = json_of(header, rng)
    write_parts(path, json.dumps(header), body)
    return f"{way}: {how}"


def sign(path: Path, change: Any) -> None:
    """Change the card of a file of tensors by ``change`` and write it with a valid digest; computes."""
    from safetensors import safe_open
    from safetensors.torch import save

    from condensation.core.tensor_files import _digest

    with safe_open(path, framework="pt") as file:
        metadata, tensors = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}
    metadata["card"], tensors = change(metadata["card"], tensors)
    metadata["digest"] = _digest(tensors, metadata["card"])
    path.write_bytes(save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata))
