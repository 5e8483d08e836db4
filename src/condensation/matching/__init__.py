"""Discrepancies between real and synthetic images: pure functions, and the kernels that they are measured with."""

from condensation.matching.kernels import RBF, Kernel, Laplacian, Linear, Polynomial, Scaled, Sum

# In the order of the results table.
KERNELS: dict[str, Kernel] = {
    "linear": Linear(),
    "polynomial": Polynomial(),
    "rbf": RBF(),
    "laplacian": Laplacian(),
    "sum": Sum(),
    "scaled": Scaled(),
}

__all__ = ["KERNELS", "RBF", "Kernel", "Laplacian", "Linear", "Polynomial", "Scaled", "Sum"]
