"""Would Winograd's convolution make embedding faster? The weights of a step are fixed, so 3x3 convolutions may be done so.

    python -m benchmarks.winograd                                                    # this machine
    ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 python -m benchmarks.winograd   # it, as if it had AVX2 alone

F(2x2, 3x3) takes 2.25 times fewer multiplications than the direct sum, F(4x4, 3x3) four times fewer (Lavin and Gray,
2016); both pay with transforms of all feature maps. This times the middle convolution of ConvNet-128 in float32, 128 to
128 channels at 16x16, where nearly all of its arithmetic is, compiled, in chunks that fit the cache.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor

from benchmarks.harness import arguments, in_turns, save

CHANNELS, SIDE = 128, 16

# Output tile: (matrix on inputs, on weights, on products), the transposes of B, G and A of the paper.
MATRICES = {
    2: (
        [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
        [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]],
        [[1, 1, 1, 0], [0, 1, -1, -1]],
    ),
    4: (
        [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]],
        [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]],
        [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    ),
}


def combined(rows: list[list[float]], parts: list[Tensor]) -> list[Tensor]:
    """For each row of a matrix, that combination of ``parts``: written out, so that a compiler can fuse it."""
    results = []
    for row in rows:
        terms = [part if factor == 1 else factor * part for factor, part in zip(row, parts, strict=True) if factor]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        results.append(total)
    return results


def transformed(weights: Tensor, tile: int) -> Tensor:
    """Weights (out, in, 3, 3) as matrices (places, in, out); once a step, so its time does not count."""
    matrix = torch.tensor(MATRICES[tile][1])
    return torch.einsum("ap,oipq,bq->abio", matrix, weights, matrix).flatten(0, 1).contiguous()


def winograd(images: Tensor, weights: Tensor, tile: int) -> Tensor:
    """The convolution of images (n, c, h, w), padded by one, with `transformed` weights; h and w divide by ``tile``.

    Made for channels-last images: the transforms then add up runs of channels, and the products read them as they lie.
    """
    on_inputs, _, on_products = MATRICES[tile]
    count, channels, height, width = images.shape
    reach = tile + 2
    padded = F.pad(images.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    rows = combined(on_inputs, [padded[:, first : first + height - tile + 1 : tile] for first in range(reach)])
    columns = [[row[:, :, first : first + width - tile + 1 : tile] for first in range(reach)] for row in rows]
    places = [place for row in columns for place in combined(on_inputs, row)]  # (n, rows, columns, c) each
    products = torch.bmm(torch.stack(places).view(reach * reach, -1, channels), weights)
    across = products.view(reach, reach, count, height // tile, width // tile, -1)
    of_rows = [combined(on_products, list(column)) for column in across.unbind(1)]  # of each column of a tile, its rows
    whole = [torch.stack(combined(on_products, list(row)), 3) for row in zip(*of_rows, strict=True)]
    return torch.stack(whole, 2).reshape(count, height, width, -1).permute(0, 3, 1, 2)


def main() -> None:
    asked = arguments(__doc__, images=160, chunk=32, rounds=15)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(CHANNELS, CHANNELS, 3, 3, generator=generator) / (3 * CHANNELS**0.5)
    images = torch.randn(asked.images, CHANNELS, SIDE, SIDE, generator=generator)
    last = images.contiguous(memory_format=torch.channels_last)
    ways: dict[str, Callable[[Tensor], Tensor]] = {"direct": lambda chunk: F.conv2d(chunk, weights, padding=1)}
    given = {"direct": images}
    for tile in MATRICES:
        fast = torch.compile(winograd, dynamic=False)
        given[f"F({tile}x{tile})"] = last
        ways[f"F({tile}x{tile})"] = lambda chunk, fast=fast, ready=transformed(weights, tile), tile=tile: fast(chunk, ready, tile)
    with torch.no_grad():
        exact = F.conv2d(images.double(), weights.double(), padding=1)
        wrong = {name: float((way(given[name]).double() - exact).norm() / exact.norm()) for name, way in ways.items()}
        works = {name: lambda way=way, name=name: [way(chunk) for chunk in given[name].split(asked.chunk)] for name, way in ways.items()}
        for work in works.values():
            work()
        seconds = in_turns(works, "cpu", asked.rounds)
    for name, took in seconds.items():
        print(
            f"{name}: {1000 * took:.1f} ms for {asked.images} images, {seconds['direct'] / took:.2f} times direct; off by {wrong[name]:.1e}"
        )
    settings = {"images": asked.images, "chunk": asked.chunk, "channels": CHANNELS, "side": SIDE, "rounds": asked.rounds}
    save("winograd", {"settings": settings, "seconds": seconds, "relative_error": wrong}, asked.out)


if __name__ == "__main__":
    main()
