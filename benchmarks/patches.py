"""Compare a network whose first convolution and norm are one matrix product with one that computes layer by layer.

    python -m benchmarks.patches               # ConvNet of width 128, images in the shapes of CIFAR10 and Fashion-MNIST

Embed images, and compute the gradient of the weights, as in training, and of the images, as in DM. Compiled; both alternate in one
process.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.harness import compare_outputs, milliseconds, parse_options, save, settings_of, unfused_convnet
from benchmarks.pieces import image_gradient, weight_gradient
from condensation import Compute, ConvNet, Rng
from condensation.networks.base import Classifier


def embedding(module: Classifier, images: Tensor, compute: Compute) -> Callable[[], Tensor]:
    """Return a function that embeds ``images``."""
    embed = compute.wrap(module.requires_grad_(False).embed)

    def work() -> Tensor:
        with torch.no_grad():
            return embed(images)

    return work


def main() -> None:
    options = parse_options(__doc__, width=128, batch=50, chunk=32, coloured=32, grey=28, rounds=15)
    compute = Compute(device="cpu", compile="always").resolve()
    results = {}
    for kind, shape in (("coloured", (3, options.coloured, options.coloured)), ("grey", (1, options.grey, options.grey))):
        images = Rng(0).child("images").normal((options.batch, *shape))
        operations: dict[str, Callable[[Classifier], Callable[[], Tensor]]] = {
            "training": partial(weight_gradient, images=images, compute=compute, size=len(images)),
            "gradient of images": partial(image_gradient, images=images, compute=compute, whole=True),
            "embedding": partial(embedding, images=images[: options.chunk], compute=compute),
        }
        for operation, make in operations.items():
            layers, patches = unfused_convnet(options.width, shape), ConvNet(width=options.width).build(shape, 10, Rng(0))
            result = compare_outputs({"layers": make(layers), "patches": make(patches)}, options.rounds)
            print(f"{operation}, {kind}: {milliseconds(result)}", flush=True)
            results[f"{operation}, {kind}"] = result
    result = {"settings": settings_of(options), "compute": compute.describe(), "parts": results}
    save("patches", result, options.out, case=f"width{options.width}")


if __name__ == "__main__":
    main()
