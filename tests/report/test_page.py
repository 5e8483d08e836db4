"""Pages of HTML: charts, pictures, what is escaped, what may be overwritten, colors that can be read."""

import base64
import hashlib
import io
import math
import os
import re
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pytest
import torch
from PIL import Image

from condensation.core.errors import CondensationError, NotWritten
from condensation.core.images import ImageSet
from condensation.report.page.charts import ACCURACY_SPAN, HEIGHT, WIDTH, Axis, Chart, Mark, RowChart, Series
from condensation.report.page.gallery import PER_PAGE, gallery
from condensation.report.page.parts import Article, Code, DataTable, Facts, Heatmap, Notes, Page, Section
from condensation.report.page.render import html, write_page

HOSTILE = '<script>alert("x")</script>\x1b[31m\u202e"\''
VOID = {"meta", "link", "img", "path", "rect"}


class Outline(HTMLParser):
    """Tags with their attributes, and the text of a page; raises if tags are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.opened = [], "", []
        self.feed(text)
        assert not self.opened, self.opened

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.opened.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.opened.pop() == tag

    def handle_data(self, data):
        self.text += data

    def values(self, name):
        return [attributes[name] for _, attributes in self.tags if name in attributes]


def noise(classes, per_class, side=8, channels=3, names=None):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (classes * per_class, channels, side, side), dtype=torch.uint8, generator=generator)
    return ImageSet.of(images, torch.arange(classes).repeat_interleave(per_class), names or [f"class {i}" for i in range(classes)])


def page_of(*parts, title="A page", problems=()):
    return Page(title, [Article(title, [Section("First", parts), Section("Second", [Notes(["a", "  b"])], folded=True)], problems)], "us")


CHART = Chart("Loss", "step", "loss", [Series("a", [(1, 2.0), (3, 4.0)], [(1, 3), (3, 5)]), Series("b", [(2, 3.0)], joined=False, color=1)])
ROWS = RowChart("Accuracy", "%", [("a", [Mark(50, 5), Mark(60, color=1, hollow=True)]), (HOSTILE, [])], bars=True)
TABLE = DataTable("Numbers", ("name", "value"), [("a", "1,000 ± 2"), (HOSTILE, "-")], ("name",), (True, False))
ALL = (
    CHART,
    ROWS,
    TABLE,
    Heatmap("Confusion", ("a", HOSTILE), [[9, 1], [0, 5]]),
    Facts([("a", HOSTILE), ("empty", "")]),
    Code(HOSTILE, "x"),
)


@pytest.fixture(scope="module")
def whole():
    """Return a page with every part."""
    pictures = gallery({HOSTILE: noise(2, 3, names=["a", HOSTILE])}, noise(2, 8, names=["a", HOSTILE]), 100_000, {"a": HOSTILE})
    return html(page_of(*ALL, pictures, title=HOSTILE, problems=[HOSTILE]))


def test_names_are_text(whole):
    outline = Outline(whole)
    assert [tag for tag, _ in outline.tags].count("script") == 1
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", whole)
    assert outline.text.count('<script>alert("x")</script>\\u001b[31m\\u202e') >= 10


def test_nothing_is_requested_and_only_our_script_may_run(whole):
    outline = Outline(whole)
    assert all(value.startswith(("data:", "#")) for name in ("src", "href") for value in outline.values(name))
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", whole)
    (policy,) = [each["content"] for tag, each in outline.tags if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", whole, re.DOTALL)
        assert f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    assert not outline.values("style")
    assert not [name for name in {name for _, each in outline.tags for name in each} if name.startswith("on")]


def test_all_that_is_referred_to_by_its_id_exists_once(whole):
    outline = Outline(whole)
    ids = outline.values("id")
    referred = [name for text in outline.values("aria-labelledby") for name in text.split()]
    referred += [*outline.values("for"), *(link[1:] for link in outline.values("href") if link.startswith("#"))]
    assert len(ids) == len(set(ids))
    assert set(referred) <= set(ids)
    assert all(each.get("aria-labelledby") for tag, each in outline.tags if tag == "svg" and "viewbox" in each)
    assert all("alt" in each for tag, each in outline.tags if tag == "img")


@pytest.mark.parametrize(
    ("values", "texts"),
    [((0, 100), ["0", "20", "40", "60", "80", "100"]), ((48.9, 49.4), ["48.9", "49", "49.1", "49.2", "49.3", "49.4"]), ((5, 5), None)],
)
def test_ticks_are_round(values, texts):
    axis = Axis.around(values, 0, 100)
    assert texts is None or [tick.text for tick in axis.ticks] == texts
    assert 2 <= len(axis.ticks) <= 7
    assert all(0 <= tick.place <= 100 for tick in axis.ticks)


def test_a_wide_range_is_drawn_on_a_logarithmic_axis():
    chart = Chart("Loss", "step", "loss", [Series("", [(1, 1000.0), (2, 0.5)])], logarithmic=True)
    assert [tick.text for tick in chart.y.ticks] == ["1", "10", "100", "1000"]
    assert chart.y.place(10) - chart.y.place(100) == pytest.approx(chart.y.place(1) - chart.y.place(10), abs=0.2)
    assert not Chart("", "", "", [Series("", [(1, 1000.0), (2, -0.5)])], logarithmic=True).y.logarithmic


def test_points_are_inside_the_chart():
    places = [tuple(map(float, point.split())) for series in CHART.series for point in re.findall(r"[\d.]+ [\d.]+", CHART.line(series))]
    assert all(CHART.left <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    assert places[0][0] < places[1][0]
    assert places[0][1] > places[1][1]
    assert CHART.description == "loss against step. a: 2 at 1, 4 at 3. b: 3 at 2."


def test_the_largest_numbers_can_be_drawn():
    chart = Chart("", "", "", [Series("", [(1, 1e308), (2, -1e308)], [(0.0, math.inf), (-math.inf, math.nan)])])
    assert chart.y.place(1e308) < chart.y.place(0) < chart.y.place(-1e308)
    assert "nan" not in chart.band(chart.series[0])


def test_bars_begin_at_zero():
    assert ROWS.x.low == 0
    assert ROWS.x.place(0) == pytest.approx(ROWS.left, abs=0.1)


def test_levels_of_a_heatmap():
    heat = Heatmap("", ("a", "b", "c"), [[9, 1, 0], [0, 0, 0], [0, 0, 5]])
    assert [[heat.level(row, column) for column in range(3)] for row in range(3)] == [[9, 1, 0], [0, 0, 0], [0, 0, 10]]


def test_pictures_are_exact():
    images = noise(2, 1)
    drawn = gallery({"set": images}, None, 100_000)
    uri = drawn.classes[1].strips[0].pictures[0]
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as picture:
        assert np.array_equal(np.array(picture), images.images[1].permute(1, 2, 0).numpy())
    assert (drawn.width, drawn.height, drawn.notes, drawn.narrow, drawn.pages) == (64, 64, [], True, [])


def test_real_images_come_first():
    strips = gallery({"dm": noise(2, 3), "random": noise(2, 20)}, noise(2, 50), 1_000_000).classes[0].strips
    assert [(strip.label, len(strip.pictures), strip.alt) for strip in strips] == [
        ("real", 5, "5 real images of class 0"),
        ("dm", 3, "3 synthetic images of class 0"),
        ("random", 5, "5 synthetic images of class 0"),
    ]


@pytest.mark.slow
def test_pictures_of_a_thousand_classes_stay_below_3_mb():
    images = noise(1000, 1, side=32)
    drawn = gallery({"dm": images}, images, 1_900_000)
    assert len(drawn.classes) == 1000
    assert drawn.pages[:2] == ["Classes 1 to 20", "Classes 21 to 40"]
    assert len(drawn.pages) == 1000 // PER_PAGE
    assert len(html(page_of(drawn))) < 3_000_000


def test_classes_are_left_out_if_all_do_not_fit():
    drawn = gallery({"dm": noise(50, 1)}, None, 3_000)
    assert 1 <= len(drawn.classes) < 10
    assert drawn.notes[-1] != ""
    assert "of 50 classes" in " ".join(drawn.notes)


def test_only_our_own_pages_are_overwritten(tmp_path):
    path = tmp_path / "report.html"
    write_page(page_of(title="one"), path)
    write_page(page_of(title="two"), path)
    assert "two" in path.read_text()
    path.write_text("<html>a thesis</html>")
    (tmp_path / "folder.html").mkdir()
    os.mkfifo(tmp_path / "pipe.html")
    for name in ("report.html", "folder.html", "pipe.html"):
        with pytest.raises(CondensationError) as error:
            write_page(page_of(), tmp_path / name)
        assert error.value.setting == "out"
    assert path.read_text() == "<html>a thesis</html>"


def test_a_page_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotWritten):
        write_page(page_of(), tmp_path / "file" / "report.html")


# -- colors


def luminance(color):
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return math.fsum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_counted():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("mode", [0, 1])
def test_colors_can_be_read(mode):
    style = files("condensation.report.page").joinpath("templates", "page.css").read_text()
    colors = dict(re.findall(r"--(\w+): (#\w{6})", re.findall(r":root \{(.*?)\}", style, re.DOTALL)[mode]))
    heat = [int(each) for each in re.findall(r"--heat: (\d+), (\d+), (\d+)", style)[mode]]
    paper = [int(colors["paper"][place : place + 2], 16) for place in (1, 3, 5)]
    colors["darkest"] = "#" + "".join(f"{(a + b) // 2:02x}" for a, b in zip(heat, paper, strict=True))
    texts = [
        ("ink", "paper"),
        ("faint", "paper"),
        ("link", "paper"),
        ("ink", "panel"),
        ("faint", "panel"),
        ("warn", "warned"),
        ("ink", "darkest"),
    ]
    assert {pair: contrast(colors[pair[0]], colors[pair[1]]) for pair in texts if contrast(colors[pair[0]], colors[pair[1]]) < 4.5} == {}
    assert not [name for name in colors if re.fullmatch(r"c\d", name) and contrast(colors[name], colors["paper"]) < 3]


def test_an_axis_of_accuracies_spans_ten_points():
    marks = [("a", [Mark(60.0)]), ("b", [Mark(61.2)])]
    near, wide = RowChart("t", "x", marks, least_span=ACCURACY_SPAN).x, RowChart("t", "x", [*marks, ("c", [Mark(90.0)])]).x
    assert near.low < 60 - 4
    assert near.high > 61.2 + 4
    assert near.high - near.low < 13
    assert RowChart("t", "x", [*marks, ("c", [Mark(90.0)])], least_span=ACCURACY_SPAN).x == wide
