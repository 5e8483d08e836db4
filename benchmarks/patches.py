"""How much faster is a network whose first convolution and norm are one product of matrices than one that computes layer by layer?

    python -m benchmarks.patches               # ConvNet of width 128, images of CIFAR10's and of Fashion-MNIST's shape

Embedding, and the gradient of the weights, as in training, and of the images, as in DM; compiled, in turns in one process.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.harness import arguments, in_turns, layer_by_layer, save
from benchmarks.pieces import of_images, of_weights
from condensation import Compute, ConvNet, Rng
from condensation.networks.base import Classifier


def embedding(module: Classifier, images: Tensor, compute: Compute) -> Callable[[], Tensor]:
    embed = compute.wrap(module.requires_grad_(False).embed)

    def work() -> Tensor:
        with torch.no_grad():
            return embed(images)

    return work


def main() -> None:
    asked = arguments(__doc__, width=128, batch=50, chunk=32, coloured=32, grey=28, rounds=15)
    compute = Compute(device="cpu", compile="always").resolve()
    results = {}
    for kind, shape in (("coloured", (3, asked.coloured, asked.coloured)), ("grey", (1, asked.grey, asked.grey))):
        images = Rng(0).child("images").normal((asked.batch, *shape))
        makes: dict[str, Callable[[Classifier], Callable[[], Tensor]]] = {
            "training": lambda module, images=images: of_weights(module, images, compute, len(images)),
            "gradient of images": lambda module, images=images: of_images(module, images, compute, whole=True),
            "embedding": lambda module, images=images: embedding(module, images[: asked.chunk], compute),
        }
        for what, make in makes.items():
            works = {
                "layers": make(layer_by_layer(asked.width, shape)),
                "patches": make(ConvNet(width=asked.width).build(shape, 10, Rng(0))),
            }
            layers, ours = (work().double() for work in works.values())
            seconds = in_turns(works, "cpu", asked.rounds)
            ratio, apart = seconds["layers"] / seconds["patches"], float((ours - layers).norm() / layers.norm())
            each = {name: f"{1000 * took:.1f} ms" for name, took in seconds.items()}
            print(f"{what}, {kind}: {each['layers']} layer by layer, {each['patches']} by patches: {ratio:.2f} times faster", flush=True)
            results[f"{what}, {kind}"] = {"seconds": seconds, "ratio": ratio, "apart": apart}
    settings = {name: getattr(asked, name) for name in ("width", "batch", "chunk", "coloured", "grey", "rounds")}
    result = {"settings": settings, "compute": compute.describe(), "parts": results}
    save("patches", result, asked.out, "cpu", f"width{asked.width}")


if __name__ == "__main__":
    main()
