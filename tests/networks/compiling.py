"""Checks that the tests of the CPU kernels share: equal results when compiled, and stacked networks without them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from condensation import Compute, ConvNet, Rng
from condensation.training.stacked import ModelCache


def compiled_cases(test: Callable[..., None]) -> Callable[..., None]:
    """Run ``test``, as a slow one, for each backend, image shape, and whether weights learn."""
    for name, values in {"backend": ["aot_eager", "inductor"], "shape": [(3, 16, 16), (1, 12, 12)], "learns": [True, False]}.items():
        test = pytest.mark.parametrize(name, values)(test)
    return pytest.mark.slow(test)


def gradients(function: Callable[[Tensor], Tensor], images: Tensor, others: list[Tensor]) -> list[Tensor]:
    """Return the result, and the gradients of a scalar function of it with respect to ``images`` and all ``others``."""
    images = images.clone().requires_grad_()
    result = function(images)
    weights = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view(result.shape)
    return [result.detach(), *torch.autograd.grad((result.square() * weights).sum(), [images, *others])]


def check_compiled_network(width: int, shape: tuple[int, int, int], backend: str, learns: bool) -> None:
    network = ConvNet(width=width, depth=2).build(shape, 3, Rng(0)).requires_grad_(learns)
    images = torch.randn(5, *shape, generator=torch.Generator().manual_seed(0))
    parameters = list(network.parameters()) if learns else []
    plain = gradients(network, images, parameters)
    compiled = torch.compile(network, backend=backend, fullgraph=True, dynamic=False)
    largest = max(float(gradient.abs().max()) for gradient in plain[1:])  # a bias before a norm has a gradient of rounding errors only
    for one, other in zip(gradients(compiled, images, parameters), plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5 * largest)


def check_stacked_networks_do_not_use(computed: list[tuple[int, ...]], width: int) -> None:
    """Check that one network uses the kernel, which notes it in ``computed``, that two stacked ones do not, and that the results agree."""
    crew = ModelCache(ConvNet(width=width, depth=2), (3, 16, 16), 3, Compute(device="cpu", precision="float32", compile="always"))
    images = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    rngs, logits = [Rng(0).child("network", number) for number in range(2)], []
    for learners, theirs in ((crew.batch(1), rngs[:1]), (crew.batch(2), rngs)):
        learners.reinitialize(theirs)
        learners.train(False)
        with torch.no_grad():
            logits.append(learners.forward_shared(images))
        if learners.count == 1:
            assert computed
            computed.clear()
    torch.testing.assert_close(logits[1][:1], logits[0], rtol=1e-3, atol=1e-5)
    assert not computed
