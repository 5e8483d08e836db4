"""Compare learning from a batch in microbatches with learning from the whole batch, on a CPU.

    python -m benchmarks.pieces                # a batch of 100 images in the shape of CIFAR10, ConvNet of width 128

Compute the gradient of the weights, as in training, and of the images, as in DM; compiled and eager. Both alternate in one process.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor

from benchmarks.harness import compare_outputs, milliseconds, parse_options, save, settings_of
from condensation import Compute, ConvNet, Rng
from condensation.core.microbatch import microbatch_size, microbatched, split
from condensation.networks.base import Classifier

COMPILE: dict[str, Literal["always", "never"]] = {"compiled": "always", "as it is": "never"}


def weight_gradient(module: Classifier, images: Tensor, compute: Compute, size: int) -> Callable[[], Tensor]:
    """Return a function that computes the gradient of the weights as one row, from ``size`` images at a time."""
    labels = torch.arange(len(images)) % 10
    logits, parameters = compute.wrap(module), list(module.parameters())

    def work() -> Tensor:
        module.zero_grad()
        for part in split(len(images), size):
            loss = F.cross_entropy(logits(images[part]).float(), labels[part])
            (loss * len(images[part]) / len(images)).backward()
        return torch.cat([parameter.grad.flatten() for parameter in parameters if parameter.grad is not None])

    return work


def image_gradient(module: Classifier, images: Tensor, compute: Compute, whole: bool) -> Callable[[], Tensor]:
    """Return a function that computes the gradient of ``images`` from their embeddings."""
    embed, images = compute.wrap(module.requires_grad_(False).embed), images.clone().requires_grad_()
    embedded = embed if whole else microbatched(module, embed)
    return lambda: torch.autograd.grad(embedded(images).float().square().sum(), images)[0]


def main() -> None:
    options = parse_options(__doc__, width=128, size=32, channels=3, batch=100, rounds=15)
    shape = options.channels, options.size, options.size
    images = Rng(0).child("images").normal((options.batch, *shape))

    def network() -> Classifier:
        return ConvNet(width=options.width).build(shape, 10, Rng(0))

    size = microbatch_size(network(), images)
    results = {}
    for mode, compile in COMPILE.items():
        compute = Compute(device="cpu", compile=compile).resolve()
        alternatives = {
            "weights": {name: weight_gradient(network(), images, compute, n) for name, n in (("whole", options.batch), ("pieces", size))},
            "images": {name: image_gradient(network(), images, compute, name == "whole") for name in ("whole", "pieces")},
        }
        for variable, works in alternatives.items():
            result = compare_outputs(works, options.rounds)
            print(f"gradient of {variable}, {mode}, {size} images in a microbatch: {milliseconds(result)}")
            results[f"{variable}, {mode}"] = {**result, "compute": compute.describe()}
    settings = {**settings_of(options), "pieces": size}
    save(
        "pieces", {"settings": settings, "parts": results}, options.out, case=f"{options.size}px-batch{options.batch}-width{options.width}"
    )


if __name__ == "__main__":
    main()
