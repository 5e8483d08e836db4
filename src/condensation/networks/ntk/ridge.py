"""Kernel ridge regression on a labelled set, and the labels that minimize its error."""

from collections.abc import Iterable

import torch
from torch import Tensor

from condensation.core.errors import CondensationError


class NotPositiveDefinite(CondensationError):
    """Error for a kernel matrix that has no Cholesky factor."""

    def __init__(self, images: int, reg: float) -> None:
        message = f"The kernel matrix of {images} images with reg {reg:g} is not positive definite: some images are (nearly) equal."
        super().__init__(message, hint="Use a larger reg; the published value is 1e-6.")


def cholesky_factor(kernel: Tensor, reg: float) -> Tensor:
    """Return the Cholesky factor of ``kernel`` (n, n) plus ``reg`` times its mean diagonal. Raise NotPositiveDefinite if there is none."""
    count = len(kernel)
    ridge = reg * kernel.diagonal().mean() * torch.eye(count, dtype=kernel.dtype, device=kernel.device)
    lower: Tensor
    lower, info = torch.linalg.cholesky_ex(kernel + ridge)
    if int(info):
        raise NotPositiveDefinite(count, reg)
    return lower


def ridge_predictions(cross_kernel: Tensor, kernel: Tensor, labels: Tensor, reg: float) -> Tensor:
    """Return the predictions K_ts (K_ss + reg tr(K_ss)/n I)^-1 y_s (m, classes) for m images t from n images s with labels.

    They are those of an infinitely wide network trained to convergence on the n images (Nguyen et al., 2021, eq. 1). K_ts is
    ``cross_kernel`` (m, n), K_ss ``kernel`` (n, n), and y_s ``labels`` (n, classes).
    """
    return cross_kernel @ ridge_weights(kernel, labels, reg)


def ridge_weights(kernel: Tensor, labels: Tensor, reg: float) -> Tensor:
    """Return (K_ss + reg tr(K_ss)/n I)^-1 y_s (n, classes); K_ts times this gives `ridge_predictions` for any images t."""
    return torch.cholesky_solve(labels, cholesky_factor(kernel, reg))


def solved_labels(batches: Iterable[tuple[Tensor, Tensor]], kernel: Tensor, reg: float) -> Tensor:
    """Return the labels y_s (n, classes) whose `ridge_predictions` have the least squared error: "Label Solve" of KIP.

    They are the pseudo-inverse of K_ts (K_ss + reg tr(K_ss)/n I)^-1 times y_t. ``kernel`` is K_ss (n, n); ``batches`` of any size have
    K_ts (m, n) and labels y_t (m, classes) of other images, of which only a triangular matrix of n + classes columns is kept.
    """
    lower, count = cholesky_factor(kernel, reg), len(kernel)
    triangle: Tensor | None = None
    for cross_kernel, labels in batches:
        rows = torch.cat([torch.cholesky_solve(cross_kernel.T, lower).T, labels], 1)
        triangle = torch.linalg.qr(rows if triangle is None else torch.cat([triangle, rows]), mode="r").R
    assert triangle is not None
    solution: Tensor = torch.linalg.pinv(triangle[:, :count]) @ triangle[:, count:]
    return solution
