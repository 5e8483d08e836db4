"""Kernel ridge regression: what a set of images with labels says of others, and labels that say it best."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from condensation.core.errors import CondensationError


class NotPositiveDefinite(CondensationError):
    """The kernel matrix of a set cannot be solved with."""

    def __init__(self, images: int, reg: float) -> None:
        super().__init__(
            f"The kernel matrix of {images} images with reg {reg:g} times its mean diagonal is not positive definite: "
            "some images are the same, or nearly.\nUse a larger reg; 1e-6 is the published one."
        )


def factor(of_set: Tensor, reg: float) -> Tensor:
    """The Cholesky factor of the kernel matrix ``of_set`` (n, n) with ``reg`` times its mean diagonal added to the diagonal.

    Raises:
        NotPositiveDefinite: if it has none, which names ``reg``.
    """
    count = len(of_set)
    ridge = reg * of_set.diagonal().mean() * torch.eye(count, dtype=of_set.dtype, device=of_set.device)
    lower: Tensor
    lower, info = torch.linalg.cholesky_ex(of_set + ridge)
    if int(info):
        raise NotPositiveDefinite(count, reg)
    return lower


def predictions(across: Tensor, of_set: Tensor, labels: Tensor, reg: float) -> Tensor:
    """K_ts (K_ss + reg tr(K_ss)/n I)^-1 y_s (m, classes): ``across`` is K_ts (m, n), ``of_set`` K_ss, ``labels`` y_s (n, classes).

    It is what an infinitely wide network comes to say of m images, trained on the n of the set (Nguyen et al., 2021, eq. 1).
    """
    return across @ weights(of_set, labels, reg)


def weights(of_set: Tensor, labels: Tensor, reg: float) -> Tensor:
    """(K_ss + reg tr(K_ss)/n I)^-1 y_s (n, classes): what a kernel K_ts is multiplied by, whatever the other images."""
    return torch.cholesky_solve(labels, factor(of_set, reg))


def solved_labels(across: Iterable[tuple[Tensor, Tensor]], of_set: Tensor, reg: float) -> Tensor:
    """Labels (n, classes) of the images of a set with which `predictions` are nearest the labels of others, by least squares.

    "Label Solve" of KIP: the pseudo-inverse of K_ts (K_ss + ...)^-1 times y_t. ``across`` gives, some of the others at a time, their
    kernel K_ts (m, n) and their labels y_t (m, classes); only a triangle of n + classes columns is kept of them.
    """
    lower, count = factor(of_set, reg), len(of_set)
    kept: Tensor | None = None
    for kernel, labels in across:
        rows = torch.cat([torch.cholesky_solve(kernel.T, lower).T, labels], 1)
        kept = torch.linalg.qr(rows if kept is None else torch.cat([kept, rows]), mode="r").R
    assert kept is not None
    labels_of_set: Tensor = torch.linalg.pinv(kept[:, :count]) @ kept[:, count:]
    return labels_of_set
