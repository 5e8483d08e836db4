"""Properties of PyTorch modules that restrict how a batch can be split."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd


def mixes_images(network: nn.Module) -> bool:
    """Return whether images of a batch affect each other, through batch norm or as the attribute ``mixes_images = True`` declares."""
    declared = getattr(network, "mixes_images", False)
    return declared is True or any(isinstance(module, _BatchNorm) for module in network.modules())


def draws_numbers(network: nn.Module) -> bool:
    """Return whether ``network`` draws random numbers in training mode, through dropout or as its attribute ``draws_numbers`` declares."""
    declared = getattr(network, "draws_numbers", False)
    return declared is True or any(isinstance(module, _DropoutNd) for module in network.modules())
