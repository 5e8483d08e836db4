import numpy as np
import pytest
import torch

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.preprocessing import Standardize
from condensation.report.grid import NAME_LINE, PAPER, grid

GENERATOR = torch.Generator().manual_seed(0)


def random_set(counts, shape=(1, 8, 8), names=None):
    """Return a set of random pixels with ``counts[label]`` images of each label."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    pixels = torch.randint(0, 256, (len(labels), *shape), generator=GENERATOR, dtype=torch.uint8)
    return ImageSet.of(pixels, labels, names or [f"class {c}" for c in range(len(counts))])


def holds(page, pixels):
    """Return True if the image (c, h, w) is on the page, each pixel enlarged to a square."""
    page = np.asarray(page).astype(int)
    _, height, width = pixels.shape
    wanted = np.broadcast_to(pixels.numpy().transpose(1, 2, 0), (height, width, 3))
    for scale in (1, 2, 3, 4, 6, 8, 12, 24):
        enlarged = wanted.repeat(scale, 0).repeat(scale, 1)
        rows, columns = enlarged.shape[:2]
        if rows > page.shape[0] or columns > page.shape[1]:
            continue
        corners = np.argwhere((page[: -rows or None, : -columns or None] == enlarged[0, 0]).all(-1))
        if any(np.array_equal(page[y : y + rows, x : x + columns], enlarged) for y, x in corners):
            return True
    return False


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (3, 6, 12), (1, 12, 6), (1, 28, 28), (3, 32, 32)])
def test_images_are_enlarged_without_interpolation(shape):
    images = random_set([1, 1], shape)
    page = grid(images)
    assert all(holds(page, image) for image in images.images)


def test_real_images_are_above_synthetic_ones():
    synthetic, real = random_set([1, 1]), random_set([5, 5])
    page = grid(synthetic, real)
    assert holds(page, synthetic.images[0])
    assert holds(page, real.images[0])
    assert holds(page.crop((0, 0, page.width, page.height * 2 // 3)), real.images[0])


def test_more_images_make_more_rows():
    heights = [grid(random_set([count] * 3)).height for count in (1, 2, 5, 10)]
    assert heights == sorted(set(heights))


def test_at_most_ten_images_per_class_are_shown():
    images = random_set([50] * 2)
    assert grid(images).size == grid(images, rows=10).size


def test_rows_can_be_chosen():
    assert grid(random_set([50] * 2), rows=20).height > grid(random_set([50] * 2)).height
    assert grid(random_set([3] * 2), rows=20).height == grid(random_set([3] * 2)).height


def test_uneven_classes_leave_gaps():
    images = random_set([1, 4])
    page = grid(images)
    assert all(holds(page, image) for image in images.images)


def test_a_class_without_real_images_leaves_a_gap():
    synthetic, real = random_set([1, 1, 1]), random_set([5, 5, 5])
    assert holds(grid(synthetic, real.select([0, 2])), synthetic.images[1])


def test_a_hundred_classes_break_into_bands():
    images = random_set([1] * 100)
    page = grid(images)
    assert page.width < 1200
    assert holds(page, images.images[99])


def test_the_first_hundred_classes_are_shown():
    images = random_set([1] * 120)
    page = grid(images)
    assert holds(page, images.images[99])
    assert not holds(page, images.images[100])


@pytest.mark.parametrize("names", [["a very long name of a class that goes on and on", "x"], ["Äpfel", "猫"], ["", " "]])
def test_any_name_fits(names):
    page = grid(random_set([1, 1], names=names), title="T " * 200)
    edge = np.asarray(page)[:, [0, -1]]
    assert (edge == PAPER).all()


def test_a_narrow_page_has_room_for_the_title():
    assert grid(random_set([1, 1])).width >= 300


def test_learned_images_are_shown_without_preprocessing():
    pictures = torch.rand((2, 3, 4, 4), generator=GENERATOR)
    preprocessing = Standardize.fit([pictures])
    shown = ImageSet.of(preprocessing(pictures), torch.arange(2), preprocessing=preprocessing)
    assert holds(grid(shown), (pictures[0] * 255).round().to(torch.uint8))


def test_values_out_of_range_are_clipped():
    images = ImageSet.of(torch.tensor([-3.0, 3.0]).view(2, 1, 1, 1).expand(2, 1, 4, 4), torch.arange(2))
    page = grid(images)
    assert holds(page, torch.zeros((1, 4, 4), dtype=torch.uint8))


def test_long_names_are_broken_into_lines():
    short, long = (grid(random_set([1] * 4, names=names)) for names in (["a", "b", "c", "d"], ["a", "Ankle boot, quite high", "c", "d"]))
    assert long.height == short.height + NAME_LINE
    assert long.width == short.width


def test_narrow_images_leave_room_for_names():
    narrow = random_set([1] * 4, (1, 40, 8), names=["réfrigérateur"] * 4)
    assert holds(grid(narrow), narrow.images[3].expand(3, -1, -1))
    assert grid(narrow).width > grid(random_set([1] * 4, (1, 40, 8), names=["a"] * 4)).width


def test_few_classes_are_drawn_larger():
    assert grid(random_set([10] * 2)).height > grid(random_set([10] * 4)).height


def test_characters_without_a_font_are_noted(monkeypatch):
    texts = []
    monkeypatch.setattr("condensation.report.grid.draw_text", lambda draw, corner, text, *_: texts.append(text))
    monkeypatch.setattr("condensation.report.grid.drawable", lambda text: text.replace("猫", "□"))
    grid(random_set([1] * 4, names=["猫", "猫 cat", "dog", "cow"]), title="pets")
    assert "□ cat" in texts
    assert "class 0" in texts
    assert "no installed font has" in " ".join(texts)
    texts.clear()
    grid(random_set([1] * 4), title="pets")
    assert texts[0] == "pets"


def test_lines_of_a_title_are_not_joined(monkeypatch):
    texts = []
    monkeypatch.setattr("condensation.report.grid.draw_text", lambda draw, corner, text, *_: texts.append(text))
    grid(random_set([20, 20]), title="a: pets, DM, 20 images per class, 1,000 steps\nb: pets, DC", rows=2)
    lines = texts[: texts.index("class 0")]
    assert lines[-2:] == ["b: pets, DC", "first 2 of 20 per class"]
    assert len(lines) > 3
    assert all(line.endswith(",") for line in lines[:-3])


# -- several sets


def test_several_sets_are_below_each_other():
    real, first, second = random_set([5, 5]), random_set([1, 1]), random_set([3, 3])
    page = grid({"first": first, "second": second}, real)
    places = [page.crop((0, 0, page.width, bottom)) for bottom in (page.height // 2, page.height * 2 // 3, page.height)]
    assert holds(places[0], real.images[0])
    assert holds(places[1], first.images[0])
    assert not holds(places[1], second.images[2])
    assert holds(places[2], second.images[2])


def test_a_single_named_set_is_drawn_like_an_unnamed_one():
    images = random_set([2, 2])
    assert np.array_equal(grid({"synthetic": images}), grid(images))


def test_a_set_gets_at_most_as_many_rows_as_images_per_class():
    single, ten = random_set([1] * 3), random_set([10] * 3)
    assert grid({"a": ten, "b": single}).height < grid({"a": ten, "b": ten}).height


def test_a_class_missing_from_one_set_leaves_a_gap():
    first, second = random_set([1, 1, 1]).select([0, 1]), random_set([1, 1, 1]).select([1, 2])
    page = grid({"a": first, "b": second})
    assert holds(page, first.images[0])
    assert holds(page, second.images[1])


def test_a_long_name_of_a_set_is_cut():
    page = grid({"a name that goes on and on and on and on" * 3: random_set([1, 1]), "b": random_set([1, 1])})
    assert (np.asarray(page)[:, [0, -1]] == PAPER).all()


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (random_set([1, 1], names=["x", "y"]), "same classes"),
        (random_set([1, 1], (1, 6, 8)), "1x8x8 in first and 1x6x8 in second"),
    ],
)
def test_unlike_sets_are_refused(other, named):
    with pytest.raises(CondensationError) as error:
        grid({"first": random_set([1, 1]), "second": other})
    assert named in error.value.message
