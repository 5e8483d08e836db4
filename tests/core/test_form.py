"""Forms: exact decoding, gradients, checks, and image sets that have one."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from condensation import CondensationError, ImageSet, Standardize
from condensation.core.form import FORMS, Tiles, form_from_json, form_to_json
from condensation.core.preprocessing import Zca
from condensation.core.soft_labels import SoftLabels
from tests.small import images


def stored(n: int = 3, shape: tuple[int, int, int] = (3, 12, 20), dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn((n, *shape), generator=torch.Generator().manual_seed(0), dtype=dtype)


def decoded_by_loop(images: Tensor, factor: int) -> Tensor:
    """Cut and enlarge every tile alone, in reading order."""
    seen = []
    for image in images:
        height, width = image.shape[1] // factor, image.shape[2] // factor
        for row in range(factor):
            for column in range(factor):
                tile = image[:, row * height : (row + 1) * height, column * width : (column + 1) * width]
                seen.append(F.interpolate(tile[None], size=image.shape[1:], mode="bilinear", align_corners=False)[0])
    return torch.stack(seen)


@pytest.mark.parametrize("factor", [2, 4])
def test_tiles_are_decoded_as_by_a_plain_loop(factor: int) -> None:
    images = stored()
    assert torch.equal(Tiles(factor).decode(images), decoded_by_loop(images, factor))
    assert Tiles(factor).count == factor**2


def test_the_lines_for_plain_pytorch_decode_alike() -> None:
    names = {"torch": torch, "images": stored(), "labels": torch.tensor([0, 1, 1])}
    exec(Tiles(2).torch_code, names)
    assert torch.equal(names["images"], Tiles(2).decode(stored()))
    assert names["labels"].tolist() == [0] * 4 + [1] * 8


def test_the_gradient_of_decoding_is_right() -> None:
    images = stored(2, (1, 4, 4)).requires_grad_()
    assert torch.autograd.gradcheck(Tiles(2).decode, images)


@pytest.mark.parametrize("factor", [2, 4])
def test_a_stored_image_holds_the_area_averages_of_its_images_in_order(factor: int) -> None:
    seen = stored(2 * factor**2)
    tiles = F.avg_pool2d(seen, factor)
    image = Tiles(factor).encode(seen)
    assert image.shape == (2, 3, 12, 20)
    height, width = 12 // factor, 20 // factor
    last = image[1, :, -height:, -width:]  # the last tile of the second image
    torch.testing.assert_close(last, tiles[-1])
    torch.testing.assert_close(image[0, :, :height, width : 2 * width], tiles[1])


def test_decoding_returns_encoded_images_of_one_colour() -> None:
    seen = torch.randn(8, 3, 1, 1).expand(8, 3, 12, 20)
    torch.testing.assert_close(Tiles(2).decode(Tiles(2).encode(seen)), seen)


def test_decoding_commutes_with_normalization() -> None:
    images, normalize = stored(dtype=torch.float32), Standardize(torch.tensor([0.1, 0.5, 0.9]), torch.tensor([0.2, 0.5, 1.5]))
    torch.testing.assert_close(Tiles(2).decode(normalize(images)), normalize(Tiles(2).decode(images)))


def test_a_factor_that_does_not_divide_is_refused_with_those_that_do() -> None:
    with pytest.raises(CondensationError) as raised:
        Tiles(3).check((3, 28, 28), Standardize(torch.zeros(3), torch.ones(3)))
    assert raised.value.setting == "method.form.factor"
    assert "2 or 4 or 7 or 14" in raised.value.hint


@pytest.mark.parametrize("factor", [1, 0, -2])
def test_a_factor_below_two_is_refused(factor: int) -> None:
    with pytest.raises(CondensationError):
        Tiles(factor)


def test_whitened_images_are_refused() -> None:
    pictures = torch.rand(20, 3, 4, 4)
    with pytest.raises(CondensationError) as raised:
        Tiles(2).check((3, 4, 4), Zca.fit([pictures]))
    assert raised.value.setting == "data.preprocessing"


def test_json_restores_a_form() -> None:
    for form in (*FORMS.values(), Tiles(3)):
        assert form_from_json(form_to_json(form)) == form


@pytest.mark.parametrize("content", [{"name": "spirals"}, {"name": "tiles", "side": 2}, {}])
def test_an_unknown_form_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(CondensationError):
        form_from_json(content)


def tiled(soft: bool = False) -> ImageSet:
    real = images(per_class=4)
    return ImageSet.of(
        real.inputs(),
        real.labels,
        preprocessing=real.preprocessing,
        form=Tiles(2),
        soft_labels=SoftLabels(torch.rand(12, 3).softmax(1), "cross-entropy") if soft else None,
    )


def test_a_set_counts_stored_and_seen_images() -> None:
    small = tiled()
    assert (len(small), small.seen, small.counts) == (12, 48, {0: 4, 1: 4, 2: 4})
    seen = small.decoded()
    assert (len(seen), seen.seen, seen.form, seen.counts) == (48, 48, None, {0: 16, 1: 16, 2: 16})
    assert torch.equal(seen.images, Tiles(2).decode(small.images))
    assert seen.decoded() is seen


def test_soft_labels_are_repeated_for_seen_images() -> None:
    small = tiled(soft=True)
    seen = small.decoded()
    assert small.soft_labels
    assert seen.soft_labels
    assert torch.equal(seen.soft_labels.values, small.soft_labels.values.repeat_interleave(4, 0))


def test_pixels_of_8_bits_are_normalized_before_decoding() -> None:
    real = images(per_class=2)
    small = ImageSet.of(real.images, real.labels, preprocessing=real.preprocessing, form=Tiles(2))
    assert torch.equal(small.decoded().images, Tiles(2).decode(real.inputs()))


def test_parts_of_a_set_keep_its_form() -> None:
    small = tiled()
    assert small.select([1]).form == Tiles(2)
    assert small.select([0]).concat(small.select([1, 2])).form == Tiles(2)


def test_sets_of_different_forms_are_not_joined() -> None:
    with pytest.raises(CondensationError):
        tiled().concat(tiled().decoded())


def test_the_form_is_part_of_the_fingerprint() -> None:
    small = tiled()
    plain = ImageSet.of(small.images, small.labels, preprocessing=small.preprocessing)
    assert small.fingerprint() != plain.fingerprint()
