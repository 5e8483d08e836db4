"""Sizes of microbatches, and gradients equal to those of the whole batch."""

from __future__ import annotations

import pytest
import torch

from condensation import ConvNet, Rng
from condensation.core.microbatch import microbatch_size, microbatched, split

SHAPE = (3, 16, 16)


def network():  # type: ignore[no-untyped-def]
    return ConvNet(width=8).build(SHAPE, 3, Rng(0)).requires_grad_(False)


@pytest.mark.parametrize(("count", "chunk", "sizes"), [(7, 3, [3, 3, 1]), (6, 3, [3, 3]), (2, 3, [2]), (5, None, [5])])
def test_split(count: int, chunk: int | None, sizes: list[int]) -> None:
    assert [piece.stop - piece.start for piece in split(count, chunk)] == sizes


@pytest.mark.parametrize(
    ("count", "side", "size"),
    [
        (10, 32, 10),
        (63, 32, 63),
        (100, 32, 50),
        (244, 32, 61),
        (256, 32, 32),
        (101, 32, 101),
        (62 * 61, 32, 62),
        (100, 64, 10),
        (64, 64, 8),
        (8, 224, 1),
        (7, 512, 1),
    ],
)
def test_pieces_have_one_size(count: int, side: int, size: int) -> None:
    assert microbatch_size(network(), torch.empty(1).expand(count, 3, side, side)) == size


@pytest.mark.parametrize("module", [torch.nn.BatchNorm2d(3), torch.nn.Dropout()], ids=["batch norm", "dropout"])
def test_networks_that_mix_images_or_draw_numbers_get_whole_batches(module: torch.nn.Module) -> None:
    assert microbatch_size(torch.nn.Sequential(network(), module), torch.empty(1).expand(100, 3, 32, 32)) == 100


def test_pieces_give_the_gradients_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    module, seen = network().double(), []

    def embed(batch: torch.Tensor) -> torch.Tensor:
        seen.append(len(batch))
        return module.embed(batch)

    batch = torch.randn(20, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (whole,) = torch.autograd.grad(module.embed(batch).square().sum(), batch)
    monkeypatch.setattr("condensation.core.microbatch.LEARNED_PIXELS", (2 * 256, 6 * 256))
    (gradient,) = torch.autograd.grad(microbatched(module, embed)(batch).square().sum(), batch)
    assert seen == [5] * 4
    assert torch.allclose(gradient, whole, rtol=1e-10, atol=0)
    with torch.no_grad():
        microbatched(module, embed)(batch)
    assert seen == [5] * 4 + [20]
