"""How much faster are networks trained and tested on a condensed set than one at a time, eagerly, in float32?

    python -m benchmarks.judging                              # 5 networks, CIFAR10's shape, 10 images a class
    python -m benchmarks.judging --networks 20 --rounds 5     # on a GPU

A training of 1,000 epochs is a thousand times the same, so a part of it is timed and the whole worked out:
seconds per epoch and network, tests of 10,000 images, and what compiling costs once.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.harness import arguments, in_turns, made_up, save, timed
from condensation import Compute, ConvNet, ImageSet, Recipe, Rng, evaluate
from condensation.images import images_per_class
from condensation.sources import start_from_real

WHOLE = 1000  # epochs of the published evaluation


def judging(small: ImageSet, test: ImageSet, networks: int, epochs: int, compute: Compute) -> Callable[[], object]:
    """Training of so many networks, and their test."""
    return lambda: evaluate(small, test, network=ConvNet(), recipe=Recipe(epochs=epochs), networks=networks, compute=compute)


def main() -> None:
    asked = arguments(__doc__, ipc=10, networks=5, epochs=20, rounds=3)
    compute = Compute(device=asked.device, compile="always").chosen()
    plain = Compute(device=asked.device, precision="float32", compile="never", together=1).chosen()
    real, test = made_up((3, 32, 32), 10, 1000), made_up((3, 32, 32), 10, 1000)
    small = start_from_real(real, images_per_class(real, asked.ipc), Rng(0))
    one = test.take(Rng(0).permutation(10)[:1])
    group = compute.suitable_together(small.shape, len(small))
    ours, eager = min(asked.networks, group), 1
    compiling = timed(judging(small, test, ours, 1, compute), compute.device)
    again = timed(judging(small, test, ours, 1, compute), compute.device)
    epochs = in_turns(
        {
            "plain": judging(small, one, eager, asked.epochs, plain),
            "ours": judging(small, one, ours, asked.epochs, compute),
        },
        compute.device,
        asked.rounds,
    )
    tests = in_turns({"plain": judging(one, test, eager, 1, plain), "ours": judging(one, test, ours, 1, compute)}, compute.device, 1)
    per_epoch = {"plain": epochs["plain"] / asked.epochs / eager, "ours": epochs["ours"] / asked.epochs / ours}
    per_test = {"plain": tests["plain"] / eager, "ours": tests["ours"] / ours}
    whole = {name: asked.networks * (WHOLE * per_epoch[name] + per_test[name]) for name in per_epoch}
    whole["ours"] += compiling - again
    ratio = whole["plain"] / whole["ours"]
    print(f"an epoch of a network: {1000 * per_epoch['plain']:.0f} ms plain, {1000 * per_epoch['ours']:.1f} ms ours")
    print(f"{asked.networks} networks of {WHOLE:,} epochs, compiled ({compiling:.0f} s) and tested: {ratio:.1f} times faster")
    settings = {"ipc": asked.ipc, "networks": asked.networks, "together": ours, "epochs_timed": asked.epochs, "rounds": asked.rounds}
    result = {"settings": settings, "compute": compute.describe(), "seconds_per_epoch": per_epoch, "seconds_per_test": per_test}
    save("judging", {**result, "compiling": compiling, "worked_out": whole, "ratio": ratio}, asked.out)


if __name__ == "__main__":
    main()
