"""Forms: exact decoding, gradients, checks, and image sets that have one."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from condensation import CondensationError, ImageSet, Standardize
from condensation.core.form import FORMS, Form, Frequencies, Tiles, cosines, form_from_json
from condensation.core.plain import to_dict
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
    torch.testing.assert_close(Tiles(factor).decode(images), decoded_by_loop(images, factor), rtol=1e-12, atol=1e-12)
    assert Tiles(factor).count == factor**2


@pytest.mark.parametrize("form", [Tiles(2), Frequencies(4), Frequencies(15)])
def test_the_lines_for_plain_pytorch_decode_alike(form: Form) -> None:
    images = stored(dtype=torch.float32)
    names = {"torch": torch, "images": images, "labels": torch.tensor([0, 1, 1])}
    exec(form.torch_code, names)
    assert torch.equal(names["images"], form.decode(images))
    assert names["labels"].tolist() == [0] * form.count + [1] * 2 * form.count


@pytest.mark.parametrize("form", FORMS.values())
def test_the_gradient_of_decoding_is_right(form: Form) -> None:
    images = stored(2, (1, 4, 4)).requires_grad_()
    assert torch.autograd.gradcheck(form.decode, images)


@pytest.mark.parametrize("form", [Tiles(2), Tiles(4), Frequencies(4)])
def test_the_gain_is_the_largest_eigenvalue_of_decoding(form: Form) -> None:
    matrix = torch.autograd.functional.jacobian(form.decode, stored(1, (1, 8, 12))).reshape(form.count * 96, 96)
    assert form.gain == pytest.approx(float(torch.linalg.matrix_norm(matrix, 2)) ** 2)


def test_the_cosines_are_orthonormal_and_ordered_by_frequency() -> None:
    waves = cosines(12)
    torch.testing.assert_close(waves @ waves.T, torch.eye(12, dtype=torch.float64))
    changes = [(one[:-1] * one[1:] < 0).sum().item() for one in waves]
    assert changes == list(range(12))


def test_frequencies_are_decoded_as_by_a_plain_loop() -> None:
    images, seen = stored(2, (3, 4, 6)), Frequencies(4).decode(stored(2, (3, 4, 6)))
    # The 6 of 24 (row, column) with the fewest cycles per pixel, row / 4 + column / 6.
    places = [(0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (0, 3)]
    expected = torch.zeros(8, 3, 4, 6, dtype=torch.float64)
    for image in range(8):
        for channel in range(3):
            values = images[image // 4, channel].flatten()[image % 4 * 6 :]
            for value, (row, column) in zip(values, places, strict=False):
                expected[image, channel] += value * torch.outer(cosines(4)[row], cosines(6)[column])
    torch.testing.assert_close(seen, expected)


def test_encoding_returns_the_coefficients_of_decoded_images() -> None:
    images, form = stored(), Frequencies(15)
    torch.testing.assert_close(form.encode(form.decode(images)), images)


def test_frequencies_are_the_nearest_images_of_low_frequency() -> None:
    seen, form = stored(8), Frequencies(4)
    near = form.decode(form.encode(seen))
    others = form.decode(stored(2))
    torch.testing.assert_close(((seen - near) * others).sum(), torch.zeros((), dtype=torch.float64))


def test_smooth_pictures_keep_most_of_their_variance() -> None:
    seen = F.interpolate(stored(16, (3, 3, 3)), size=(32, 32), mode="bilinear")
    near = Frequencies(16).decode(Frequencies(16).encode(seen))
    assert (seen - near).var() < 0.02 * seen.var()


def test_a_count_of_frequencies_that_does_not_divide_is_refused_with_those_that_do() -> None:
    with pytest.raises(CondensationError) as raised:
        Frequencies(16).check((1, 6, 6), Standardize(torch.zeros(1), torch.ones(1)))
    assert raised.value.setting == "method.form.count"
    assert "2 or 3 or 4 or 6 or 9 or 12 or 18 or 36" in raised.value.hint
    with pytest.raises(CondensationError):
        Frequencies(1)


def test_whitened_images_can_be_stored_as_frequencies() -> None:
    pictures = torch.rand(20, 3, 4, 4)
    zca = Zca.fit([pictures])
    inputs = zca(pictures[:8])
    coded = ImageSet.of(Frequencies(4).encode(inputs), torch.tensor([0, 1]), preprocessing=zca, form=Frequencies(4))
    torch.testing.assert_close(coded.decoded().inputs(), Frequencies(4).decode(coded.images))
    assert coded.decoded().pictures().shape == (8, 3, 4, 4)


def test_coefficients_are_viewed_decoded_and_never_8_bit_pixels() -> None:
    real = images(per_class=4)
    coded = ImageSet.of(real.inputs(), real.labels, preprocessing=real.preprocessing, form=Frequencies(4))
    assert torch.equal(coded.viewable().images, coded.decoded().images)
    assert tiled().viewable().form == Tiles(2)
    with pytest.raises(CondensationError):
        ImageSet.of(real.images, real.labels, preprocessing=real.preprocessing, form=Frequencies(4))


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


@pytest.mark.parametrize("form", [Tiles(2), Frequencies(4)])
def test_storing_commutes_with_normalization(form: Form) -> None:
    images, normalize = stored(8, dtype=torch.float32), Standardize(torch.tensor([0.1, 0.5, 0.9]), torch.tensor([0.2, 0.5, 1.5]))
    normalized, pixels = (form.decode(form.encode(inputs)) for inputs in (normalize(images), images))
    torch.testing.assert_close(normalized, normalize(pixels), rtol=1e-4, atol=1e-5)


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
    for form in (*FORMS.values(), Tiles(3), Frequencies(4)):
        assert form_from_json(to_dict(form)) == form


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
