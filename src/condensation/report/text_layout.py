"""Text on a picture in any script for which a font is installed: measure, break into lines, draw."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

UNKNOWN = "□"  # replaces a character that no installed font has
# System fonts with Chinese, Japanese and Korean, which are opened only if a name needs one.
SYSTEM_FONTS = (
    *(f"/usr/share/fonts/{folder}/NotoSansCJK-Regular.ttc" for folder in ("opentype/noto", "noto-cjk", "google-noto-cjk")),
    "/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-sans-cjk-vf-fonts/NotoSansCJK-VF.ttc",
    *(f"/usr/share/fonts/truetype/{font}" for font in ("wqy/wqy-microhei.ttc", "wqy/wqy-zenhei.ttc", "droid/DroidSansFallbackFull.ttf")),
    *(f"/System/Library/Fonts/{font}" for font in ("PingFang.ttc", "Hiragino Sans GB.ttc", "ヒラギノ角ゴシック W3.ttc")),
    *(f"/System/Library/Fonts/{font}" for font in ("AppleSDGothicNeo.ttc", "Supplemental/Arial Unicode.ttf")),
    *(f"C:/Windows/Fonts/{font}" for font in ("msyh.ttc", "simsun.ttc", "msgothic.ttc", "malgun.ttf")),
)
LONGEST = 400  # characters of a name that are laid out
IDEOGRAPHS = 0x2E80  # scripts from here on break anywhere, without a hyphen


def drawable(text: str) -> str:
    """Return ``text`` with `UNKNOWN` for each character that no installed font has."""
    composed = unicodedata.normalize("NFC", text)  # some file systems store accents apart from their letters
    return "".join(char if char.isspace() or _font_of(char) is not None else UNKNOWN for char in composed)


def length(text: str, size: int) -> float:
    """Return the width of ``text`` in pixels."""
    return sum(font.getlength(part) for font, part in _parts(text, size))


def draw_text(draw: ImageDraw.ImageDraw, corner: tuple[float, float], text: str, size: int, fill: tuple[int, int, int]) -> None:
    """Draw ``text`` with its upper left corner at ``corner``; all fonts share one baseline."""
    left, top = corner
    baseline = top + _font(_default(), size).getmetrics()[0]
    for font, part in _parts(text, size):
        draw.text((left, baseline), part, fill=fill, font=font, anchor="ls")
        left += font.getlength(part)


def in_lines(text: str, width: float, size: int, most: int | None = None) -> list[str]:
    """Break ``text`` into lines of at most ``width`` pixels: between words, after ``-/_`` or inside a word. Cut it after ``most`` lines."""
    lines = _filled(_atoms(text), width, size)
    if most is not None and len(lines) > most:
        lines = [*lines[: most - 1], _cut(f"{lines[most - 1]}…", width, size)]
    return lines


def in_phrases(text: str, width: float, size: int) -> list[str]:
    """Break ``text`` into lines of at most ``width`` pixels, after commas where possible."""
    phrases = [(" ", phrase) for phrase in re.split(r"(?<=[,·]) +", text.strip()) if phrase]
    return [line for phrase in _filled(phrases, width, size, whole=True) for line in in_lines(phrase, width, size)]


def common_size(names: Sequence[str], width: float, sizes: Sequence[int], most: int) -> int:
    """Return the first of ``sizes`` in which each name fits into ``most`` lines without breaking a word; else the last."""

    def fits(name: str, size: int) -> bool:
        return all(length(atom, size) <= width for _, atom in _atoms(name)) and len(in_lines(name, width, size)) <= most

    return next((size for size in sizes if all(fits(name, size) for name in names)), sizes[-1])


def widest_word(names: Sequence[str], size: int) -> float:
    """Return the width of a column in which no word of ``names`` is broken."""
    return max((length(atom, size) for name in names for _, atom in _atoms(name)), default=0.0)


def _atoms(text: str) -> list[tuple[str, str]]:
    """Return the pieces between which ``text`` may be broken, each with its separator from the one before."""
    atoms = []
    for word in (text if len(text) <= LONGEST else f"{text[:LONGEST]}…").split():
        pieces = re.findall(r"[-/_]*[^-/_]+[-/_]*|[-/_]+", word)
        atoms += [(" " if number == 0 else "", piece) for number, piece in enumerate(pieces)]
    return atoms


def _filled(atoms: Sequence[tuple[str, str]], width: float, size: int, *, whole: bool = False) -> list[str]:
    """Return lines of as many ``atoms`` as fit; an atom that is too wide is broken unless ``whole``."""
    lines: list[str] = []
    for separator, atom in atoms:
        longer = f"{lines[-1]}{separator}{atom}" if lines else atom
        if lines and length(longer, size) <= width:
            lines[-1] = longer
        else:
            lines += [atom] if whole else _broken(atom, width, size)
    return lines


def _broken(word: str, width: float, size: int) -> Iterator[str]:
    while len(word) > 1 and length(word, size) > width:
        end = max((end for end in range(1, len(word)) if length(_hyphenated(word, end), size) <= width), default=1)
        yield _hyphenated(word, end)
        word = word[end:]
    yield word


def _hyphenated(word: str, end: int) -> str:
    around = word[end - 1 : end + 1]
    return word[:end] + ("-" if around.isalpha() and max(map(ord, around)) < IDEOGRAPHS else "")


def _cut(text: str, width: float, size: int) -> str:
    """Shorten ``text``, which ends in an ellipsis, to ``width`` pixels."""
    while len(text) > 2 and length(text, size) > width:
        text = f"{text[:-2].rstrip(' -')}…"
    return text


def _parts(text: str, size: int) -> Iterator[tuple[ImageFont.FreeTypeFont, str]]:
    """Return runs of characters with the font that has them."""
    return ((_font(path, size), "".join(run)) for path, run in groupby(text, lambda char: _font_of(char) or _default()))


@cache
def _font_of(character: str) -> str | None:
    """Return the first font that has ``character``: the default font or a system font."""
    if _has(_default(), character):
        return _default()
    return next((path for path in SYSTEM_FONTS if Path(path).exists() and _has(path, character)), None)


@cache
def _default() -> str:
    """Return the file of the default font; empty for the font of Pillow."""
    # The font of Pillow has no accents; that of matplotlib also has Greek and Cyrillic.
    matplotlib = find_spec("matplotlib")
    fonts = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" if matplotlib and matplotlib.origin else Path("/")
    return str(fonts / "DejaVuSans.ttf") if (fonts / "DejaVuSans.ttf").exists() else ""


@cache
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(path, size) if path else ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _has(path: str, character: str) -> bool:
    """Return True if a font draws ``character`` differently from a character that no font has."""
    try:
        return character.isspace() or _rendered(path, character) != _rendered(path, "\U0010ffff")
    except OSError:  # not a font that Pillow reads
        return False


@cache
def _rendered(path: str, character: str) -> bytes:
    image = Image.new("L", (48, 48))
    ImageDraw.Draw(image).text((8, 8), character, fill=255, font=_font(path, 20))
    return image.tobytes()
