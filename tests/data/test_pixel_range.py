"""Pixels of more than 8 bits, and floats: one range for a whole data set."""

import io
import logging
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from condensation.data.from_dataset import from_dataset
from condensation.data.load import from_arrays, load
from condensation.data.pixel_range import fitting_range, parse_pixel_range
from condensation.data.settings import DataSettings

from .pictures import picture
from .refusals import refusal

SHAPE = (5, 4)
LABELS = [0, 1] * 5


def values(high, index=0, channels=None):
    """Integers up to ``high``, which one image of each set reaches."""
    shape = SHAPE if channels is None else (*SHAPE, channels)
    pixels = np.random.default_rng(index).integers(0, high + 1, shape)
    pixels.flat[0], pixels.flat[1] = (high if index == 0 else high // 300), 0
    return pixels


def write(folder, images, ending="png"):
    """Write each of ``images``, Pillow images or bytes, to one of two classes."""
    for index, image in enumerate(images):
        path = folder / "ab"[index % 2] / f"{index}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image) if isinstance(image, bytes) else image.save(path)


def read(folder, count=10, **settings):
    """Return the pixels in the order of writing, (n, h, w, c), and the note."""
    write(folder / "test", [picture(900 + index, size=SHAPE[::-1], mode="L") for index in range(2)])
    data = load(folder, **settings)
    images = data.train.images.permute(0, 2, 3, 1).numpy()
    return np.stack([images[index // 2 + (index % 2) * (count - count // 2)] for index in range(count)]), data.note


def deep_png(pixels):
    """Return the bytes of a PNG file with 16 bits per value: grey, grey and alpha, RGB or RGBA."""
    height, width, channels = pixels.shape

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("peak", "white"), [(0, 255), (255, 255), (256, 1023), (1024, 4095), (16383, 16383), (16384, 65535), (65535, 65535)]
)
def test_white_is_the_largest_value_of_the_depth(peak, white):
    assert fitting_range(peak) == (0, white)


@pytest.mark.parametrize("value", ["", "5", "1,1", "4,2", "a,b", "1,2,3", "nan,1", "0,inf", (1,), 7])
def test_malformed_ranges_are_refused(value):
    assert refusal(parse_pixel_range, value).setting == "data.pixel_range"


@pytest.mark.parametrize("high", [200, 255, 1000, 4095, 9000, 65535])
@pytest.mark.parametrize(("kind", "ending"), [(np.uint16, "png"), (np.uint16, "tif"), (np.int32, "tif")])
def test_deep_grey_files_share_one_range(tmp_path, high, kind, ending):
    pixels = [values(high, index) for index in range(10)]
    write(tmp_path / "train", [Image.fromarray(image.astype(kind)) for image in pixels], ending)
    images, note = read(tmp_path)
    white = int(fitting_range(high)[1])
    assert np.array_equal(images[..., 0], np.stack(pixels) * 255 // white)
    assert ("were kept" if high <= 255 else f"0 to {white}") in note


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("high", [255, 4095, 65535])
def test_deep_png_files_of_every_kind(tmp_path, channels, high):
    pixels = [values(high, index, channels) for index in range(10)]
    write(tmp_path / "train", [deep_png(image) for image in pixels])
    images, _ = read(tmp_path)
    colours = np.stack(pixels)[..., :3] if channels > 2 else np.stack(pixels)[..., :1]
    assert images.shape[3] == (3 if channels > 2 else 1)
    white = int(fitting_range(high)[1])
    first_byte = channels > 2 and white == 65535  # Pillow's rule for colour
    assert np.array_equal(images, colours >> 8 if first_byte else colours * 255 // white)


def test_deep_images_of_both_parts_share_one_range(tmp_path):
    write(tmp_path / "train", [Image.fromarray(np.full(SHAPE, 4 * index, np.uint16)) for index in range(10)])
    write(tmp_path / "test", [Image.fromarray(np.full(SHAPE, 4000, np.uint16))] * 2)
    data = load(tmp_path)
    assert data.test.images.unique().tolist() == [4000 * 255 // 4095]
    assert data.train.images.max() == 36 * 255 // 4095


def test_deep_images_beside_others_and_scaled(tmp_path):
    pixels = [values(4095, index) for index in range(9)]
    colour = picture(3, size=SHAPE[::-1])
    write(tmp_path / "train", [colour, *(Image.fromarray(image.astype(np.uint16)) for image in pixels)])
    images, _ = read(tmp_path)
    assert np.array_equal(images[0], np.asarray(colour))
    assert np.array_equal(images[1:], np.repeat((np.stack(pixels) * 255 // 4095)[..., None], 3, axis=3))
    small, _ = read(tmp_path, size=3)
    expected = [Image.fromarray((image * 255 // 4095).astype(np.uint8)).resize((3, 3)) for image in pixels]
    assert np.abs(small[1:, ..., 0].astype(int) - np.stack([np.asarray(image) for image in expected])).mean() < 40


def test_a_range_may_be_set(tmp_path):
    pixels = [values(4095, index) for index in range(10)]
    write(tmp_path / "train", [Image.fromarray(image.astype(np.uint16)) for image in pixels])
    images, note = read(tmp_path, pixel_range=(100, 2000))
    assert np.array_equal(images[..., 0], (np.stack(pixels).clip(100, 2000) - 100) * 255 // 1900)
    assert note == ""
    settings = DataSettings(source=str(tmp_path), pixel_range="100,2000")
    assert settings.load().train.fingerprint() == load(tmp_path, pixel_range=(100, 2000)).train.fingerprint()


def test_the_cache_keeps_ranges_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("CONDENSATION_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "in" / "train", [Image.fromarray(values(1000, index).astype(np.uint16)) for index in range(10)])
    for _ in range(2):
        assert "1023" in read(tmp_path / "in")[1]
        assert read(tmp_path / "in", pixel_range="0,1000")[0].max() == 255


@pytest.mark.parametrize(("low", "high"), [(-5, 300), (0, 70_000)])
def test_integers_outside_are_refused_until_a_range_is_set(tmp_path, low, high):
    pixels = [values(200, index) for index in range(10)]
    pixels[3].flat[:2] = low, high
    write(tmp_path / "train", [Image.fromarray(image.astype(np.int32)) for image in pixels], "tif")
    error = refusal(read, tmp_path)
    assert error.setting == "data.pixel_range"
    assert f"3.tif has pixels that are integers from {low} to {high}" in error.message
    images, _ = read(tmp_path, pixel_range=(low, high))
    assert np.array_equal(images[..., 0], (np.stack(pixels) - low) * 255 // (high - low))


def test_floats_of_files(tmp_path):
    pixels = [values(255, index).astype(np.float32) for index in range(10)]
    write(tmp_path / "unit" / "train", [Image.fromarray(image / np.float32(255)) for image in pixels], "tif")
    assert np.array_equal(read(tmp_path / "unit")[0][..., 0], np.stack(pixels))
    write(tmp_path / "wide" / "train", [Image.fromarray(image) for image in pixels], "tif")
    error = refusal(read, tmp_path / "wide")
    assert error.setting == "data.pixel_range"
    assert "floats from 0 to 255" in error.message
    assert np.array_equal(read(tmp_path / "wide", pixel_range=(0, 255))[0][..., 0], np.stack(pixels))


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.uint32, np.int32, np.int64, ">u2", torch.int64])
@pytest.mark.parametrize("high", [255, 4000])
@pytest.mark.parametrize("source", ["arrays", "items", "npz"])
def test_deep_arrays(tmp_path, kind, high, source):
    pixels = np.stack([values(high, index, 3) for index in range(10)])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) if isinstance(kind, torch.dtype) else pixels.astype(kind)
    white = int(fitting_range(high)[1])
    if source == "arrays":
        data = from_arrays(images, LABELS, images[:2], LABELS[:2])
    elif source == "items":
        items = list(zip(images, LABELS, strict=True))
        data = from_dataset(items, items[:2])
    else:
        for part in ("train", "test"):
            np.savez(tmp_path / f"{part}.npz", images=np.asarray(images), labels=LABELS)
        data = load(tmp_path)
    expected = torch.from_numpy(pixels * 255 // white).permute(0, 3, 1, 2)
    assert torch.equal(data.train.images[:5].int(), expected[::2].int())
    assert ("were kept" if high == 255 else "4095") in data.note


def test_floats_may_leave_their_range_by_rounding():
    images = np.random.default_rng(0).random((10, *SHAPE))
    images[0, 0, 0], images[1, 0, 0] = 1.0000001, -1e-7
    data = from_arrays(images, LABELS, images, LABELS)
    assert torch.equal(data.train.images[:, 0], torch.from_numpy(np.rint(images.clip(0, 1) * 255)).byte()[[0, 2, 4, 6, 8, 1, 3, 5, 7, 9]])
    items = list(zip(images, LABELS, strict=True))
    assert from_dataset(items, items).train.fingerprint() == data.train.fingerprint()


def test_floats_up_to_255_need_a_range():
    images = np.stack([values(255, index) for index in range(10)]).astype(float)
    error = refusal(from_arrays, images, LABELS)
    assert error.setting == "data.pixel_range"
    assert "255" in error.hint
    data = from_arrays(images, LABELS, images, LABELS, pixel_range=(0, 255))
    assert torch.equal(data.train.images[0, 0].double(), torch.from_numpy(images[0]))
    images[4, 1, 1] = np.nan
    assert "NaN" in refusal(from_arrays, images, LABELS, pixel_range=(0, 255)).message


def test_booleans_are_black_and_white():
    images = np.arange(10)[:, None, None] * np.ones((1, *SHAPE)) % 3 == np.arange(4) % 3
    assert set(from_arrays(images, LABELS).train.images.unique().tolist()) == {0, 255}
    assert set(from_dataset(list(zip(images, LABELS, strict=True))).train.images.unique().tolist()) == {0, 255}


def test_images_of_a_single_colour_are_told(tmp_path, caplog):
    plain = [picture(index, size=SHAPE[::-1]) for index in range(10)]
    write(tmp_path, [Image.new("RGB", SHAPE[::-1], (9, 8, 7)) if index in (1, 3, 5, 7, 9) else image for index, image in enumerate(plain)])
    with caplog.at_level(logging.WARNING):
        load(tmp_path)
    first = caplog.messages[0]
    assert first.startswith("4 of 8 images")
    assert "'b'" in first.partition("all images of")[2]
    assert ".png" in first
    caplog.clear()
    from_arrays(np.zeros((10, *SHAPE), np.uint8), LABELS)
    assert "8 of 8 images" in caplog.messages[0]


def test_a_few_images_of_a_single_colour_are_told_and_others_are_not(tmp_path, caplog):
    images = np.random.default_rng(0).integers(0, 256, (10, *SHAPE, 3), dtype=np.uint8)
    images[:, 0, 0] = images[:, 2, 2] = 3
    from_arrays(images, LABELS)
    assert not caplog.messages
    images[2] = 7
    from_arrays(images, LABELS, images[5:], LABELS[5:])
    assert caplog.messages[0].startswith("1 of 10 images")
    assert "number 2 of train" in caplog.messages[0]


def rendered(image, **how):
    content = io.BytesIO()
    image.save(content, **how)
    return content.getvalue()


@pytest.mark.parametrize(
    ("image", "how", "expected"),
    [
        (picture(1).convert("1"), {"format": "PNG"}, "L"),
        (picture(1).convert("LA"), {"format": "PNG"}, "L"),
        (picture(1).convert("RGBA"), {"format": "PNG"}, "RGB"),
        (picture(1).quantize(16), {"format": "PNG", "transparency": 3}, "RGB"),
        (picture(1).convert("CMYK"), {"format": "JPEG"}, "RGB"),
        (picture(1).convert("CMYK"), {"format": "TIFF"}, "RGB"),
        (picture(1), {"format": "JPEG", "quality": 90}, "RGB"),
        (picture(1).convert("L"), {"format": "JPEG"}, "L"),
        (picture(1).quantize(8), {"format": "GIF"}, "RGB"),
        (picture(1), {"format": "TIFF", "compression": "tiff_lzw"}, "RGB"),
    ],
)
def test_other_modes_have_the_pixels_that_pillow_converts(tmp_path, image, how, expected):
    from condensation.data.decode.decode import decode_file

    path = tmp_path / "image"
    path.write_bytes(rendered(image, **how))
    with Image.open(path) as opened:
        opened = opened.convert("RGBA") if opened.mode == "P" else opened
        right = np.atleast_3d(np.asarray(opened.convert(expected)))
    assert np.array_equal(decode_file(path).pixels.transpose(1, 2, 0), right)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_upright(tmp_path, orientation):
    from condensation.data.decode.decode import decode_file

    turns = {1: [], 2: [0], 3: [3], 4: [1], 5: [5], 6: [2], 7: [6], 8: [4]}[orientation]  # Pillow's transpositions that undo upright
    upright = picture(4)
    exif, stored = Image.Exif(), upright
    exif[0x0112] = orientation
    for turn in turns:
        stored = stored.transpose(Image.Transpose(turn))
    stored.save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(decode_file(tmp_path / "turned.png").pixels.transpose(1, 2, 0), np.asarray(upright))


def test_more_pixels_may_be_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    write(tmp_path, [picture(index, size=(60, 50)) for index in range(10)])
    error = refusal(load, tmp_path, size=8)
    assert error.setting == "data.max_pixels"
    assert load(tmp_path, size=8, max_pixels=3000).train.shape == (3, 8, 8)
    assert refusal(load, tmp_path, size=8, max_pixels=2999).setting == "data.max_pixels"
    assert Image.MAX_IMAGE_PIXELS == 1000
    assert refusal(load, tmp_path, max_pixels=0).setting == "data.max_pixels"


def test_photographs_of_unread_formats_are_counted(tmp_path):
    write(tmp_path, [picture(index) for index in range(10)])
    (tmp_path / "a" / "p.CR2").touch()
    assert load(tmp_path).files.ignored == {"raw photographs (convert to TIFF)": 1}


def test_heic_photographs_are_read_with_the_extra(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    grey = [Image.fromarray(np.full((64, 48, 3), 20 * index, np.uint8)) for index in range(10)]
    write(tmp_path, grey, "heic")
    data = load(tmp_path)
    assert data.train.shape == (3, 64, 48)
    assert (data.train.images[1].int() - 40).abs().max() < 4
