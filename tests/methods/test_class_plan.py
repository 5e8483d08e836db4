"""A class is computed alike, to the last bit, whatever other groups of classes are in the process."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from condensation import DM, Compute, ConvNet, Fresh, Method, PixelMMD, Random, condense
from condensation.core.class_plan import class_offsets, draw_of_group, group_classes
from condensation.core.form import Tiles
from condensation.core.microbatch import even_pieces, padded
from condensation.core.rng import Rng
from condensation.matching.kernels import RBF, Laplacian
from condensation.methods.synthetic import SyntheticImages
from tests.small import CPU, dm, images

ALONE = Compute(**CPU, chunk=6)  # type: ignore[arg-type]  # as many images as a class has in a step
METHODS: dict[str, Method] = {
    "random": Random(),
    "pixel-mmd": PixelMMD(steps=4),
    "pixel-mmd-rbf": PixelMMD(steps=4, kernel=RBF(), batch_per_class=6),
    "dm": dm(),
    "dm-tiles": dm(form=Tiles(2), averaging=0.9),
    "dm-kernel": dm(kernel=Laplacian()),
    "dm-more-than-a-chunk": dm(batch_per_class=20),
    "dm-cosine": dm(schedule="cosine", momentum=0.9, augmentation=None),
}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_group_does_not_depend_on_the_others_to_the_last_bit(name: str, precision: str) -> None:
    real, compute = images(per_class=25, classes=5), replace(ALONE, precision=precision)
    whole, part = (condense(METHODS[name], some, 3, compute=compute) for some in (real, real.select([1, 4])))
    assert torch.equal(part.images, whole.select([1, 4]).images)


def test_classes_share_a_group_up_to_a_number_of_images() -> None:
    assert group_classes(dict.fromkeys(range(5), 10), 25) == ((0, 1), (2, 3), (4,))
    assert group_classes({2: 40, 5: 10, 7: 10, 9: 6}, 25) == ((2,), (5, 7), (9,))
    assert group_classes({2: 40, 5: 10}, None) == ((2, 5),)


def test_the_plan_of_some_classes_has_their_groups() -> None:
    real = images(per_class=8, classes=5)
    plan = dm(batch_per_class=8).class_plan(real, dict.fromkeys(range(5), 1), Compute(**CPU, chunk=16))  # type: ignore[arg-type]
    assert plan.groups == ((0, 1), (2, 3), (4,))
    assert plan.only([2, 3, 4]) == replace(plan, groups=((2, 3), (4,)), costs=(18, 9))
    assert plan.ranges == [range(0, 2), range(2, 4), range(4, 5)]
    norm = dm(networks=Fresh(ConvNet(width=4, norm="batch")))
    assert norm.class_plan(real, dict.fromkeys(range(5), 1), Compute()).groups == (tuple(range(5)),)


def test_a_draw_of_a_group_has_its_images() -> None:
    real = images(per_class=[3, 5, 4])
    draw = real.draw(4, Rng(0))
    part = draw_of_group(draw, range(1, 3), class_offsets(draw.class_index, 3))
    assert part.classes == (1, 2)
    assert part.class_index.tolist() == [0] * 4 + [1] * 4
    assert part.indices.tolist() == real.select([1, 2]).draw(4, Rng(0)).indices.add(3).tolist()


def test_pieces_of_a_class_are_even() -> None:
    assert [piece.stop - piece.start for piece in even_pieces(50, 32)] == [25, 25]
    assert [piece.stop - piece.start for piece in even_pieces(33, 16)] == [11, 11, 11]
    assert even_pieces(50, None) == even_pieces(50, 60) == [slice(0, 50)]


def test_padding_changes_the_size_alone() -> None:
    sizes: list[int] = []

    def embed(pixels: Tensor) -> Tensor:
        sizes.append(len(pixels))
        return pixels.flatten(1)

    pixels = torch.rand(5, 1, 2, 2)
    assert torch.equal(padded(embed, 4)(pixels), pixels.flatten(1))
    assert torch.equal(padded(embed, 1)(pixels), pixels.flatten(1))
    assert sizes == [8, 5]


def test_programs_of_few_sizes_are_compiled_for_classes_of_many_sizes() -> None:
    method = DM(steps=1, batch_per_class=30, networks=Fresh(ConvNet(width=4)))
    compiled = Compute(device="cpu", precision="float32", compile="always")
    for counts, multiple in (([20, 27, 30], 32), ([30, 30, 40], 1)):
        real = images(per_class=counts)
        assert method.class_plan(real, dict.fromkeys(range(3), 2), compiled).multiple == multiple
        assert method.class_plan(real, dict.fromkeys(range(3), 2), replace(compiled, compile="never")).multiple == 1


def test_the_gradient_of_a_part_is_that_of_a_slice() -> None:
    source = SyntheticImages(replace(images(per_class=2), images=torch.rand(6, 3, 16, 16)))
    (expected,) = torch.autograd.grad((source.images[1:3] ** 2).sum() + (source.images[2:6] ** 3).sum(), source.images)
    for indices, power in ((slice(1, 3), 2), (slice(2, 6), 3)):
        with source.part(indices) as pixels:
            (pixels**power).sum().backward()
    assert source.images.grad is not None
    torch.testing.assert_close(source.images.grad, expected)
