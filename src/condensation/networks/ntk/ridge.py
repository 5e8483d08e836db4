"""Kernel ridge regression on a labelled set, and the labels that minimize its error."""

from collections.abc import Iterable

import torch
from torch import Tensor

from condensation.core.errors import CondensationError


class NotPositiveDefinite(CondensationError):
    """Error for a kernel matrix that has no Cholesky factor."""

    def __init__(self, images: int, reg: float) -> None:
        super().__init__(
            f"The kernel matrix of {images} images with reg {reg:g} times its mean diagonal is not positive definite: "
            "some images are equal, or nearly.",
            hint="Use a larger reg; the published value is 1e-6.",
        )


def cholesky_factor(kernel: Tensor, reg: float) -> Tensor:
    """Return the Cholesky factor of ``kernel`` (n, n) with ``reg`` times its mean diagonal added to the diagonal.

    Raises:
        NotPositiveDefinite: if there is none.
    """
    count = len(kernel)
    ridge = reg * kernel.diagonal().mean() * torch.eye(count, dtype=kernel.dtype, device=kernel.device)
    lower: Tensor
    lower, info = torch.linalg.cholesky_ex(kernel + ridge)
    if int(info):
        raise NotPositiveDefinite(count, reg)
    return lower


def ridge_predictions(cross_kernel: Tensor, kernel: Tensor, labels: Tensor, reg: float) -> Tensor:
    """Return the predictions K_ts (K_ss + reg tr(K_ss)/n I)^-1 y_s (m, classes) for m images t from n images s with labels.

    They are those of an infinitely wide network trained to convergence on the n images (Nguyen et al., 2021, eq. 1).

    Args:
        cross_kernel: K_ts (m, n).
        kernel: K_ss (n, n).
        labels: y_s (n, classes).
        reg: Regularization as a fraction of the mean diagonal of K_ss.
    """
    return cross_kernel @ ridge_weights(kernel, labels, reg)


def ridge_weights(kernel: Tensor, labels: Tensor, reg: float) -> Tensor:
    """Return (K_ss + reg tr(K_ss)/n I)^-1 y_s (n, classes); K_ts times it gives `ridge_predictions` for any images t."""
    return torch.cholesky_solve(labels, cholesky_factor(kernel, reg))


def solved_labels(batches: Iterable[tuple[Tensor, Tensor]], kernel: Tensor, reg: float) -> Tensor:
    """Return the labels y_s (n, classes) whose `ridge_predictions` have the least squared error: "Label Solve" of KIP.

    They are the pseudo-inverse of K_ts (K_ss + reg tr(K_ss)/n I)^-1 times y_t. Of the batches, only a triangular matrix of n + classes
    columns is kept.

    Args:
        batches: K_ts (m, n) and labels y_t (m, classes) of other images, in batches of any size.
        kernel: K_ss (n, n).
        reg: Regularization as a fraction of the mean diagonal of K_ss.
    """
    lower, count = cholesky_factor(kernel, reg), len(kernel)
    triangle: Tensor | None = None
    for cross_kernel, labels in batches:
        rows = torch.cat([torch.cholesky_solve(cross_kernel.T, lower).T, labels], 1)
        triangle = torch.linalg.qr(rows if triangle is None else torch.cat([triangle, rows]), mode="r").R
    assert triangle is not None
    solution: Tensor = torch.linalg.pinv(triangle[:, :count]) @ triangle[:, count:]
    return solution
