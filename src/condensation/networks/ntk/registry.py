"""Registry of the neural tangent kernels by name."""

from condensation.networks.ntk.base import NTK
from condensation.networks.ntk.convolutional import Convolutional, PooledConvolutional
from condensation.networks.ntk.fully_connected import FullyConnected

NTKS: dict[str, NTK] = {kernel.name: kernel for kernel in (FullyConnected(), Convolutional(), PooledConvolutional())}
