"""Compare a network's embedding and training with Winograd convolutions and with direct ones.

    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 python -m benchmarks.winograd

In float32, compiled; both alternate in one process, on any processor. The command above restricts a processor with AVX512 to AVX2.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor

from benchmarks.harness import compare_outputs, milliseconds, parse_options, save, settings_of, timed, unfused_convnet
from condensation.networks.base import Classifier
from condensation.networks.cpu import dispatch
from condensation.networks.layers import use_pytorch_kernels


def embedding(network: Classifier, images: Tensor, chunk: int) -> Callable[[], Tensor]:
    """Return a function that embeds ``images``, ``chunk`` at a time."""
    embed = torch.compile(network.requires_grad_(False).embed, dynamic=False)

    def work() -> Tensor:
        with torch.no_grad():
            return torch.cat([embed(part) for part in images.split(chunk)])

    return work


def training(network: Classifier, images: Tensor, batch: int) -> Callable[[], Tensor]:
    """Return a function that computes the gradients of a batch as one row."""
    compiled, parameters = torch.compile(network, dynamic=False), list(network.parameters())
    images, labels = images[:batch], torch.arange(batch) % 10

    def work() -> Tensor:
        gradients = torch.autograd.grad(F.cross_entropy(compiled(images), labels), parameters)
        return torch.cat([gradient.flatten() for gradient in gradients])

    return work


def main() -> None:
    options = parse_options(__doc__, width=128, size=32, images=256, chunk=32, batch=100, rounds=15)
    dispatch.CPU_CAPABILITY = "AVX2"  # measure the fast path on any processor and at any width
    dispatch.WINOGRAD_CHANNELS = min(dispatch.WINOGRAD_CHANNELS, options.width)
    torch._dynamo.config.recompile_limit = 64
    shape = 3, options.size, options.size
    images = torch.randn(options.images, *shape, generator=torch.Generator().manual_seed(0))
    results = {}
    for name, make, size, count in (
        ("embedding", embedding, options.chunk, options.images),
        ("training", training, options.batch, options.batch),
    ):
        alternatives = {
            "direct": make(use_pytorch_kernels(unfused_convnet(options.width, shape)), images, size),
            "winograd": make(unfused_convnet(options.width, shape), images, size),
        }
        first = {side: timed(work, "cpu") for side, work in alternatives.items()}
        result = compare_outputs(alternatives, options.rounds)
        print(f"{name} of {count} images: {milliseconds(result)}; first calls {first['direct']:.0f} and {first['winograd']:.0f} s")
        results[name] = {**result, "images": count, "first_call": first}
    save("winograd", {"settings": settings_of(options), **results}, options.out, case=f"width{options.width}")


if __name__ == "__main__":
    main()
