"""Gradients of each class's loss with respect to a network's parameters: of real images as numbers, of synthetic ones with a graph.

A gradient of k classes is a list with a tensor (k, *shape) for each parameter that is learned, in the network's order.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.modules.batchnorm import _BatchNorm

from condensation.core.images import Shape
from condensation.core.modules import draws_numbers
from condensation.core.rng import Rng
from condensation.matching.gradient_distances import Distance, Gradient, layerwise_cosine

logger = logging.getLogger(__name__)

TOLERANCE = 1e-6  # of two ways to compute a gradient in float64
Logits = Callable[[Tensor], Tensor]  # (n, classes) of images (n, c, h, w)


def trainable_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that gradients are taken with respect to."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def class_mean_gradient(logits: Logits, network: nn.Module, batches: Iterable[Tensor], label: int, count: int) -> list[Tensor]:
    """The gradient of the mean cross-entropy of ``count`` images of class ``label``, which come in ``batches``; no graph is kept.

    It is a sum over images, so memory does not grow with their number. ``logits`` computes ``network``, in a lower
    precision perhaps; the loss and the sum have that of the parameters.
    """
    parameters = list(trainable_parameters(network).values())
    total: list[Tensor] | None = None
    for images in batches:
        labels = torch.full((len(images),), label, device=images.device)
        loss = F.cross_entropy(logits(images).to(parameters[0].dtype), labels, reduction="sum") / count
        of_batch = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        total = list(of_batch) if total is None else [one.add_(other) for one, other in zip(total, of_batch, strict=True)]
    assert total is not None
    return total


def sequential_distances(distance: Distance, target: Gradient, network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The ``distance`` (k,) from ``target`` of the gradient of each class of ``images`` (k, n, c, h, w), with ``labels`` (k, n).

    It can be differentiated with respect to the images: the graph goes through the backward pass of the network.
    """
    parameters, result = list(trainable_parameters(network).values()), []
    for place, (of_class, own) in enumerate(zip(images, labels, strict=True)):
        loss = F.cross_entropy(network(of_class), own)
        gradient = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True, materialize_grads=True)
        result.append(distance([one[place] for one in target], gradient))
    return torch.stack(result)


def vmapped_distances(distance: Distance, target: Gradient, network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """`sequential_distances` with every operation done once for all classes; for a network that `supports_vmap`."""

    def loss(parameters: dict[str, Tensor], of_class: Tensor, own: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(network, parameters, (of_class,)), own)

    parameters = {name: parameter.detach() for name, parameter in trainable_parameters(network).items()}
    gradients = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, images, labels)
    return vmap(distance)(list(target), [gradients[name] for name in parameters])


def supports_vmap(network: nn.Module, shape: Shape) -> bool:
    """Whether `vmapped_distances` can compute ``network``, and does so rightly; it must draw no numbers and keep no count.

    Both ways are tried on a few numbers, for torch (2.13) vectorises some second derivatives wrongly, without a word: those
    of layer norm.
    """
    norms = {id(buffer) for module in network.modules() if isinstance(module, _BatchNorm) for buffer in module.buffers()}
    try:
        if draws_numbers(network) or any(id(buffer) not in norms for buffer in network.buffers()):
            raise RuntimeError("it draws numbers or keeps something from one pass to the next")
        network = copy.deepcopy(network).double()
        device = next(network.parameters()).device
        images = Rng(0).normal((2, 2, *shape)).to(device, torch.float64).requires_grad_()
        labels = torch.arange(2, device=device)[:, None].expand(2, 2)
        target = [Rng(1).normal((2, *parameter.shape)).to(device, torch.float64) for parameter in trainable_parameters(network).values()]
        with frozen_batch_norm(network):
            one, other = (
                torch.autograd.grad(function(layerwise_cosine, target, network, images, labels).sum(), images)[0]
                for function in (sequential_distances, vmapped_distances)
            )
        if not (one - other).norm() <= TOLERANCE * one.norm():
            raise RuntimeError("torch vectorises its second derivatives wrongly")
    except Exception as error:  # whatever a person's own module meets; its classes then go one by one
        logger.info("Classes are matched one by one: %s cannot take several at a time (%s).", type(network).__name__, error)
        return False
    return True


@contextmanager
def frozen_batch_norm(network: nn.Module, images: Callable[[], Tensor] | None = None) -> Iterator[None]:
    """Let batch norm have the statistics that it has, and all else be in training mode.

    Before that, where there is batch norm, ``images`` (n, c, h, w), if any, pass through the network once, so that the running
    statistics take them in. As published: a batch of one class has not the statistics of the data.
    """
    network.train()
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    if norms and images is not None:
        with torch.no_grad():
            network(images())
    for module in norms:
        module.eval()
    try:
        yield
    finally:
        network.train()


def group_equal_counts(counts: Sequence[int], most: int) -> list[range]:
    """Places of neighbours in ``counts`` that are equal, at most ``most`` in a group."""
    groups: list[range] = []
    for place, count in enumerate(counts):
        if groups and len(groups[-1]) < most and counts[groups[-1].start] == count:
            groups[-1] = range(groups[-1].start, place + 1)
        else:
            groups.append(range(place, place + 1))
    return groups
