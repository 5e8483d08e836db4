"""What there is to choose from: ``condense methods``, ``condense networks`` and ``condense data``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape

from condensation.core.errors import CondensationError
from condensation.core.images import Shape
from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.data.locate import available
from condensation.methods.registry import METHODS
from condensation.networks.base import NetworkSpec
from condensation.networks.inspect import Layer, outline
from condensation.networks.registry import NETWORKS
from condensation.networks.user_module import UserModule
from condensation.report.tables import print_json, table
from condensation.runs.presets import PRESETS


def methods(*, as_json: bool) -> None:
    """``condense methods``."""
    if as_json:
        return print_json({name: to_dict(method()) for name, method in METHODS.items()})
    rows = table("method", "what it is", "settings and defaults")
    for name, method in METHODS.items():
        settings = ", ".join(f"{field.name}={_short(getattr(method(), field.name))}" for field in fields(method)) or "none"
        rows.add_row(name, (method.__doc__ or "").splitlines()[0], settings)
    screen = Console()
    screen.print(rows)
    return screen.print(
        f"A run begins with a preset (--preset {', '.join(PRESETS)}), which sets some of these otherwise.", soft_wrap=True, highlight=False
    )


def networks(shape: str, classes: int, *, as_json: bool) -> None:
    """``condense networks``."""
    image_shape = _shape(shape)
    found: dict[str, dict[str, Any]] = {}
    for name, spec in NETWORKS.items():
        try:
            found[name] = _size(spec, image_shape, classes)
        except CondensationError as error:
            found[name] = {"unfit": str(error).splitlines()[0]}
        found[name]["settings"] = {key: value for key, value in to_dict(spec).items() if key != "name"}
    if as_json:
        return print_json(found)
    rows = table("network", "parameters", "embedding", "settings", right=("parameters", "embedding"))
    for name, row in found.items():
        settings = ", ".join(f"{key}={_short(value)}" for key, value in row["settings"].items())
        if "unfit" in row:
            rows.add_row(name, "-", "-", row["unfit"])
        else:
            rows.add_row(name, f"{row['parameters']:,}", f"{row['embedding']:,}", settings)
    screen = Console()
    screen.print(f"For images of {shape} and {classes} classes:")
    screen.print(rows)
    return screen.print("Your own: module:function or file.py:function, here too.", highlight=False)


def network(spec: NetworkSpec, shape: str, classes: int, *, as_json: bool) -> None:
    """``condense networks NETWORK``."""
    image_shape = _shape(shape)
    layers = outline(spec, image_shape, classes)
    unfit: CondensationError | None = None
    try:
        size = _size(spec, image_shape, classes)
    except CondensationError as error:  # told below the layers, of which one may be what is wanted
        size, unfit = {"unfit": str(error).splitlines()[0]}, error
    if as_json:
        print_json({**size, "settings": to_dict(spec), "layers": [to_dict(layer) for layer in layers]})
    else:
        _print_layers(spec, shape, classes, size, layers)
    if unfit:
        raise unfit


def _print_layers(spec: NetworkSpec, shape: str, classes: int, size: Mapping[str, Any], layers: Sequence[Layer]) -> None:
    rows = table("layer", "kind", "what it gives", "dimensions", right=("dimensions",))
    for layer in layers:
        times = f", the last of {layer.runs} times" if layer.runs > 1 else ""
        rows.add_row(escape(layer.name), escape(layer.kind), f"{'x'.join(map(str, layer.shape))}{times}", f"{math.prod(layer.shape):,}")
    screen = Console(soft_wrap=True)
    screen.print(f"[bold]{escape(to_dict(spec)['name'])}[/] for images of {shape} and {classes} classes:", highlight=False)
    if "unfit" in size:
        screen.print("It cannot be embedded as it is. With layer=NAME, at any of these:", highlight=False)
    else:
        screen.print(f"{size['parameters']:,} parameters, embeddings of {size['embedding']:,} dimensions", highlight=False)
    if isinstance(spec, UserModule) and "unfit" not in size:
        at = f"what {spec.layer} gives" if spec.layer else "the module's own embed, else what goes into the last nn.Linear"
        screen.print(f"It is embedded at: {at}. With layer=NAME, at any of these:", highlight=False, markup=False)
    screen.print(rows)


def _size(spec: NetworkSpec, image_shape: Shape, classes: int) -> dict[str, Any]:
    made = spec.build(image_shape, classes, Rng(0))
    with torch.no_grad():
        embedding = made.embed(torch.zeros(2, *image_shape))
    return {"parameters": sum(parameter.numel() for parameter in made.parameters()), "embedding": embedding.shape[1]}


def data(folder: str | None, *, as_json: bool) -> None:
    """``condense data``."""
    found = available(folder)
    if as_json:
        return print_json([to_dict(row) for row in found])
    rows = table("data set", "what", "classes", "image", "terms", "here")
    for row in found:
        here = escape(row.where or "no")
        if row.info is None:
            rows.add_row(escape(row.name), "", "", "", "", here)
            continue
        about = row.info
        rows.add_row(row.name, about.title, str(about.classes), "x".join(map(str, about.shape)), about.licence, here)
    screen = Console()
    screen.print(rows)
    screen.print("One that is not here: condense data get NAME", highlight=False)
    return screen.print(
        "Others: a folder with one sub-folder a class, or NAME/{train,test}.npz below --folder or CONDENSATION_DATA.", highlight=False
    )


def _shape(text: str) -> tuple[int, int, int]:
    try:
        channels, height, width = (int(side) for side in text.lower().split("x"))
    except ValueError:
        channels = height = width = 0
    if min(channels, height, width) < 1:
        raise CondensationError(f"--shape is {text!r}; write channels, height and width like 3x32x32.")
    return channels, height, width


def _short(value: Any) -> str:
    content = to_dict(value)
    if not isinstance(content, dict):
        return str(content)
    return str(content["name"]) if "name" in content else f"({', '.join(f'{key}={_short(one)}' for key, one in content.items())})"
