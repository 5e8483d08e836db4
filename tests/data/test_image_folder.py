import numpy as np
import pytest
from PIL import Image

from condensation.data.dataset import ReadOptions
from condensation.data.decode.decode import decode_file
from condensation.data.decode.list_files import natural_key
from condensation.data.load import load
from tests.data.refusals import refusal


def picture(seed=0, size=(10, 8), mode="RGB"):
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def write_classes(folder, classes=("class1", "class2", "class10"), count=5, ending="png", **settings):
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            picture(index, **settings).save(folder / name / f"{index}.{ending}")


def test_classes_in_natural_order(tmp_path):
    write_classes(tmp_path)
    data = load(tmp_path)
    assert data.train.class_names == ("class1", "class2", "class10")
    assert data.train.shape == (3, 8, 10)
    assert data.train.counts == {0: 4, 1: 4, 2: 4}
    assert data.test.counts == {0: 1, 1: 1, 2: 1}
    assert "fifth" in data.note


def test_natural_order_takes_any_names():
    assert sorted(["b", "10", "a2", "9", "a10", "A3"], key=natural_key) == ["9", "10", "a2", "A3", "a10", "b"]


@pytest.mark.parametrize("test_name", ["test", "val"])
def test_train_and_test_folders(tmp_path, test_name):
    write_classes(tmp_path / "train")
    write_classes(tmp_path / test_name, ("class1", "class10"), count=2)
    data = load(tmp_path)
    assert data.train.counts == {0: 5, 1: 5, 2: 5}
    assert data.test.counts == {0: 2, 2: 2}
    assert data.note == ""


def test_test_is_preferred_to_val(tmp_path):
    for part, count in (("train", 3), ("test", 1), ("val", 2)):
        write_classes(tmp_path / part, count=count)
    data = load(tmp_path)
    assert data.test.counts == {0: 1, 1: 1, 2: 1}
    assert data.note == "Found the splits test and val; test is the test split."


def test_a_class_may_be_called_train(tmp_path):
    write_classes(tmp_path, ("bus", "train"))
    assert load(tmp_path).train.class_names == ("bus", "train")


def test_a_named_folder_of_images(tmp_path):
    write_classes(tmp_path / "flowers")
    assert load("flowers", folder=tmp_path).name == "flowers"


def test_pixels_survive(tmp_path):
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "test")
    images = load(tmp_path).train.images
    for index in range(5):
        assert np.array_equal(images[index].permute(1, 2, 0).numpy(), np.asarray(picture(index)))


@pytest.mark.parametrize("ending", ["png", "jpg", "JPEG", "bmp", "gif", "webp", "tiff", "ppm"])
def test_formats(tmp_path, ending):
    write_classes(tmp_path, ending=ending)
    assert load(tmp_path).train.shape == (3, 8, 10)


def test_grey_stays_grey_unless_a_colour_is_there(tmp_path):
    write_classes(tmp_path, mode="L")
    assert load(tmp_path).train.shape == (1, 8, 10)
    picture(9).save(tmp_path / "class1" / "9.png")
    assert load(tmp_path).train.shape == (3, 8, 10)


def test_other_files_are_passed_over(tmp_path):
    write_classes(tmp_path)
    (tmp_path / ".cache").mkdir()
    (tmp_path / "class1" / ".hidden.png").write_bytes(b"no image")
    (tmp_path / "class1" / "notes.txt").write_text("no image")
    (tmp_path / "class1" / "more").mkdir()
    picture(7).save(tmp_path / "class1" / "more" / "7.png")
    assert load(tmp_path).train.counts[0] == 5


def test_exif_orientation_is_followed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    upright = picture(size=(10, 8))
    upright.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(decode_file(tmp_path / "turned.png", ReadOptions()).pixels, np.asarray(upright).transpose(2, 0, 1))


def test_sixteen_bits_are_scaled(tmp_path):
    deep = np.linspace(0, 65535, 80).astype(np.uint16).reshape(8, 10)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert np.array_equal(decode_file(tmp_path / "deep.png", ReadOptions()).pixels[0], deep // 257)


def test_palettes_with_transparency(tmp_path):
    colours = picture().convert("P")
    colours.save(tmp_path / "palette.png", transparency=bytes([0, 128, 255]))
    assert np.array_equal(
        decode_file(tmp_path / "palette.png", ReadOptions()).pixels, np.asarray(colours.convert("RGB")).transpose(2, 0, 1)
    )


def test_size_scales_the_shorter_side_and_crops_the_centre(tmp_path):
    wide = np.zeros((10, 30), dtype=np.uint8)
    wide[:, 10:20] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert (decode_file(tmp_path / "wide.png", ReadOptions(10)).pixels == 255).all()
    assert decode_file(tmp_path / "wide.png", ReadOptions(5)).pixels.shape == (1, 5, 5)


def test_mixed_sizes_need_a_size(tmp_path):
    write_classes(tmp_path)
    picture(9, size=(20, 16)).save(tmp_path / "class2" / "big.png")
    error = refusal(load, tmp_path)
    assert error.setting == "data.size"
    assert "big.png has 20 x 16" in error.message
    assert load(tmp_path, size=6).train.shape == (3, 6, 6)


def test_empty_classes_are_named(tmp_path):
    write_classes(tmp_path)
    (tmp_path / "class3").mkdir()
    assert "'class3'" in refusal(load, tmp_path).message


def test_unknown_test_classes_are_named(tmp_path):
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "test", ("class1", "other"))
    assert "'other'" in refusal(load, tmp_path).message


def test_one_class_is_not_enough(tmp_path):
    write_classes(tmp_path, ("alone",))
    assert "'alone'" in refusal(load, tmp_path).message


def test_an_empty_folder(tmp_path):
    assert refusal(load, tmp_path).setting == "data.source"


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "tiff", "webp"])
def test_truncated_files_are_named(tmp_path, ending):
    write_classes(tmp_path, ending=ending, size=(40, 30))
    path = tmp_path / "class2" / f"3.{ending}"
    whole = path.read_bytes()
    for keep in (0.0, 0.1, 0.6):
        path.write_bytes(whole[: int(len(whole) * keep)])
        assert f"3.{ending}" in refusal(load, tmp_path).message


def test_files_of_another_format_are_named_where_no_image_is(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jxl").write_bytes(b"")
    assert "1 JPEG XL (convert to PNG)" in refusal(load, tmp_path).message
    assert "2 JPEG XL (convert to PNG)" in refusal(load, tmp_path, drop_empty=True).message


def test_a_tiny_size_of_photographs_is_warned_of(tmp_path, caplog):
    write_classes(tmp_path, size=(80, 70))
    load(tmp_path, size=4)
    assert [record for record in caplog.records if "4 x 4" in record.message]
    caplog.clear()
    load(tmp_path, size=16)
    assert not [record for record in caplog.records if "16 x 16" in record.message]
