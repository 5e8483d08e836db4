"""How do the seconds of a step grow with the number of classes and with the size of the images?

    python -m benchmarks.growth

Cost per class, and per pixel, should stay what it is: nothing may grow faster than what there is to do. The network is
one block deeper each time the side doubles, as the papers have it, so the embedding keeps its size.
"""

from __future__ import annotations

from benchmarks.harness import arguments, in_turns, made_up, save
from condensation import DM, Compute, Rng
from condensation.core.ipc import images_per_class

CLASSES = (10, 20, 50, 100, 200)
SIZES = (28, 32, 64, 96, 128)


def seconds_of(classes: int, size: int, device: str, batch: int, ipc: int, rounds: int) -> float:
    """Of one step, compiled or not as the machine would have it."""
    compute = Compute(device=device).resolve()
    real = made_up((3, size, size), classes, max(batch, ipc)).to(compute.device)
    method = DM(steps=20_000, batch_per_class=batch)
    state = method.init(real, images_per_class(real, ipc), Rng(0).child("init"), compute)
    numbers = iter(range(10**6))

    def step() -> None:
        method.step(state, real, Rng(0).child("step", next(numbers)))

    for _ in range(3):  # compiles, for each of the shapes that a step may meet
        step()
    return in_turns({"step": step}, compute.device, rounds)["step"]


def main() -> None:
    asked = arguments(__doc__, batch_per_class=16, ipc=1, rounds=5)
    settings = (asked.device, asked.batch_per_class, asked.ipc, asked.rounds)
    by_classes: dict[int, float] = {}
    by_size: dict[int, float] = {}
    sizes = {name: getattr(asked, name) for name in ("batch_per_class", "ipc", "rounds")}

    def keep() -> None:  # after each part, should the time be over before the last
        result = {"seconds_by_classes": by_classes, "seconds_by_size": by_size, "settings": sizes}
        save("growth", result, asked.out, Compute(device=asked.device).resolve().device)

    for classes in CLASSES:
        by_classes[classes] = seconds_of(classes, 32, *settings)
        print(f"{classes} classes: {1000 * by_classes[classes] / classes:.2f} ms a class and step", flush=True)
    keep()
    for size in SIZES:
        by_size[size] = seconds_of(10, size, *settings)
        print(f"{size}x{size}: {1e6 * by_size[size] / size**2:.1f} us a pixel and step", flush=True)
    keep()


if __name__ == "__main__":
    main()
