"""DSA: one function per draw, each operation against its definition, and gradients."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from condensation import DSA, CondensationError, ImageSet, Rng, Seeded
from condensation.augment.base import Augmentation, concat_transforms
from condensation.augment.dsa import OPERATIONS, UNIFORMS, DrawnDSA, color, cutout
from tests.small import images

NAMES = list(OPERATIONS)


def batch(count: int = 5, shape: tuple[int, int, int] = (3, 8, 8), seed: int = 0) -> Tensor:
    return torch.randn(count, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def apply(name: str, images: Tensor, *uniforms: float) -> Tensor:
    """One operation with given numbers in [0, 1) for all images."""
    numbers = torch.tensor([*uniforms, *[0.5] * UNIFORMS])[:UNIFORMS].to(images)
    return OPERATIONS[name](DSA(), images, numbers.expand(len(images), UNIFORMS))


@pytest.mark.parametrize("name", NAMES)
def test_one_draw_treats_all_images_of_a_class_alike(name: str) -> None:
    transform = DSA(operations=(name,)).per_class([4, 7], Rng(1))
    single = batch(1)
    many = torch.cat([single, batch(3), single])
    first, second = torch.zeros(5, dtype=torch.long), torch.ones(5, dtype=torch.long)
    assert torch.equal(transform(many, first)[0], transform(many, first)[-1])
    torch.testing.assert_close(transform(many, first)[:1], transform(single, first[:1]))
    torch.testing.assert_close(transform(many, second)[:1], transform(single, second[:1]))


@pytest.mark.parametrize("seed", range(8))
def test_all_classes_in_one_call_is_one_class_at_a_time(seed: int) -> None:
    classes, rows = [0, 3, 5, 9], torch.tensor([0, 0, 1, 2, 2, 2, 3])
    rng, pictures = Rng(seed), batch(7)
    together = DSA().per_class(classes, rng)(pictures, rows)
    alone = [
        DSA().per_class([label], rng)(pictures[rows == row], torch.zeros(int((rows == row).sum()), dtype=torch.long))
        for row, label in enumerate(classes)
    ]
    torch.testing.assert_close(together, torch.cat(alone))


def test_every_operation_is_drawn_about_as_often(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = dict.fromkeys(NAMES, 0)

    def counting(name: str):  # type: ignore[no-untyped-def]
        def operation(dsa: DSA, pictures: Tensor, uniforms: Tensor) -> Tensor:
            counts[name] += len(pictures)
            return pictures

        return operation

    for name in NAMES:
        monkeypatch.setitem(OPERATIONS, name, counting(name))
    DSA().per_class(range(600), Rng(0))(torch.zeros(600, 1, 2, 2), torch.arange(600))
    assert sum(counts.values()) == 600
    assert all(70 < count < 130 for count in counts.values())


def test_in_training_a_batch_draws_one_operation_and_each_image_its_own_parameters() -> None:
    same = batch(1).expand(64, -1, -1, -1)
    distinct = set()
    for seed in range(20):
        result = DSA(operations=("color", "flip")).per_image(64, Rng(seed))(same, torch.arange(64))
        distinct.add(len(result.flatten(1).unique(dim=0)))
    assert distinct == {64, 2}  # a flip leaves an image or its mirror image, colours leave as many as there are images


@pytest.mark.parametrize("name", NAMES)
def test_gradients_check_out(name: str) -> None:
    transform = DSA(operations=(name,)).per_class([0, 1], Rng(2))
    pictures = batch(2, (2, 5, 4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: transform(x, torch.arange(2)), (pictures,))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 9, 14), (1, 1, 1)])
def test_shape_and_kind_are_kept(name: str, shape: tuple[int, int, int]) -> None:
    pictures = batch(4, shape).float()
    result = DSA(operations=(name,)).per_image(4, Rng(0))(pictures, torch.arange(4))
    assert result.shape == pictures.shape
    assert result.dtype == pictures.dtype


def test_flipping_twice_is_the_identity() -> None:
    pictures = batch()
    flipped = apply("flip", pictures, 0.49)
    assert torch.equal(flipped, pictures.flip(3))
    assert torch.equal(apply("flip", flipped, 0.49), pictures)
    assert torch.equal(apply("flip", pictures, 0.5), pictures)


def test_color_is_brightness_then_saturation_then_contrast() -> None:
    pictures = batch()
    torch.testing.assert_close(apply("color", pictures, 0.5, 0.5, 0.5), pictures)
    torch.testing.assert_close(apply("color", pictures, 0.9, 0.5, 0.5), pictures + 0.4)
    grey = apply("color", pictures, 0.5, 0.0, 0.5)
    torch.testing.assert_close(grey, pictures.mean(1, keepdim=True).expand_as(grey))
    mean = pictures.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(apply("color", pictures, 0.5, 0.5, 0.25), (pictures - mean) * 0.75 + mean)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, -1), (-1, 1), (1, 1)])
def test_crop_moves_zeros_in(down: int, right: int) -> None:
    pictures = batch()  # 8 pixels: at most one each way
    uniform = [(1 + down + 0.5) / 3, (1 + right + 0.5) / 3]
    padded = F.pad(pictures, (1, 1, 1, 1))
    expected = padded[:, :, 1 + down : 9 + down, 1 + right : 9 + right]
    assert torch.equal(apply("crop", pictures, *uniform), expected)


def test_crop_reaches_an_eighth_of_the_side_and_no_further() -> None:
    ones = torch.ones(2000, 1, 32, 32)
    result = DSA(operations=("crop",)).per_image(2000, Rng(0))(ones, torch.arange(2000))
    zeros = (result[:, 0, :, 16] == 0).sum(1)
    assert set(zeros.tolist()) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("side", [8, 9])
def test_cutout_is_a_square_of_half_the_side(side: int) -> None:
    ones = torch.ones(3000, 1, side, side)
    result = DSA(operations=("cutout",)).per_image(3000, Rng(0))(ones, torch.arange(3000))
    rows = (result[:, 0] == 0).any(2).sum(1)
    size = int(side / 2 + 0.5)
    # Its centre lies anywhere in the image, so at the border a part of it is outside.
    assert int(rows.max()) == size
    assert int(rows.min()) == (size + 1) // 2
    whole = (rows == size).double().mean()
    assert abs(float(whole) - (side - size + 1) / (side + 1 - size % 2)) < 0.04


def test_scale_and_rotate_are_affine_maps_about_the_centre() -> None:
    pictures = batch(1, (1, 33, 33))
    torch.testing.assert_close(apply("rotate", pictures, 0.5), pictures)
    unscaled = (1 - 1 / 1.2) / (1.2 - 1 / 1.2)
    torch.testing.assert_close(apply("scale", pictures, unscaled, unscaled), pictures, rtol=1e-4, atol=1e-5)
    quarter = replace(DSA(), rotate=90.0)
    uniforms = torch.full((1, UNIFORMS), 1.0, dtype=torch.float64)
    turned = OPERATIONS["rotate"](quarter, pictures, uniforms)
    assert torch.allclose(turned, pictures.rot90(1, (2, 3))) or torch.allclose(turned, pictures.rot90(-1, (2, 3)))


def test_a_draw_depends_on_the_label_not_on_the_other_classes() -> None:
    pictures = batch(2)
    both = DSA().per_class([3, 8], Rng(0))(pictures, torch.tensor([0, 1]))
    alone = DSA().per_class([8], Rng(0))(pictures[1:], torch.tensor([0]))
    torch.testing.assert_close(both[1:], alone)


def test_digits_are_not_mirrored() -> None:
    assert "flip" not in DSA().fit(replace(images(), flip_invariant=False)).operations
    assert DSA().fit(images()) == DSA()


def test_unknown_operations_are_refused() -> None:
    with pytest.raises(CondensationError, match="'flip'"):
        DSA(operations=("flipp",))
    with pytest.raises(CondensationError) as caught:
        DSA(operations=())
    assert "None" in caught.value.hint


@pytest.mark.parametrize("settings", [{"scale": 0.0}, {"crop": -1.0}, {"flip": 7.0}, {"brightness": float("nan")}])
def test_impossible_ranges_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(CondensationError, match=next(iter(settings))):
        DSA(**settings)  # type: ignore[arg-type]


def test_flip_as_the_only_operation_is_refused_for_digits() -> None:
    with pytest.raises(CondensationError, match="mirroring may change a class"):
        DSA(operations=("flip",)).fit(replace(images(), flip_invariant=False))


def test_any_callable_is_an_augmentation_and_is_siamese() -> None:
    def jitter(pictures: Tensor) -> Tensor:
        return pictures + torch.randn(1, 1, 1, 1)

    torch.manual_seed(3)
    before = torch.get_rng_state()
    transform = Seeded(jitter).per_class([0, 1], Rng(0))
    real, synthetic = torch.zeros(4, 1, 2, 2), torch.zeros(2, 1, 2, 2)
    moved = transform(real, torch.tensor([0, 0, 1, 1])), transform(synthetic, torch.tensor([0, 1]))
    assert torch.equal(moved[0][[0, 2]], moved[1])
    assert not torch.equal(moved[1][0], moved[1][1])
    assert torch.equal(before, torch.get_rng_state())


def test_a_callable_that_changes_the_shape_is_refused() -> None:
    with pytest.raises(CondensationError, match=r"\(2, 1, 4, 4\), got \(2, 1, 3, 4\)"):
        Seeded(lambda pictures: pictures[:, :, 1:]).per_image(2, Rng(0))(torch.zeros(2, 1, 4, 4), torch.arange(2))


@pytest.mark.parametrize("draw", [lambda: random.random(), lambda: float(np.random.rand()), lambda: float(torch.rand(()))])
def test_a_callable_may_draw_from_any_global_generator(draw: Callable[[], float]) -> None:
    transform = Seeded(lambda pictures: pictures + draw()).per_class([0, 1], Rng(0))
    pictures, rows = torch.zeros(2, 1, 2, 2), torch.tensor([0, 1])
    first = transform(pictures, rows)
    draw()
    assert torch.equal(first, transform(pictures, rows))
    assert not torch.equal(first[0], first[1])


def test_a_callable_without_gradient_cannot_be_learned_through() -> None:
    augmentation = Seeded(lambda pictures: torch.from_numpy(pictures.detach().numpy()[..., ::-1].copy()))
    pictures = torch.zeros(2, 1, 4, 4)
    assert torch.equal(augmentation.per_image(2, Rng(0))(pictures, torch.arange(2)), pictures)
    with pytest.raises(CondensationError, match=r"No gradient .*tests.augment.test_dsa:test_a_callable_without_gradient"):
        augmentation.per_class([0, 1], Rng(0))(pictures.requires_grad_(), torch.arange(2))


@pytest.mark.parametrize("options", [{"name": "x"}, {}])
def test_a_function_that_is_none_is_refused(options: dict[str, object]) -> None:
    class Empty:
        pass

    for function in (3, Empty):
        with pytest.raises(CondensationError):
            Seeded(function, options).fit(images())  # type: ignore[arg-type]


def test_a_callable_that_fails_is_named() -> None:
    with pytest.raises(CondensationError, match=r"<lambda> .*\(2, 1, 4, 4\): AttributeError: 'Tensor' object has no") as caught:
        Seeded(lambda pictures: pictures.no_such_thing()).per_image(2, Rng(0))(torch.zeros(2, 1, 4, 4), torch.arange(2))
    assert isinstance(caught.value.__cause__, AttributeError)


def test_a_callable_that_gives_no_tensor_is_refused() -> None:
    with pytest.raises(CondensationError, match=r"\(2, 1, 4, 4\), got ndarray"):
        Seeded(lambda pictures: pictures.numpy()).per_image(2, Rng(0))(torch.zeros(2, 1, 4, 4), torch.arange(2))


def test_parameters_are_uniform_over_their_ranges() -> None:
    flat = torch.zeros(4000, 1, 2, 2)
    shifts = DSA(operations=("color",), saturation=0.0, contrast=0.0).per_image(4000, Rng(0))(flat, torch.arange(4000))[:, 0, 0, 0]
    histogram = np.histogram(shifts.numpy(), bins=5, range=(-0.5, 0.5))[0]
    assert histogram.sum() == 4000
    assert histogram.min() > 700


@pytest.mark.parametrize(
    "augmentations",
    [[DSA()] * 6, [DSA(), DSA(rotate=3.0), DSA()], [DSA(), Seeded(lambda pictures: pictures * torch.rand(1))], [DSA()]],
    ids=["alike", "other settings", "another kind", "one"],
)
def test_concatenated_transforms_equal_each_of_them(augmentations: list[Augmentation]) -> None:
    batches = [batch(4, seed=k) for k in range(len(augmentations))]
    transforms = [augmentation.per_image(4, Rng(k)) for k, augmentation in enumerate(augmentations)]
    together = concat_transforms(transforms, 4)(torch.cat(batches), torch.arange(4 * len(batches)))
    separate = [transform(pictures, torch.arange(4)) for transform, pictures in zip(transforms, batches, strict=True)]
    torch.testing.assert_close(together, torch.cat(separate))


def test_operations_that_are_always_applied_come_first() -> None:
    images = torch.rand(6, 3, 12, 12)
    dsa = DSA(operations=("cutout",), always=("flip", "color"), flip=1.0)
    drawn = dsa.per_image(6, Rng(0))
    assert isinstance(drawn, DrawnDSA)
    expected = color(dsa, images.flip(3), drawn.always[:, 1])
    assert torch.equal(drawn(images, torch.arange(6)), cutout(dsa, expected, drawn.uniforms))


def test_operations_that_are_always_applied_leave_the_choice_unchanged() -> None:
    alone, with_others = (DSA(always=always).per_class([0, 1, 2], Rng(4)) for always in ((), ("flip",)))
    assert isinstance(alone, DrawnDSA)
    assert isinstance(with_others, DrawnDSA)
    assert torch.equal(alone.chosen, with_others.chosen)
    assert torch.equal(alone.uniforms, with_others.uniforms)


def test_flips_are_not_always_applied_to_images_that_change_class() -> None:
    digits = ImageSet.of(torch.zeros(2, 1, 8, 8), torch.tensor([0, 1]), flip_invariant=False)
    assert DSA(operations=("crop",), always=("color", "flip")).fit(digits).always == ("color",)
