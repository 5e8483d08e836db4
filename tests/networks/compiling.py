"""What tests of fast ways of compiled programs share: the same numbers as uncompiled, and stacked networks that do without."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from condensation import Compute, ConvNet, Rng
from condensation.training.stacked import ModelCache


def gradients(function: Callable[[Tensor], Tensor], images: Tensor, others: list[Tensor]) -> list[Tensor]:
    """What comes out, and the gradients by ``images`` and by all ``others`` of a number that depends on all of it."""
    images = images.clone().requires_grad_()
    result = function(images)
    weights = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view(result.shape)
    return [result.detach(), *torch.autograd.grad((result.square() * weights).sum(), [images, *others])]


def gives_the_same_compiled(width: int, shape: tuple[int, int, int], backend: str, learns: bool) -> None:
    network = ConvNet(width=width, depth=2).build(shape, 3, Rng(0)).requires_grad_(learns)
    images = torch.randn(5, *shape, generator=torch.Generator().manual_seed(0))
    parameters = list(network.parameters()) if learns else []
    plain = gradients(network, images, parameters)
    compiled = torch.compile(network, backend=backend, fullgraph=True, dynamic=False)
    largest = max(float(gradient.abs().max()) for gradient in plain[1:])  # that of a bias before a norm is 0, but for rounding
    for one, other in zip(gradients(compiled, images, parameters), plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5 * largest)


def stacked_do_without(taken: list[tuple[int, ...]], width: int) -> None:
    """That one network takes the fast way, which notes it in ``taken``, and two that are stacked do not, and all come to the same."""
    crew = ModelCache(ConvNet(width=width, depth=2), (3, 16, 16), 3, Compute(device="cpu", precision="float32", compile="always"))
    images = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    rngs, logits = [Rng(0).child("network", number) for number in range(2)], []
    for learners, theirs in ((crew.learners(1), rngs[:1]), (crew.learners(2), rngs)):
        learners.begin(theirs)
        learners.train(False)
        with torch.no_grad():
            logits.append(learners.forward_shared(images))
        if learners.count == 1:
            assert taken
            taken.clear()
    torch.testing.assert_close(logits[1][:1], logits[0], rtol=1e-3, atol=1e-5)
    assert not taken
