"""Printed form of ``condense networks``."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from condensation.cli.views.methods import in_short, print_settings_of
from condensation.core.errors import CondensationError
from condensation.core.images import Shape
from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.networks.base import NetworkSpec
from condensation.networks.inspect import Layer, outline
from condensation.networks.registry import NETWORKS
from condensation.networks.user_module import UserModule
from condensation.report.tables import plain_console, print_json, table


def networks(shape: str, classes: int, *, as_json: bool) -> None:
    """Run ``condense networks``."""
    image_shape = _shape(shape)
    sizes: dict[str, dict[str, Any]] = {}
    for name, spec in NETWORKS.items():
        with torch.device("meta"):  # computes shapes alone: initial weights take seconds
            sizes[name], _ = _size(spec, image_shape, classes)
        sizes[name]["settings"] = {key: value for key, value in to_dict(spec).items() if key != "name"}
    if as_json:
        return print_json(sizes)
    rows = table("network", "parameters", "embedding", "settings", right=("parameters", "embedding"))
    for name, size in sizes.items():
        settings = ", ".join(f"{key}={in_short(value)}" for key, value in size["settings"].items())
        counts = ("-", "-", size["unfit"]) if "unfit" in size else (f"{size['parameters']:,}", f"{size['embedding']:,}", settings)
        rows.add_row(name, *counts)
    screen = plain_console()
    screen.print(f"For images of {shape} and {classes} classes:")
    screen.print(rows, soft_wrap=False)
    return screen.print("Details: condense networks NETWORK. Your own network: module:function or file.py:function.")


def network(spec: NetworkSpec, shape: str, classes: int, *, as_json: bool) -> None:
    """Run ``condense networks NETWORK``."""
    image_shape = _shape(shape)
    layers = outline(spec, image_shape, classes)
    size, error = _size(spec, image_shape, classes)
    if as_json:
        print_json({**size, "settings": to_dict(spec), "layers": [to_dict(layer) for layer in layers]})
    else:
        _print_layers(spec, shape, classes, size, layers)
        print_settings_of(spec)
    if error:  # raised after printing the layers, one of which may serve as the embedding
        raise error


def _print_layers(spec: NetworkSpec, shape: str, classes: int, size: Mapping[str, Any], layers: Sequence[Layer]) -> None:
    rows = table("layer", "kind", "output", "dimensions", right=("dimensions",))
    for layer in layers:
        times = f", the last of {layer.runs} calls" if layer.runs > 1 else ""
        rows.add_row(layer.name, layer.kind, f"{'x'.join(map(str, layer.shape))}{times}", f"{math.prod(layer.shape):,}")
    screen = plain_console()
    screen.print(f"{to_dict(spec)['name']} for images of {shape} and {classes} classes:", style="bold")
    if "unfit" in size:
        screen.print("It has no embedding yet. Choose one of these layers with layer=NAME:")
    else:
        screen.print(f"{size['parameters']:,} parameters, embeddings of {size['embedding']:,} dimensions")
        if isinstance(spec, UserModule):
            source = f"output of {spec.layer}" if spec.layer else "the module's own embed, else the input of the last nn.Linear"
            screen.print(f"Embedding: {source}. Choose another of these layers with layer=NAME:")
    screen.print(rows)


def _size(spec: NetworkSpec, image_shape: Shape, classes: int) -> tuple[dict[str, Any], CondensationError | None]:
    """Return the counts of parameters and embedding dimensions, or the error of a network that does not fit."""
    try:
        module = spec.build(image_shape, classes, Rng(0))
        with torch.no_grad():
            embedding = module.embed(torch.zeros(2, *image_shape))
    except CondensationError as error:
        return {"unfit": error.message.splitlines()[0]}, error
    return {"parameters": sum(parameter.numel() for parameter in module.parameters()), "embedding": embedding.shape[1]}, None


def _shape(text: str) -> Shape:
    sides = re.fullmatch(r"\s*([1-9]\d*)\s*x\s*([1-9]\d*)\s*x\s*([1-9]\d*)\s*", text, re.IGNORECASE)
    if sides is None:
        raise CondensationError(f"Expected channels, height and width for --shape, such as 3x32x32; got {text!r}.")
    return int(sides[1]), int(sides[2]), int(sides[3])
