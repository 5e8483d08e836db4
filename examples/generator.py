"""Train a generator, draw a small set from it, and draw new images later."""

import tempfile
from pathlib import Path

from condensation import GMMN, ConvNet, KeepGenerator, Random, Recipe, TrainedGenerator, condense, evaluate, grid, load


def main() -> None:
    data = load("digits")
    method = GMMN(iterations=150, hidden=(32, 64))
    file = Path(tempfile.mkdtemp()) / "generator.safetensors"

    small = condense(method, data.train, ipc=5, observers=[KeepGenerator(method, file)])
    generator = TrainedGenerator.load(file)
    new = generator.images(ipc=20, seed=1)
    print(f"drawn in training: {len(small)} images; drawn later: {len(new)} other images")

    sets = {"real": condense(Random(), data.train, ipc=5), "drawn": small, "drawn later": new}
    for name, images in sets.items():
        print(f"{name:>12}: {evaluate(images, data.test, network=ConvNet(width=32), recipe=Recipe(epochs=60), networks=2)}")

    picture = file.with_name("grid.png")
    grid(new, data.train, title="drawn from a generator").save(picture)
    print(f"Picture: {picture}")


if __name__ == "__main__":
    main()
