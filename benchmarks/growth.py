"""Measure the growth of a step of DM with the number of classes and the size of the images.

    python -m benchmarks.growth

The cost per class and per pixel should stay constant. The network gets one more block each time the side doubles, as in the
papers, so the embedding keeps its size.
"""

from benchmarks.harness import median_seconds, noise_images, parse_options, save, settings_of
from condensation import DM, Compute, Rng
from condensation.core.ipc import images_per_class

CLASSES = (10, 20, 50, 100, 200)
SIZES = (28, 32, 64, 96, 128)


def step_seconds(classes: int, size: int, device: str, batch: int, ipc: int, rounds: int) -> float:
    """Return the seconds of a step, with the default precision and compilation of the machine."""
    compute = Compute(device=device).resolve()
    real = noise_images((3, size, size), classes, max(batch, ipc)).to(compute.device)
    method = DM(steps=20_000, batch_per_class=batch)
    state = method.init(real, images_per_class(real, ipc), Rng(0).child("init"), compute)
    numbers = iter(range(10**6))

    def step() -> None:
        method.step(state, real, Rng(0).child("step", next(numbers)))

    for _ in range(3):  # compiles each shape that a step can meet
        step()
    return median_seconds({"step": step}, compute.device, rounds)["step"]


def main() -> None:
    options = parse_options(__doc__, batch_per_class=16, ipc=1, rounds=5)
    settings = (options.device, options.batch_per_class, options.ipc, options.rounds)
    by_classes: dict[int, float] = {}
    by_size: dict[int, float] = {}

    def save_results() -> None:  # after each part, because a time limit may end the benchmark before the last
        result = {"seconds_by_classes": by_classes, "seconds_by_size": by_size, "settings": settings_of(options)}
        save("growth", result, options.out, Compute(device=options.device).resolve().device)

    for classes in CLASSES:
        by_classes[classes] = step_seconds(classes, 32, *settings)
        print(f"{classes} classes: {1000 * by_classes[classes] / classes:.2f} ms per class and step", flush=True)
    save_results()
    for size in SIZES:
        by_size[size] = step_seconds(10, size, *settings)
        print(f"{size}x{size}: {1e6 * by_size[size] / size**2:.1f} us per pixel and step", flush=True)
    save_results()


if __name__ == "__main__":
    main()
