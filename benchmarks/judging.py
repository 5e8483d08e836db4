"""How much faster are networks trained and tested on a condensed set than one at a time, eagerly, in float32?

    python -m benchmarks.judging                              # 5 networks, CIFAR10's shape, 10 images a class
    python -m benchmarks.judging --networks 20 --rounds 5     # on a GPU

A training of 1,000 epochs is a thousand times the same, so a part of it is timed and the whole worked out:
seconds per epoch and network, tests of 10,000 images, and what compiling costs once.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.harness import arguments, in_turns, made_up, save, timed
from condensation import Compute, ConvNet, ImageSet, Recipe, Rng
from condensation.core.ipc import images_per_class
from condensation.methods.initialization import from_real_images
from condensation.training.stacked import ModelBatch, ModelCache, SingleModel
from condensation.training.train import class_accuracies, train_together

WHOLE = 1000  # epochs of the published evaluation


class Plain(SingleModel):
    """Learns from each batch as a whole."""

    microbatches = ModelBatch.microbatches


def works_of(
    small: ImageSet, test: ImageSet, together: int, epochs: int, compute: Compute, plain: bool = False
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Functions that train so many epochs, and test once."""
    crew = ModelCache(ConvNet(), small.shape, small.num_classes, compute)
    learners = Plain(crew.module, compute) if plain else crew.batch(together)
    rngs = [Rng(place) for place in range(learners.count)]
    sets, recipe = [small] * learners.count, Recipe(epochs=epochs)
    learners.reinitialize(rngs)
    chunk = max(1, compute.suitable_chunk(test.shape) // learners.count)
    return (lambda: train_together(learners, sets, recipe, rngs)), (lambda: class_accuracies(learners, test, chunk))


def main() -> None:
    asked = arguments(__doc__, ipc=10, networks=5, epochs=20, rounds=3)
    compute = Compute(device=asked.device, compile="always").resolve()
    plain = Compute(device=asked.device, precision="float32", compile="never").resolve()
    real, test = made_up((3, 32, 32), 10, 1000), made_up((3, 32, 32), 10, 1000).to(compute.device)
    small = from_real_images(real, images_per_class(real, asked.ipc), Rng(0)).to(compute.device)
    together = min(asked.networks, compute.suitable_together(small.shape, len(small)))
    training, testing = {}, {}
    training["plain"], testing["plain"] = works_of(small, test, 1, asked.epochs, plain, plain=True)
    training["ours"], testing["ours"] = works_of(small, test, together, asked.epochs, compute)
    first = timed(training["ours"], compute.device) + timed(testing["ours"], compute.device)
    epochs = in_turns(training, compute.device, asked.rounds)
    tests = in_turns(testing, compute.device, asked.rounds)
    compiling = max(0.0, first - epochs["ours"] - tests["ours"])
    at_once = {"plain": 1, "ours": together}
    per_epoch = {name: took / asked.epochs / at_once[name] for name, took in epochs.items()}
    per_test = {name: took / at_once[name] for name, took in tests.items()}
    whole = {name: asked.networks * (WHOLE * per_epoch[name] + per_test[name]) for name in per_epoch}
    whole["ours"] += compiling
    ratio = whole["plain"] / whole["ours"]
    print(f"an epoch of a network: {1000 * per_epoch['plain']:.0f} ms plain, {1000 * per_epoch['ours']:.1f} ms ours ({compute.describe()})")
    print(f"{asked.networks} networks of {WHOLE:,} epochs, compiled ({compiling:.0f} s) and tested: {ratio:.1f} times faster")
    settings = {"ipc": asked.ipc, "networks": asked.networks, "together": together, "epochs_timed": asked.epochs, "rounds": asked.rounds}
    result = {"settings": settings, "compute": compute.describe(), "seconds_per_epoch": per_epoch, "seconds_per_test": per_test}
    save("judging", {**result, "compiling": compiling, "worked_out": whole, "ratio": ratio}, asked.out, compute.device)


if __name__ == "__main__":
    main()
