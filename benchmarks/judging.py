"""Compare the evaluation of a condensed set with one that trains single networks, eagerly, in float32.

    python -m benchmarks.judging                              # 5 networks, shape of CIFAR10, ipc 10
    python -m benchmarks.judging --networks 20 --rounds 5     # on a GPU

All epochs cost the same, so the benchmark times a part of the 1,000 and computes the whole: seconds per epoch and network, tests on
10,000 images, and compilation once.
"""

from collections.abc import Callable

from benchmarks.harness import median_seconds, noise_images, parse_options, save, timed
from condensation import Compute, ConvNet, ImageSet, Recipe, Rng
from condensation.core.ipc import images_per_class
from condensation.methods.initialization import from_real_images
from condensation.training.stacked import ModelBatch, ModelCache, SingleModel
from condensation.training.train import class_accuracies, train_together

EPOCHS = 1000  # of the published evaluation


class WholeBatchModel(SingleModel):
    """A model that learns from each batch as a whole, without microbatches."""

    microbatches = ModelBatch.microbatches


def make_work(
    small: ImageSet, test: ImageSet, together: int, epochs: int, compute: Compute, plain: bool = False
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return a function that trains for ``epochs`` epochs, and one that tests."""
    cache = ModelCache(ConvNet(), small.shape, small.num_classes, compute)
    models = WholeBatchModel(cache.module, compute) if plain else cache.batch(together)
    rngs = [Rng(number) for number in range(models.count)]
    sets, recipe = [small] * models.count, Recipe(epochs=epochs)
    models.reinitialize(rngs)
    chunk = max(1, compute.suitable_chunk(test.shape) // models.count)
    return (lambda: train_together(models, sets, recipe, rngs)), (lambda: class_accuracies(models, test, chunk))


def main() -> None:
    options = parse_options(__doc__, ipc=10, networks=5, epochs=20, rounds=3)
    compute = Compute(device=options.device, compile="always").resolve()
    plain = Compute(device=options.device, precision="float32", compile="never").resolve()
    real, test = noise_images((3, 32, 32), 10, 1000), noise_images((3, 32, 32), 10, 1000).to(compute.device)
    small = from_real_images(real, images_per_class(real, options.ipc), Rng(0)).to(compute.device)
    together = min(options.networks, compute.suitable_together(small.shape, len(small)))
    training, testing = {}, {}
    training["plain"], testing["plain"] = make_work(small, test, 1, options.epochs, plain, plain=True)
    training["ours"], testing["ours"] = make_work(small, test, together, options.epochs, compute)
    first = timed(training["ours"], compute.device) + timed(testing["ours"], compute.device)
    epochs = median_seconds(training, compute.device, options.rounds)
    tests = median_seconds(testing, compute.device, options.rounds)
    compiling = max(0.0, first - epochs["ours"] - tests["ours"])
    models = {"plain": 1, "ours": together}
    per_epoch = {name: seconds / options.epochs / models[name] for name, seconds in epochs.items()}
    per_test = {name: seconds / models[name] for name, seconds in tests.items()}
    whole = {name: options.networks * (EPOCHS * per_epoch[name] + per_test[name]) for name in per_epoch}
    whole["ours"] += compiling
    ratio = whole["plain"] / whole["ours"]
    milliseconds = f"{1000 * per_epoch['plain']:.0f} ms plain, {1000 * per_epoch['ours']:.1f} ms ours"
    print(f"epoch of a network: {milliseconds} ({compute.describe()})")
    print(f"{options.networks} networks of {EPOCHS:,} epochs, compiled ({compiling:.0f} s) and tested: {ratio:.1f} times faster")
    settings = {"ipc": options.ipc, "networks": options.networks, "together": together, "epochs_timed": options.epochs}
    result = {
        "settings": {**settings, "rounds": options.rounds},
        "compute": compute.describe(),
        "seconds_per_epoch": per_epoch,
        "seconds_per_test": per_test,
        "compiling": compiling,
        "worked_out": whole,
        "ratio": ratio,
    }
    save("judging", result, options.out, compute.device)


if __name__ == "__main__":
    main()
