"""Properties of PyTorch modules that restrict how a batch can be split."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd


def mixes_images(network: nn.Module) -> bool:
    """Return whether the output for an image depends on the other images of its batch, as with batch norm in training mode.

    A module that does so without such layers declares it with the attribute ``mixes_images = True``.
    """
    declared = getattr(network, "mixes_images", False)
    return declared is True or any(isinstance(module, _BatchNorm) for module in network.modules())


def draws_numbers(network: nn.Module) -> bool:
    """Return whether ``network`` draws random numbers in training mode, as dropout does.

    A module that does so without such layers declares it with the attribute ``draws_numbers = True``.
    """
    declared = getattr(network, "draws_numbers", False)
    return declared is True or any(isinstance(module, _DropoutNd) for module in network.modules())
