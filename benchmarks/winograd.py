"""How much faster are a network's embedding and its training with Winograd's convolutions than with direct ones?

    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 python -m benchmarks.winograd

In float32, compiled, in turns in one process, whatever the processor has: on one with AVX512 the command above lets it do with AVX2.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor

from benchmarks.harness import arguments, in_turns, layer_by_layer, save, timed
from condensation.networks.base import Classifier
from condensation.networks.cpu import dispatch
from condensation.networks.layers import use_pytorch_kernels


def embedding(network: Classifier, images: Tensor, chunk: int) -> Callable[[], Tensor]:
    embed = torch.compile(network.requires_grad_(False).embed, dynamic=False)

    def work() -> Tensor:
        with torch.no_grad():
            return torch.cat([embed(piece) for piece in images.split(chunk)])

    return work


def training(network: Classifier, images: Tensor, batch: int) -> Callable[[], Tensor]:
    """The gradients of a batch, as one row."""
    compiled, parameters = torch.compile(network, dynamic=False), list(network.parameters())
    images, labels = images[:batch], torch.arange(batch) % 10

    def work() -> Tensor:
        gradients = torch.autograd.grad(F.cross_entropy(compiled(images), labels), parameters)
        return torch.cat([gradient.flatten() for gradient in gradients])

    return work


def main() -> None:
    asked = arguments(__doc__, width=128, size=32, images=256, chunk=32, batch=100, rounds=15)
    dispatch.CPU_CAPABILITY = "AVX2"  # measure the fast path on any processor and at any width
    dispatch.WINOGRAD_CHANNELS = min(dispatch.WINOGRAD_CHANNELS, asked.width)
    torch._dynamo.config.recompile_limit = 64
    shape = 3, asked.size, asked.size
    images = torch.randn(asked.images, *shape, generator=torch.Generator().manual_seed(0))
    results = {}
    for what, make, size in (("embedding", embedding, asked.chunk), ("training", training, asked.batch)):
        ways = {
            "direct": make(use_pytorch_kernels(layer_by_layer(asked.width, shape)), images, size),
            "winograd": make(layer_by_layer(asked.width, shape), images, size),
        }
        first = {name: timed(work, "cpu") for name, work in ways.items()}
        exact, ours = ways["direct"]().double(), ways["winograd"]().double()
        seconds = in_turns(ways, "cpu", asked.rounds)
        count = asked.images if what == "embedding" else asked.batch
        print(
            f"{what}: direct {1000 * seconds['direct'] / count:.3f} ms an image, Winograd's {1000 * seconds['winograd'] / count:.3f}: "
            f"{seconds['direct'] / seconds['winograd']:.2f} times faster; first call {first['direct']:.0f} and {first['winograd']:.0f} s"
        )
        results[what] = {"seconds": seconds, "images": count, "first_call": first, "apart": float((ours - exact).norm() / exact.norm())}
    save(
        "winograd",
        {"settings": {"width": asked.width, "size": asked.size, "chunk": asked.chunk}, **results},
        asked.out,
        "cpu",
        f"width{asked.width}",
    )


if __name__ == "__main__":
    main()
