"""Gradients of the loss of each class with respect to a network's parameters: constant for real images, differentiable for synthetic ones.

The gradient of k classes is a list with a tensor (k, *shape) per trainable parameter, in the network's order.
"""

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

TOLERANCE = 1e-6  # largest relative difference between two ways to compute a gradient in float64
Logits = Callable[[Tensor], Tensor]  # images (n, c, h, w) to logits (n, classes)


def trainable_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that require gradients, by name."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def class_mean_gradient(logits: Logits, network: nn.Module, batches: Iterable[Tensor], label: int, count: int) -> list[Tensor]:
    """Return the gradient of the mean cross-entropy of ``count`` images of class ``label``, given in ``batches``, without a graph.

    The memory does not grow with ``count``. ``logits`` may have lower precision than the parameters, the loss and the sum.
    """
    parameters = list(trainable_parameters(network).values())
    total: list[Tensor] | None = None
    for images in batches:
        labels = torch.full((len(images),), label, device=images.device)
        loss = F.cross_entropy(logits(images).to(parameters[0].dtype), labels, reduction="sum") / count
        gradient = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        total = list(gradient) if total is None else [part.add_(new) for part, new in zip(total, gradient, strict=True)]
    assert total is not None
    return total


def sequential_distances(distance: Distance, target: Gradient, network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Return the ``distance`` (k,) of ``target`` to each class's gradient on images (k, n, c, h, w), differentiable in the images."""
    parameters, distances = list(trainable_parameters(network).values()), []
    for index, (class_images, class_labels) in enumerate(zip(images, labels, strict=True)):
        loss = F.cross_entropy(network(class_images), class_labels)
        gradient = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True, materialize_grads=True)
        distances.append(distance([part[index] for part in target], gradient))
    return torch.stack(distances)


def vmapped_distances(distance: Distance, target: Gradient, network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Return the result of `sequential_distances`, computed for all classes at once; requires `supports_vmap`."""

    def loss(parameters: dict[str, Tensor], class_images: Tensor, class_labels: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(network, parameters, (class_images,)), class_labels)

    parameters = {name: parameter.detach() for name, parameter in trainable_parameters(network).items()}
    gradients = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, images, labels)
    return vmap(distance)(list(target), [gradients[name] for name in parameters])


def supports_vmap(network: nn.Module, shape: Shape) -> bool:
    """Return whether `vmapped_distances` is correct for ``network``, which must draw no random numbers and keep no state.

    Both ways are compared on random images, since torch 2.13 vectorizes some second derivatives wrongly, such as of layer norm.
    """
    norms = {id(buffer) for module in network.modules() if isinstance(module, _BatchNorm) for buffer in module.buffers()}
    try:
        if draws_numbers(network) or any(id(buffer) not in norms for buffer in network.buffers()):
            raise RuntimeError("it draws random numbers or keeps state between passes")
        network = copy.deepcopy(network).double()
        device = next(network.parameters()).device
        images = Rng(0).normal((2, 2, *shape)).to(device, torch.float64).requires_grad_()
        labels = torch.arange(2, device=device)[:, None].expand(2, 2)
        parameters = trainable_parameters(network).values()
        target = [Rng(1).normal((2, *parameter.shape)).to(device, torch.float64) for parameter in parameters]
        with frozen_batch_norm(network):
            sequential, vmapped = (
                torch.autograd.grad(function(layerwise_cosine, target, network, images, labels).sum(), images)[0]
                for function in (sequential_distances, vmapped_distances)
            )
        if not (sequential - vmapped).norm() <= TOLERANCE * sequential.norm():
            raise RuntimeError("torch vectorizes its second derivatives wrongly")
    except Exception as error:  # a user's module may raise any error
        logger.info("Classes are matched one by one, because %s does not support vmap: %s.", type(network).__name__, error)
        return False
    return True


@contextmanager
def frozen_batch_norm(network: nn.Module, images: Callable[[], Tensor] | None = None) -> Iterator[None]:
    """Put batch norm in evaluation mode and all other layers in training mode.

    If the network has batch norm, ``images`` (n, c, h, w) first pass through it once to update the running statistics, as published: a
    batch of a single class does not have the statistics of the data.
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


def group_equal_counts(counts: Sequence[int], largest: int) -> list[range]:
    """Return ranges of neighbouring classes with equal ``counts``, at most ``largest`` classes each."""
    groups: list[range] = []
    for index, count in enumerate(counts):
        if groups and len(groups[-1]) < largest and counts[groups[-1].start] == count:
            groups[-1] = range(groups[-1].start, index + 1)
        else:
            groups.append(range(index, index + 1))
    return groups
