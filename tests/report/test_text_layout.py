"""Text on pictures."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from condensation.report import text_layout
from condensation.report.text_layout import common_size, draw_text, drawable, in_lines, in_phrases, length

CACHED = (text_layout._font_of, text_layout._default, text_layout._font, text_layout._rendered)
IN_NO_FONT = "\U0010fffe"


@pytest.fixture
def fonts(monkeypatch):
    """Return a function that replaces the default font and the system fonts."""

    def replace_fonts(default, *system):
        for function in CACHED:
            function.cache_clear()
        monkeypatch.setattr(text_layout, "_default", lambda: default)
        monkeypatch.setattr(text_layout, "SYSTEM_FONTS", system)

    yield replace_fonts
    monkeypatch.undo()
    for function in CACHED:
        function.cache_clear()


def test_a_character_without_a_font_is_a_box():
    assert drawable(f"a{IN_NO_FONT} b") == "a□ b"
    assert drawable("plain, 1/2") == "plain, 1/2"


def test_separate_accents_are_composed_with_their_letters(fonts):
    fonts("")
    assert drawable("e\u0301rable") in ("érable", "□rable")


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="needs a second font")
def test_a_system_font_draws_what_the_default_font_lacks(fonts):
    import matplotlib as mpl

    second = str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")
    fonts("")
    assert drawable("Ж sea") == "□ sea"
    fonts("", "no such font", __file__, second)
    assert drawable("Ж sea") == "Ж sea"
    assert length("Ж sea", 13) == pytest.approx(length("Ж", 13) + length(" sea", 13))
    page = Image.new("RGB", (80, 24), "white")
    draw_text(ImageDraw.Draw(page), (2, 2), "Ж sea", 13, (0, 0, 0))
    assert (np.asarray(page) < 128).any(2).any(0)[2 : 2 + int(length("Ж sea", 13))].sum() > 20


def test_lines_are_at_most_as_wide_as_given():
    for text in ("Ankle boot", "T-shirt/top", "a/very_long-name of things", "x" * 60, "réfrigérateur"):
        for width in (30, 64, 200):
            lines = in_lines(text, width, 12)
            assert all(length(line, 12) <= width for line in lines)
            assert "".join(lines).replace("-", "").replace(" ", "") == text.replace("-", "").replace(" ", "")


def test_lines_break_between_words_first():
    assert in_lines("Ankle boot", 50, 12) == ["Ankle", "boot"]
    assert in_lines("T-shirt/top", 50, 12) == ["T-shirt/", "top"]
    assert in_lines("-castle", 50, 12) == ["-castle"]
    assert all(line.endswith("-") for line in in_lines("réfrigérateur", 50, 12)[:-1])


def test_too_many_lines_end_in_an_ellipsis():
    lines = in_lines("one two three four five", 40, 12, most=2)
    assert len(lines) == 2
    assert lines[1].endswith("…")
    assert length(lines[1], 12) <= 40


def test_titles_break_after_commas():
    title = "mine, DM, 10 images per class, 1,000 steps"
    lines = in_phrases(title, length("10 images per class,", 17) + 1, 17)
    assert lines == ["mine, DM,", "10 images per class,", "1,000 steps"]
    assert in_phrases(title, 2000, 17) == [title]
    assert " ".join(in_phrases(title, 60, 17)).replace("- ", "") == title


def test_common_size_fits_all_names():
    assert common_size(["a", "b"], 64, (13, 12, 11, 10), 2) == 13
    size = common_size(["a", "réfrigérateur"], 72, (13, 12, 11, 10), 2)
    assert 10 <= size < 13
    assert length("réfrigérateur", size) <= 72 < length("réfrigérateur", size + 1)
    assert common_size(["a", "x" * 99], 64, (13, 12, 11, 10), 2) == 10


def test_a_very_long_name_is_cut():
    lines = in_lines("9" * 5000, 50, 12)
    assert len("".join(lines)) < 450
    assert lines[-1].endswith("…")
