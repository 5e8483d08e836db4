"""One-line texts and HTML of sets, data and accuracies: escaped, small, with their picture inside."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

from condensation import Accuracies, Compute, CondensedSet, ConvNet, ImageSet, Recipe, Tiles, from_arrays
from condensation.core.notebook import CLASSES, ENLARGED, GAP, MOST, ROWS, SIDE

EVIL = "<script>alert(1)</script>\x1b[31m\n"


class Page(HTMLParser):
    """Tags, attributes and text of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.words, self.open = [], {}, [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes |= {f"{tag} {name}": value for name, value in attributes}
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def picture(self):
        kind, _, data = self.attributes["img src"].partition(",")
        assert kind == "data:image/png;base64"
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def images(count=3, side=8, names=("a", "b"), **options):
    pixels = torch.arange(count * len(names) * side * side, dtype=torch.uint8).view(-1, 1, side, side)
    return ImageSet.of(pixels, torch.arange(len(names)).repeat_interleave(count), names, **options)


def data():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    return from_arrays(pixels, np.arange(20) % 2, pixels[:4] ^ 1, np.arange(4) % 2, class_names=[EVIL, "b"], name=EVIL)


def accuracies(classes=2):
    names = (EVIL, *(f"class {number}" for number in range(1, classes)))
    return Accuracies(np.array([[50.0, 52.0]]), np.full((1, 2, classes), 51.0), names, Recipe(epochs=7), ConvNet(), Compute())


def condensed():
    return CondensedSet(images(names=(EVIL, "b")), {"data": {"name": EVIL, "licence": "MIT"}, "settings": {"method": {"name": "dm"}}})


EVERYTHING = {"set": lambda: images(names=(EVIL, "b")), "condensed": condensed, "data": data, "accuracies": accuracies}


@pytest.mark.parametrize("kind", EVERYTHING)
def test_a_text_is_one_short_line(kind):
    text = repr(EVERYTHING[kind]())
    assert "\n" not in text
    assert "\x1b" not in text
    assert len(text) < 200


def test_the_texts_name_counts_and_sizes():
    assert repr(images()) == "ImageSet(6 images of 1x8x8, 2 classes)"
    assert repr(data()).endswith("train=ImageSet(20 images of 1x8x8, 2 classes), test=ImageSet(4 images of 1x8x8, 2 classes))")
    assert repr(accuracies()) == "Accuracies(51.0 ± 1.0 (1 set x 2 networks), ConvNet, 7 epochs)"
    assert repr(CondensedSet(images(), {"data": {"name": "mine"}})) == "CondensedSet('mine', ImageSet(6 images of 1x8x8, 2 classes))"
    assert repr(CondensedSet(images(), {"data": "text", "settings": 3})) == "CondensedSet(ImageSet(6 images of 1x8x8, 2 classes))"


@pytest.mark.parametrize("kind", EVERYTHING)
def test_html_is_escaped_and_fetches_nothing(kind):
    html = EVERYTHING[kind]()._repr_html_()
    page = Page(html)
    assert set(page.tags) <= {"div", "p", "strong", "img", "table", "tr", "th", "td"}
    assert "\x1b" not in html
    assert "<script>alert(1)</script>" in "".join(page.words)  # as text
    assert not re.search(r"https?:|//|url\(|@import", re.sub(r"base64,[^\"]*", "", html))


def test_the_picture_has_a_column_per_class():
    page = Page(images(count=3)._repr_html_())
    assert page.picture.shape == (3 * (8 + GAP), 2 * (8 + GAP))
    assert (page.attributes["img width"], page.attributes["img height"]) == (str(ENLARGED * 18), str(ENLARGED * 27))
    assert np.array_equal(page.picture[:8, 9:17], images(count=3).images[3, 0].numpy())  # the first image of the second class
    assert (page.picture[8] == 255).all()


def test_a_picture_of_many_large_images_is_small():
    large = images(count=12, side=200, names=[str(label) for label in range(40)])
    html = large._repr_html_()
    assert Page(html).picture.shape == (ROWS * (SIDE + GAP), CLASSES * (SIDE + GAP))
    assert len(html) < 200_000


def test_classes_may_have_different_numbers_of_images():
    uneven = images(count=3).take(torch.tensor([0, 3, 4, 5]))
    page = Page(uneven._repr_html_())
    assert (page.picture[9:17, :8] == 255).all()
    assert "1 to 3" in page.words


def test_a_set_with_a_form_tells_what_a_network_sees():
    assert "24" in Page(images(form=Tiles(2))._repr_html_()).words


def test_a_condensed_set_shows_its_card():
    scores = {"dm": {"images": 6, "mean": 81.24, "deviation": 0.52, "count": 3, "per_class": {}}}
    evaluation = {"networks": 3, "network": {"name": "mlp"}, "recipe": {"epochs": 2}}
    made = condensed().with_scores({"sets": scores, "test": None, "seed": 0, "evaluation": evaluation, "compute": {}, "machine": {}})
    words = Page(made._repr_html_()).words
    assert {"MIT", "dm", "accuracy, dm", "81.2 ± 0.5 % (3 networks)"} <= set(words)


def test_many_classes_are_cut():
    words = Page(accuracies(classes=1000)._repr_html_()).words
    assert words.count("51.0") == MOST
    assert f"{1000 - MOST} more classes" in words
