"""From how many images on does compiling pay? What `compute.COMPILE_PIXELS` rests on.

    python -m benchmarks.compiling

Training on batches, as sets are judged, and embedding without a graph, as real images are in DM: images a second as they are and
compiled, and what the first call of the compiled program takes, whose programs no cache had.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from benchmarks.harness import arguments, in_turns, save, timed
from condensation import Compute, ConvNet, Rng


def work(shape: tuple[int, int, int], width: int, batch: int, compute: Compute, *, train: bool) -> Callable[[], object]:
    """A step of training on ``batch`` images of noise, or one look at them."""
    network = ConvNet(width=width).build(shape, 10, Rng(0)).to(compute.device).requires_grad_(train)
    images = Rng(0).child("images").normal((batch, *shape)).to(compute.device)
    labels = (torch.arange(batch) % 10).to(compute.device)
    run = compute.wrap(network.forward if train else network.embed)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(run(images).float(), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def look() -> None:
        with torch.no_grad():
            run(images)

    return step if train else look


def measure(shape: tuple[int, int, int], width: int, batch: int, device: str, rounds: int, *, train: bool) -> dict[str, Any]:
    """Images a second in both ways, and the number of images at which they take as long, the first call included."""
    compute = Compute(device=device).resolve()
    ways = {
        "plain": work(shape, width, batch, replace(compute, compile="never"), train=train),
        "compiled": work(shape, width, batch, replace(compute, compile="always"), train=train),
    }
    first = {name: timed(one, compute.device) for name, one in ways.items()}
    seconds = in_turns(ways, compute.device, rounds)
    saved = (seconds["plain"] - seconds["compiled"]) / batch  # a second, of each image
    return {
        "images_a_second": {name: round(batch / of_one) for name, of_one in seconds.items()},
        "first_call": {name: round(of_one, 2) for name, of_one in first.items()},
        "even_at": round(first["compiled"] / saved) if saved > 0 else None,
    }


def main() -> None:
    asked = arguments(__doc__, size=32, channels=3, width=128, train_batch=100, embed_batch=32, rounds=15)
    device, shape = Compute(device=asked.device).resolve().device, (asked.channels, asked.size, asked.size)
    with TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        found = {
            "training": measure(shape, asked.width, asked.train_batch, device, asked.rounds, train=True),
            "embedding": measure(shape, asked.width, asked.embed_batch, device, asked.rounds, train=False),
        }
    for what, one in found.items():
        rates = " and ".join(f"{rate:,} {name}" for name, rate in one["images_a_second"].items())
        print(f"{what}: {rates} a second; even at {one['even_at'] or 'no number of'} images")
    settings = {name: getattr(asked, name) for name in ("size", "channels", "width", "train_batch", "embed_batch", "rounds")}
    save("compiling", {**found, "settings": settings}, asked.out, device, of=f"{asked.size}px-width{asked.width}")


if __name__ == "__main__":
    main()
