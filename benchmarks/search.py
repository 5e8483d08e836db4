"""Compare the trainings of an architecture search, stacked, with one training after the other.

    python -m benchmarks.search                               # 25 trainings: five proxies, five times each; 500 images of 32x32
    python -m benchmarks.search --size 8 --ipc 10 --networks 5

All epochs cost the same, so the benchmark times a part of the 200: seconds per epoch and network, for small and large ConvNets, with
and without batch norm. Both sides alternate, uncompiled, as in a search.
"""

from dataclasses import replace
from functools import partial

import torch

from benchmarks.harness import median_seconds, noise_images, parse_options, save, settings_of
from condensation import Compute, ConvNet, Recipe, Rng
from condensation.core.ipc import images_per_class
from condensation.methods.initialization import from_real_images
from condensation.training.train_and_test import TrainingJob, train_and_test

NETWORKS = {
    "w32-d1-instance": ConvNet(width=32, depth=1),
    "w32-d3-instance": ConvNet(width=32, depth=3),
    "w32-d3-batch": ConvNet(width=32, depth=3, norm="batch"),
    "w32-d3-none": ConvNet(width=32, depth=3, norm="none"),
    "w128-d3-instance": ConvNet(width=128, depth=3),
}


def main() -> None:
    options = parse_options(__doc__, ipc=50, size=32, channels=3, networks=25, epochs=4, rounds=3)
    compute = Compute(device=options.device, compile="never", together=1).resolve()
    real = noise_images((options.channels, options.size, options.size), 10, max(100, options.ipc))
    small = from_real_images(real, images_per_class(real, options.ipc), Rng(0)).to(compute.device)
    test = real.take(torch.arange(1)).to(compute.device)  # one image: tests cost the same on both sides
    jobs, recipe = [TrainingJob(small, Rng(number)) for number in range(options.networks)], Recipe(epochs=options.epochs, batch=250)
    seconds: dict[str, dict[str, float]] = {}
    for name, network in NETWORKS.items():
        alternatives = {}
        for side, together in (("one by one", 1), ("together", options.networks)):
            decided = replace(compute, together=together)
            alternatives[side] = partial(train_and_test, network, jobs, [test], recipe, decided)
            alternatives[side]()  # warm up
        whole = median_seconds(alternatives, compute.device, options.rounds)
        seconds[name] = {side: value / options.epochs / options.networks for side, value in whole.items()}
        times = ", ".join(f"{1000 * value:.2f} ms {side}" for side, value in seconds[name].items())
        print(f"{name}: epoch of a network {times}: {whole['one by one'] / whole['together']:.1f} times faster")
    result = {"settings": settings_of(options), "compute": compute.describe(), "seconds_per_epoch_and_network": seconds}
    save("search", result, options.out, compute.device)


if __name__ == "__main__":
    main()
