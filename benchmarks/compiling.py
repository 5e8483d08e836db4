"""Measure from how many images on compilation pays: the basis of `compute.COMPILE_PIXELS`.

    python -m benchmarks.compiling

Train on batches, as in an evaluation, and embed without a graph, like the real images of DM. Report images per second, eager and
compiled, and the seconds of the first compiled call with an empty cache.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from benchmarks.harness import median_seconds, parse_options, save, settings_of, timed
from condensation import Compute, ConvNet, Rng
from condensation.core.images import Shape


def make_work(shape: Shape, width: int, batch: int, compute: Compute, *, train: bool) -> Callable[[], object]:
    """Return a function that does a training step on ``batch`` images of noise, or embeds them."""
    network = ConvNet(width=width).build(shape, 10, Rng(0)).to(compute.device).requires_grad_(train)
    images = Rng(0).child("images").normal((batch, *shape)).to(compute.device)
    labels = (torch.arange(batch) % 10).to(compute.device)
    run = compute.wrap(network.forward if train else network.embed)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(run(images).float(), labels).backward()
        optimizer.step()

    def embed() -> None:
        with torch.no_grad():
            run(images)

    return step if train else embed


def measure(shape: Shape, width: int, batch: int, device: str, rounds: int, *, train: bool) -> dict[str, Any]:
    """Return images per second, and the number of images at which both take equally long, the first call included."""
    compute = Compute(device=device).resolve()
    alternatives = {
        "plain": make_work(shape, width, batch, replace(compute, compile="never"), train=train),
        "compiled": make_work(shape, width, batch, replace(compute, compile="always"), train=train),
    }
    first = {name: timed(work, compute.device) for name, work in alternatives.items()}
    seconds = median_seconds(alternatives, compute.device, rounds)
    saved = (seconds["plain"] - seconds["compiled"]) / batch  # seconds per image
    return {
        "images_a_second": {name: round(batch / value) for name, value in seconds.items()},
        "first_call": {name: round(value, 2) for name, value in first.items()},
        "even_at": round(first["compiled"] / saved) if saved > 0 else None,
    }


def main() -> None:
    options = parse_options(__doc__, size=32, channels=3, width=128, train_batch=100, embed_batch=32, rounds=15)
    device, shape = Compute(device=options.device).resolve().device, (options.channels, options.size, options.size)
    with TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        results = {
            "training": measure(shape, options.width, options.train_batch, device, options.rounds, train=True),
            "embedding": measure(shape, options.width, options.embed_batch, device, options.rounds, train=False),
        }
    for name, result in results.items():
        rates = ", ".join(f"{rate:,} images/s {mode}" for mode, rate in result["images_a_second"].items())
        print(f"{name}: {rates}; break-even at {result['even_at'] or 'no number of'} images")
    case = f"{options.size}px-width{options.width}"
    save("compiling", {**results, "settings": settings_of(options)}, options.out, device, case)


if __name__ == "__main__":
    main()
