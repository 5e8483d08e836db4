"""How much faster are the trainings of one network of an architecture search done together than one by one?

    python -m benchmarks.search                               # 25 trainings: five proxies, five times each; 500 images of 32x32
    python -m benchmarks.search --size 8 --ipc 10 --networks 5

A training of 200 epochs is two hundred times the same, so a part of it is timed: seconds per epoch and network, for small and
large ConvNets, with and without batch norm. Both sides are done in turns, uncompiled, as in a search.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from benchmarks.harness import arguments, in_turns, made_up, save
from condensation import Compute, ConvNet, Recipe, Rng
from condensation.core.ipc import images_per_class
from condensation.methods.initialization import from_real_images
from condensation.training.stacked import ModelCache
from condensation.training.train_and_test import TrainingJob, train_and_test

NETWORKS = {
    "w32-d1-instance": ConvNet(width=32, depth=1),
    "w32-d3-instance": ConvNet(width=32, depth=3),
    "w32-d3-batch": ConvNet(width=32, depth=3, norm="batch"),
    "w32-d3-none": ConvNet(width=32, depth=3, norm="none"),
    "w128-d3-instance": ConvNet(width=128, depth=3),
}


def main() -> None:
    asked = arguments(__doc__, ipc=50, size=32, channels=3, networks=25, epochs=4, rounds=3)
    alone = Compute(device=asked.device, compile="never", together=1).resolve()
    shape = (asked.channels, asked.size, asked.size)
    real = made_up(shape, 10, max(100, asked.ipc))
    small = from_real_images(real, images_per_class(real, asked.ipc), Rng(0)).to(alone.device)
    few = real.take(torch.arange(1)).to(alone.device)  # nearly no testing: it is the same on both sides
    trainings, recipe = [TrainingJob(small, Rng(number)) for number in range(asked.networks)], Recipe(epochs=asked.epochs, batch=250)
    seconds: dict[str, dict[str, float]] = {}
    for name, network in NETWORKS.items():
        works = {}
        for side, together in (("one by one", 1), ("together", asked.networks)):
            crew = ModelCache(network, shape, 10, replace(alone, together=together))
            works[side] = lambda crew=crew: train_and_test(crew, trainings, [few], recipe)
            works[side]()  # whatever is done but once
        took = in_turns(works, alone.device, asked.rounds)
        seconds[name] = {side: one / asked.epochs / asked.networks for side, one in took.items()}
        both = " ".join(f"{1000 * one:.2f} ms {side}," for side, one in seconds[name].items())
        print(f"{name}: an epoch of a network {both} {took['one by one'] / took['together']:.1f} times faster")
    settings = {name: getattr(asked, name) for name in ("ipc", "size", "channels", "networks", "epochs", "rounds")}
    result = {"settings": settings, "compute": alone.describe(), "seconds_per_epoch_and_network": seconds}
    save("search", result, asked.out, alone.device)


if __name__ == "__main__":
    main()
