"""How much faster does a network learn from a batch in pieces than from all of it at once, on a CPU?

    python -m benchmarks.pieces                # a batch of 100 images of CIFAR10's shape, ConvNet of width 128

The gradient of the weights, as in training, and that of the images, as in DM; compiled and as they are, in turns in one process.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor

from benchmarks.harness import arguments, in_turns, save
from condensation import Compute, ConvNet, Rng
from condensation.core.microbatch import microbatch_size, microbatched, split
from condensation.networks.base import Classifier


def of_weights(module: Classifier, images: Tensor, compute: Compute, size: int) -> Callable[[], Tensor]:
    """The gradient of the weights by ``images``, ``size`` at a time, as one row."""
    labels = torch.arange(len(images)) % 10
    logits, parameters = compute.wrap(module), list(module.parameters())

    def work() -> Tensor:
        module.zero_grad()
        for piece in split(len(images), size):
            loss = F.cross_entropy(logits(images[piece]).float(), labels[piece])
            (loss * len(images[piece]) / len(images)).backward()
        return torch.cat([parameter.grad.flatten() for parameter in parameters])

    return work


def of_images(module: Classifier, images: Tensor, compute: Compute, whole: bool) -> Callable[[], Tensor]:
    """The gradient of ``images`` by their embeddings."""
    embed, images = compute.wrap(module.requires_grad_(False).embed), images.clone().requires_grad_()
    embed = embed if whole else microbatched(module, embed)
    return lambda: torch.autograd.grad(embed(images).float().square().sum(), images)[0]


def main() -> None:
    asked = arguments(__doc__, width=128, size=32, channels=3, batch=100, rounds=15)
    shape = asked.channels, asked.size, asked.size
    images = Rng(0).child("images").normal((asked.batch, *shape))

    def network() -> Classifier:
        return ConvNet(width=asked.width).build(shape, 10, Rng(0))

    size = microbatch_size(network(), images)
    results = {}
    for how, compile in (("compiled", "always"), ("as it is", "never")):
        compute = Compute(device="cpu", compile=compile).resolve()
        for what, works in (
            (
                "weights",
                {"whole": of_weights(network(), images, compute, asked.batch), "pieces": of_weights(network(), images, compute, size)},
            ),
            ("images", {"whole": of_images(network(), images, compute, True), "pieces": of_images(network(), images, compute, False)}),
        ):
            whole, ours = (work() for work in works.values())
            seconds = in_turns(works, "cpu", asked.rounds)
            ratio = seconds["whole"] / seconds["pieces"]
            each = {name: f"{1000 * took:.1f} ms" for name, took in seconds.items()}
            print(f"gradient of {what}, {how}: {each['whole']} whole, {each['pieces']} in pieces of {size}: {ratio:.2f} times faster")
            apart = float((ours - whole).norm() / whole.norm())
            results[f"{what}, {how}"] = {"seconds": seconds, "ratio": ratio, "apart": apart, "compute": compute.describe()}
    settings = {
        "rounds": asked.rounds,
        "width": asked.width,
        "size": asked.size,
        "channels": asked.channels,
        "batch": asked.batch,
        "pieces": size,
    }
    save("pieces", {"settings": settings, "parts": results}, asked.out, "cpu", f"{asked.size}px-batch{asked.batch}-width{asked.width}")


if __name__ == "__main__":
    main()
