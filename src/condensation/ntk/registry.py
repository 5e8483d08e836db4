"""Registry of the neural tangent kernels by name."""

from condensation.ntk.base import NTK
from condensation.ntk.convolutional import Convolutional, PooledConvolutional
from condensation.ntk.fully_connected import FullyConnected

NTKS: dict[str, NTK] = {kernel.name: kernel for kernel in (FullyConnected(), Convolutional(), PooledConvolutional())}
