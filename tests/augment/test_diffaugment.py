"""DiffAugment: all operations on each image, and gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from condensation import DSA, CondensationError, Rng
from condensation.augment.base import Augmentation
from condensation.augment.diffaugment import DiffAugment
from condensation.augment.dsa import OPERATIONS
from condensation.config.build import from_dict
from condensation.core.plain import to_dict
from tests.small import images


def batch(count: int = 5, shape: tuple[int, int, int] = (3, 8, 8), seed: int = 0) -> Tensor:
    return torch.randn(count, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_operations_are_applied_in_order_with_separate_parameters() -> None:
    numbers = torch.from_numpy(Rng(3).generator().random((5, 2, 3), dtype="float32")).double()
    shifted = OPERATIONS["crop"](DSA(), batch(), numbers[:, 0])
    expected = OPERATIONS["cutout"](DSA(), shifted, numbers[:, 1])
    assert torch.equal(DiffAugment().per_image(5, Rng(3))(batch(), torch.arange(5)), expected)


def test_each_image_has_its_own_parameters() -> None:
    same = batch(1).expand(64, -1, -1, -1)
    assert len(DiffAugment().per_image(64, Rng(0))(same, torch.arange(64)).flatten(1).unique(dim=0)) > 32


def test_one_draw_treats_all_images_of_a_class_alike() -> None:
    transform = DiffAugment().per_class([4, 7], Rng(1))
    pictures = batch(1).expand(4, -1, -1, -1)
    result = transform(pictures, torch.tensor([0, 0, 1, 1]))
    assert torch.equal(result[0], result[1])
    assert torch.equal(result[2], result[3])
    assert not torch.equal(result[0], result[2])
    assert torch.equal(DiffAugment().per_class([7], Rng(1))(pictures[:1], torch.zeros(1, dtype=torch.long))[0], result[2])


def test_gradients_check_out() -> None:
    transform = DiffAugment(("color", "crop", "cutout")).per_image(2, Rng(2))
    assert torch.autograd.gradcheck(lambda x: transform(x, torch.arange(2)), (batch(2, (2, 5, 4)).requires_grad_(),))


def test_no_operation_leaves_images_as_they_are() -> None:
    assert torch.equal(DiffAugment(()).per_image(5, Rng(0))(batch(), torch.arange(5)), batch())


def test_digits_are_not_mirrored() -> None:
    real = images()
    assert DiffAugment(("crop", "flip")).fit(real).operations == ("crop", "flip")
    digits = replace(real, flip_invariant=False)
    assert DiffAugment(("crop", "flip")).fit(digits).operations == ("crop",)


@pytest.mark.parametrize(("operations", "message"), [(("blur",), "blur"), (("crop", "crop"), "at most once")])
def test_unknown_and_repeated_operations_are_refused(operations: tuple[str, ...], message: str) -> None:
    with pytest.raises(CondensationError, match=message):
        DiffAugment(operations)


def test_settings_choose_it_by_name() -> None:
    chosen = from_dict(Augmentation, "diffaugment")  # type: ignore[type-abstract]
    assert chosen == DiffAugment()
    assert from_dict(Augmentation, to_dict(DiffAugment(("cutout",)))) == DiffAugment(("cutout",))  # type: ignore[type-abstract]
