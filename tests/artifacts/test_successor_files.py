"""Files of the successors of DM: mosaics of tiles, pixels in [0, 1], and images and labels in two files."""

import pytest
import torch
import torch.nn.functional as F

from condensation import CondensedSet
from condensation.core.form import Tiles
from tests.artifacts.test_official_format import MEAN, STD, normalized, official, refused


def mosaics(ipc=2, classes=10, shape=(3, 32, 32), seed=0):
    """Return stored images in [0, 1], and labels."""
    pictures = torch.rand((ipc * classes, *shape), generator=torch.Generator().manual_seed(seed))
    return pictures, torch.arange(classes).repeat_interleave(ipc)


def decoded_by_loop(images, labels, factor):
    """Decode as the successors do: all first tiles, then all second ones, each enlarged; labels are repeated in the same order."""
    side = images.shape[-1] // factor
    tiles = [
        F.interpolate(images[:, :, i * side : (i + 1) * side, j * side : (j + 1) * side], size=images.shape[2:], mode="bilinear")
        for i in range(factor)
        for j in range(factor)
    ]
    return torch.cat(tiles), torch.cat([labels] * factor**2)


@pytest.mark.parametrize("factor", [2, 4])
def test_a_mosaic_in_0_to_1_is_read_with_its_form(tmp_path, factor):
    images, labels = mosaics()
    torch.save([images, labels], tmp_path / "data.pt")
    read = CondensedSet.from_official(tmp_path / "data.pt", data="cifar10", form=Tiles(factor)).images
    assert (len(read), read.seen, read.form) == (20, 20 * factor**2, Tiles(factor))
    assert torch.equal(read.images, (images - MEAN) / STD)
    seen, seen_labels = decoded_by_loop((images - MEAN) / STD, labels, factor)
    by_image = torch.arange(len(seen)).view(factor**2, 20).T.reshape(-1)  # from tile-major to image-major
    ours = read.decoded()
    assert torch.equal(ours.labels, seen_labels[by_image])
    torch.testing.assert_close(ours.images, seen[by_image])


def test_a_normalized_mosaic_in_a_file_of_the_official_structure(tmp_path):
    ((images, _),) = official(tmp_path / "res_IDM.pt")
    read = CondensedSet.from_official(tmp_path / "res_IDM.pt", data="cifar10", form=Tiles(2)).images
    assert torch.equal(read.images, images)
    assert read.seen == 80


def test_form_and_pixels_are_saved(tmp_path):
    images, labels = mosaics()
    torch.save([images, labels], tmp_path / "data.pt")
    CondensedSet.from_official(tmp_path / "data.pt", data="cifar10", form=Tiles(2)).save(tmp_path / "set.safetensors")
    back = CondensedSet.load(tmp_path / "set.safetensors").images
    assert back.form == Tiles(2)
    torch.testing.assert_close(back.preprocessing.inverse(back.images), images)


@pytest.mark.parametrize("factor", [3, 5])
def test_a_factor_that_does_not_divide_the_side_is_refused(tmp_path, factor):
    torch.save(list(mosaics()), tmp_path / "data.pt")
    error = refused(tmp_path / "data.pt", form=Tiles(factor))
    assert (error.setting, "padded" in error.message, "2 or 4" in error.hint) == ("form", True, True)


# -- two files


def two_files(folder, images, labels):
    torch.save(images, folder / "images_best.pt")
    torch.save(labels, folder / "labels_best.pt")
    return folder / "images_best.pt", folder / "labels_best.pt"


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_images_and_labels_in_two_files(tmp_path, kind):
    images, labels = normalized()
    images_file, labels_file = two_files(tmp_path, images.flip(0), labels.flip(0))
    read = CondensedSet.from_official(kind(images_file), data="cifar10", labels=kind(labels_file))
    assert torch.equal(read.images.labels, labels)
    assert torch.equal(read.images.images[:2], images[:2].flip(0))
    assert read.card["official"] == {"file": "images_best.pt", "which": 0, "sets": 1}


def test_images_without_labels_are_refused(tmp_path):
    images_file, _ = two_files(tmp_path, *normalized())
    error = refused(images_file)
    assert (error.setting, "labels=" in error.hint) == ("labels", True)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_file_of_both_beside_labels_is_refused(tmp_path, swapped):
    _, labels_file = two_files(tmp_path, *normalized())
    official(tmp_path / "both.pt")
    files = (labels_file, tmp_path / "both.pt") if swapped else (tmp_path / "both.pt", labels_file)
    error = refused(files[0], labels=files[1])
    assert (error.setting, "both.pt" in error.message) == ("labels", True)


def test_other_labels_are_refused(tmp_path):
    images, labels = normalized()
    images_file, labels_file = two_files(tmp_path, images, labels[:5])
    assert "20" in refused(images_file, labels=labels_file).message
    torch.save(torch.rand(20, 10), labels_file)
    assert "soft labels" in refused(images_file, labels=labels_file).message
    assert "nowhere.pt" in refused(images_file, labels=tmp_path / "nowhere.pt").message


# -- range of pixels


def saved(folder, images):
    torch.save([images, mosaics()[1]], folder / "data.pt")
    return folder / "data.pt"


def test_pixels_that_left_0_to_1_need_a_word(tmp_path):
    images = mosaics()[0] * 1.1 - 0.05
    path = saved(tmp_path, images)
    error = refused(path)
    assert (error.setting, "-0.05" in error.message, "1.05" in error.message) == ("pixels", True, True)
    unit = CondensedSet.from_official(path, data="cifar10", pixels="unit").images
    assert torch.equal(unit.images, (images - MEAN) / STD)
    assert torch.equal(CondensedSet.from_official(path, data="cifar10", pixels="normalized").images.images, images)


def test_a_range_that_the_pixels_contradict_is_refused(tmp_path):
    for images, pixels in ((mosaics()[0], "normalized"), (normalized()[0], "unit")):
        error = refused(saved(tmp_path, images), pixels=pixels)
        assert (error.setting, pixels in error.message) == ("pixels", True)


def test_both_ranges_can_be_stated(tmp_path):
    images = mosaics()[0]
    stated = CondensedSet.from_official(saved(tmp_path, images), data="cifar10", pixels="unit").images.images
    assert torch.equal(stated, (images - MEAN) / STD)
    other = CondensedSet.from_official(saved(tmp_path, (images - MEAN) / STD), data="cifar10", pixels="normalized").images.images
    assert torch.equal(other, stated)


def test_an_unknown_range_is_refused(tmp_path):
    assert refused(saved(tmp_path, mosaics()[0]), pixels="0-255").setting == "pixels"
