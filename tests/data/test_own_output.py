"""What the program wrote is never read as data, wherever it lies."""

import io
import json
import os
import shutil
from dataclasses import fields

import pytest
from PIL import Image

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.export.export import EXPORTS
from condensation.artifacts.set_file import SetCard
from condensation.core.errors import CondensationError
from condensation.data.decode.list_files import list_images
from condensation.data.load import load
from condensation.data.own_output import OWN, RECORDS, is_own_folder
from condensation.data.pack.write import pack
from condensation.data.settings import DataSettings
from condensation.networks.pool_store import PoolRecord
from condensation.report.grid import grid, save_picture
from condensation.report.page.parts import Article, Page
from condensation.report.page.render import write_page
from condensation.studies.registry import STUDIES
from condensation.studies.study import new_figure, png
from tests.data.pictures import picture, write_classes


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder of three classes, with a cache."""
    write_classes(tmp_path / "mine")
    monkeypatch.setenv("CONDENSATION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "mine"


def write_record(folder, *keys, name="settings.json"):
    folder.mkdir(parents=True)
    (folder / name).write_text(json.dumps(dict.fromkeys(keys)))
    picture(1).save(folder / "0.png")


def run_folder(folder):
    write_record(folder, "settings", "versions", "machine")


def killed_run(folder):
    folder.mkdir(parents=True)
    (folder / ".lock").touch()


def study(folder):
    run_folder(folder / "cells" / "dm-ipc1")
    write_record(folder / "cells" / "dm-ipc10", "settings", "versions", "machine", name="table.json")


def pool(folder):
    write_record(folder, "format", "spec", "networks", "bounds", "data", name="pool.json")


def cache(folder):
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "12.safetensors").touch()  # of an older version
    pack(DataSettings("digits"), folder / "images" / "34")


def sample(folder):
    folder.mkdir(parents=True)
    (folder / "set.safetensors").touch()
    (folder / "grid.png").write_bytes(png(Image.new("RGB", (300, 100))))


def report(folder):
    write_page(Page("Runs", [Article("a", [])], "condensation"), folder / "report.html")


@pytest.mark.parametrize("write", [run_folder, killed_run, study, pool, cache, sample, report])
@pytest.mark.parametrize("place", ["out", "a/out", "runs/out", "a/runs/x/y", "test", "train"])
def test_output_changes_nothing(mine, write, place):
    before = load(mine)
    states = sorted(mine.parent.joinpath("cache").rglob("*.bin"))
    write(mine / place)
    after = load(mine)
    assert after.train.class_names == ("a", "b", "c")
    assert (after.train.fingerprint(), after.test.fingerprint()) == (before.train.fingerprint(), before.test.fingerprint())
    assert after.details["split"] == before.details["split"]
    assert after.files.ignored[OWN] == 1
    assert sorted(mine.parent.joinpath("cache").rglob("*.bin")) == states


@pytest.mark.parametrize("to", EXPORTS)
def test_an_export_is_no_class_but_is_read_when_it_is_named(mine, to):
    before = load(mine)
    made = CondensedSet(before.train, {"settings": {}, "data": {"name": "mine"}, "scores": {}})
    for place in ("out", "b/out", "data"):
        made.export(mine / place, to)
    after = load(mine)
    assert after.format == "a sub-folder of images for each class"
    assert after.train.fingerprint() == before.train.fingerprint()
    assert after.files.ignored[OWN] == 3
    if to == "png":
        assert load(mine / "out").train.class_names == ("a", "b", "c")


@pytest.mark.parametrize("name", ["grid.png", "overview.jpg", "7.png", "p1.webp", "p2.tiff"])
def test_a_picture_of_the_program_is_no_image(mine, name):
    before = load(mine)
    save_picture(mine / "b" / name, grid(before.train))
    for _ in range(2):  # decoded, then from the cache
        after = load(mine)
        assert after.train.fingerprint() == before.train.fingerprint()
        assert after.files.ignored == {OWN: 1}


def test_figures_of_studies_are_marked(mine):
    (mine / "b" / "curve.png").write_bytes(png(new_figure(2, 2)))
    assert list_images(mine / "b")[1] == {OWN: 1}


def test_images_of_people_are_kept(mine):
    picture(1000).save(mine / "a" / "grid.png")
    plain = io.BytesIO()
    picture(1001).save(plain, "JPEG", comment=b"condensation on a window")
    (mine / "a" / "window.jpg").write_bytes(plain.getvalue())
    (mine / "a" / "settings.json").write_text('{"settings": 1}')
    (mine / "b" / "runs").mkdir()
    shutil.move(mine / "b" / "0.png", mine / "b" / "runs" / "0.png")
    (mine / "runs").mkdir()
    for number in range(2):
        picture(2000 + number).save(mine / "runs" / f"{number}.png")
    data = load(mine)
    assert data.train.class_names == ("a", "b", "c", "runs")
    assert len(data.train) + len(data.test) == 19
    assert OWN not in data.files.ignored


def test_records_are_known_by_the_keys_that_they_have(tmp_path):
    for name in STUDIES:
        write_record(tmp_path / name, "settings", "versions", "machine", name=f"{name}.json")
        assert is_own_folder(tmp_path / name)
    assert set(RECORDS["pool.json"]) <= {field.name for field in fields(PoolRecord)}
    assert set(RECORDS["card.json"]) <= {field.name for field in fields(SetCard)}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_are_not_opened(mine):
    before = load(mine)
    (mine / "d").mkdir()
    for place in ("a/x.png", "a/settings.json", "a/7.png", "d/x.png", "d/set.safetensors"):
        os.mkfifo(mine / place)
    with pytest.raises(CondensationError):  # class d has no image
        load(mine)
    shutil.rmtree(mine / "d")
    after = load(mine)
    assert after.train.fingerprint() == before.train.fingerprint()
    assert after.files.ignored == {"not a file, or a broken link": 2, "without the ending of an image (settings.json)": 1}
