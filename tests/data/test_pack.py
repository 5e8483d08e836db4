"""Packed data: the same as from the source, complete or absent, and checked."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from condensation.core import stored_images
from condensation.core.errors import NotWritten
from condensation.core.image_files import ImageFiles
from condensation.core.storage import read_json
from condensation.core.stored_images import StoredImages
from condensation.data.dataset import MixedSizes
from condensation.data.decode import parallel
from condensation.data.load import load
from condensation.data.pack import index as pack_index, writer
from condensation.data.pack.verify import verify_pack
from condensation.data.pack.write import pack
from condensation.data.settings import DataSettings
from condensation.data.summary import read_facts
from tests.data.pictures import picture, write_classes
from tests.data.refusals import refusal
from tests.killing import failing_from, kill_before, leftovers


@pytest.fixture(autouse=True)
def nothing_is_small(monkeypatch):
    """Small packs stay in their files, too."""
    monkeypatch.setattr(stored_images, "IN_MEMORY", 0)


def packed(source, out, file_bytes=2000, **settings):
    return pack(DataSettings(str(source), **settings), out, file_bytes)


def require_same(stored, plain):
    """Check that two data sets are equal, and that the first is still in its files."""
    assert (stored.name, stored.note, stored.details, stored.files) == (plain.name, plain.note, plain.details, plain.files)
    for one, other in ((stored.train, plain.train), (stored.test, plain.test)):
        assert isinstance(one.images, StoredImages)
        assert torch.equal(one.images[:], other.images)
        assert torch.equal(one.labels, other.labels)
        assert (one.class_names, one.preprocessing, one.flip_invariant) == (other.class_names, other.preprocessing, other.flip_invariant)
        assert one.fingerprint() == other.fingerprint()
        for label in one.classes:
            assert one.select([label]).fingerprint() == other.select([label]).fingerprint()
    ours, theirs = read_facts(stored), read_facts(plain)
    for part in ("train", "test"):
        assert ours["parts"][part].pop("from")
        del theirs["parts"][part]["from"]
    assert ours == theirs


def parts(folder):
    """Training and test images, of which one class is grey."""
    write_classes(folder / "train", ("red", "green", "blue"), 4)
    write_classes(folder / "val", ("blue", "red"), 3, size=(12, 9))
    write_classes(folder / "train", ("grey",), 3, mode="L")
    return folder


def table(folder):
    """Rows of all classes in turn, of which a test split is held out."""
    lines = ["path,label"]
    for number in range(18):
        picture(number).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{('owl', 'cat', 'dog')[number % 3]}")
    (folder / "table.csv").write_text("\n".join(lines))
    return folder / "table.csv"


def deep(folder):
    """Images of 12 bits beside one of 8 bits; the range is known after all are read."""
    for name in ("a", "b"):
        (folder / name).mkdir()
        for number in range(4):
            values = np.random.default_rng(number).integers(0, 4000, (8, 10)).astype(np.uint16)
            Image.fromarray(values).save(folder / name / f"{number}.png")
    picture(9, mode="L").save(folder / "a" / "8bit.png")
    return folder


def arrays(folder):
    images = np.random.default_rng(0).integers(0, 256, (20, 6, 6, 3), dtype=np.uint8)
    np.savez(folder / "mine.npz", images=images, labels=np.arange(20) % 4)
    return folder / "mine.npz"


def folder_of_images(folder):
    write_classes(folder, count=7)
    (folder / "a" / "notes.txt").write_text("no image")
    return folder


SOURCES = {
    "folder": (folder_of_images, {}),
    "parts": (parts, {"size": 7}),
    "table": (table, {}),
    "padded": (folder_of_images, {"size": "6x9", "fit": "pad"}),
    "deep": (deep, {}),
    "deep, with a range": (deep, {"pixel_range": "0,5000"}),
    "arrays": (arrays, {}),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_pack_is_the_same_as_its_source(tmp_path, name):
    make, settings = SOURCES[name]
    (tmp_path / "mine").mkdir()
    source = make(tmp_path / "mine")
    packed(source, tmp_path / "out", **settings)
    require_same(load(tmp_path / "out"), load(source, **settings))


def test_other_preprocessings_are_the_same(tmp_path):
    # For a table, sums over images in another order would differ by rounding.
    packed(folder_of_images(tmp_path / "mine"), tmp_path / "out", size=6)
    for name in ("zca", "none"):
        require_same(load(tmp_path / "out", preprocessing=name), load(tmp_path / "mine", preprocessing=name, size=6))


def test_bundled_data_keep_their_name_and_what_is_known_of_them(tmp_path):
    packed("digits", tmp_path / "out")
    require_same(load(tmp_path / "out"), load("digits"))


def test_a_start_reads_the_index_alone(tmp_path, monkeypatch):
    write_classes(tmp_path / "mine", count=7)
    packed(tmp_path / "mine", tmp_path / "out")
    expected, facts = load(tmp_path / "mine").train.fingerprint(), read_facts(load(tmp_path / "mine"))
    monkeypatch.setattr(ImageFiles, "_read", None)
    data = load(tmp_path / "out")
    assert (data.train.fingerprint(), len(data.test), data.train.shape) == (expected, 3, (3, 8, 10))
    assert read_facts(data)["range"] == facts["range"]


def test_a_small_pack_is_in_memory(tmp_path, monkeypatch):
    write_classes(tmp_path / "mine")
    packed(tmp_path / "mine", tmp_path / "out")
    monkeypatch.setattr(stored_images, "IN_MEMORY", 10**6)
    images = load(tmp_path / "out").train.images
    assert type(images) is torch.Tensor
    assert torch.equal(images, load(tmp_path / "mine").train.images)


def test_files_hold_whole_classes(tmp_path):
    write_classes(tmp_path / "mine", count=7)
    index = packed(tmp_path / "mine", tmp_path / "out", file_bytes=4000)  # 1,680 bytes of each class
    assert [(each.file, each.offset) for each in index.train.classes] == [
        ("images-0000.bin", 0),
        ("images-0000.bin", 1680),
        ("images-0001.bin", 0),
    ]
    assert [(tmp_path / "out" / f"images-000{number}.bin").stat().st_size for number in (0, 1)] == [3360, 1680]
    one_each = packed(tmp_path / "mine", tmp_path / "small", file_bytes=1)
    assert [each.file for each in one_each.train.classes] == [f"images-000{number}.bin" for number in range(3)]


def test_names_are_in_a_table(tmp_path):
    write_classes(tmp_path / "mine", count=7)
    index = packed(tmp_path / "mine", tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / writer.JOURNAL).read_text().splitlines()]
    assert sorted(name for line in lines for name in line["names"]) == sorted(map(str, (tmp_path / "mine").rglob("*.png")))
    assert "png" not in (tmp_path / "out" / pack_index.INDEX).read_text()
    assert index.found.ignored == {}


def test_images_that_cannot_be_read(tmp_path):
    write_classes(tmp_path / "mine", count=7)
    (tmp_path / "mine" / "b" / "3.png").write_bytes(b"damaged")
    assert "3.png" in refusal(packed, tmp_path / "mine", tmp_path / "out").message
    index = packed(tmp_path / "mine", tmp_path / "out", skip_bad=True)  # continues
    assert index.details["skipped"]["count"] == 1
    data, plain = load(tmp_path / "out"), load(tmp_path / "mine", skip_bad=True)
    assert torch.equal(data.train.images[:], plain.train.images)
    assert (data.details, read_facts(data)["passed_over"]) == (plain.details, read_facts(plain)["passed_over"])
    for file in (tmp_path / "mine" / "b").iterdir():
        file.write_bytes(b"damaged")
    assert "'b'" in refusal(packed, tmp_path / "mine", tmp_path / "other", skip_bad=True).message


def test_different_sizes_are_refused(tmp_path):
    write_classes(tmp_path / "mine", ("a",), 4)
    write_classes(tmp_path / "mine", ("b",), 4, size=(5, 5))
    with pytest.raises(MixedSizes):
        packed(tmp_path / "mine", tmp_path / "out")


def test_warnings_about_the_images_are_repeated_at_each_start(tmp_path, caplog):
    write_classes(tmp_path / "train", ("a", "b"), 4)
    shutil.copytree(tmp_path / "train", tmp_path / "mine" / "train")
    shutil.copytree(tmp_path / "train", tmp_path / "mine" / "test")
    Image.new("RGB", (10, 8), (9, 9, 9)).save(tmp_path / "mine" / "train" / "a" / "plain.png")
    packed(tmp_path / "mine", tmp_path / "out")
    assert len(caplog.records) == 2
    packed_at = [record.message for record in caplog.records]
    caplog.clear()
    assert load(tmp_path / "out").details["in_both"] == 8
    assert [record.message for record in caplog.records] == packed_at


def test_a_killed_process_continues(tmp_path, monkeypatch):
    write_classes(tmp_path / "mine", ("a", "b"), 4)
    whole = packed(tmp_path / "mine", tmp_path / "whole")
    expected = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    monkeypatch.setattr(writer, "UNSAVED", 0)
    decoded = []
    decode = parallel.decode_file
    monkeypatch.setattr(parallel, "decode_file", lambda path, options: decoded.append(path) or decode(path, options))
    at = 1
    while kill_before(tmp_path, at, lambda: packed(tmp_path / "mine", tmp_path / "out")):
        if not (tmp_path / "out" / pack_index.INDEX).exists():
            assert refusal(load, tmp_path / "out")
        decoded.clear()
        assert packed(tmp_path / "mine", tmp_path / "out") == whole
        assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == expected
        assert len(decoded) in (0, 4, 8)
        shutil.rmtree(tmp_path / "out")
        at += 1
    assert at > 10
    assert not leftovers(tmp_path)


PACKING = """
import sys, time
from pathlib import Path
from condensation.data.decode import parallel
from condensation.data.pack import writer
from condensation.data.pack.write import pack
from condensation.data.settings import DataSettings
writer.UNSAVED = 20_000
decode = parallel.decode_file
parallel.decode_file = lambda path, options: time.sleep(0.002) or decode(path, options)
pack(DataSettings(sys.argv[1]), Path(sys.argv[2]), 100_000, lambda done, total: print(done, flush=True))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_process_that_is_killed_at_random_continues_with_finished_classes(tmp_path):
    write_classes(tmp_path / "mine", tuple(f"class {number:02}" for number in range(20)), 30)
    whole = packed(tmp_path / "mine", tmp_path / "whole", file_bytes=100_000)
    command = [sys.executable, "-c", PACKING, str(tmp_path / "mine"), str(tmp_path / "out")]
    rng, starts = np.random.default_rng(0), []
    while not (tmp_path / "out" / pack_index.INDEX).exists():
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
            starts.append(int(process.stdout.readline()))
            for _ in range(rng.integers(100, 300)):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        assert len(starts) < 20
    assert len(starts) > 2
    assert starts == sorted(starts)
    assert starts[-1] > 200
    assert packed(tmp_path / "mine", tmp_path / "out", file_bytes=100_000) == whole
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("cut", [1, 40])
def test_what_was_half_written_is_cut_off(tmp_path, cut):
    write_classes(tmp_path / "mine", ("a", "b", "c"), 4)
    whole = packed(tmp_path / "mine", tmp_path / "out")
    expected = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    state = read_json(tmp_path / "out" / pack_index.INDEX)["state"]
    (tmp_path / "out" / pack_index.INDEX).unlink()
    (tmp_path / "out" / pack_index.UNFINISHED).write_bytes(pack_index.as_json({"state": state}))
    journal = tmp_path / "out" / writer.JOURNAL
    os.truncate(journal, journal.stat().st_size - cut)
    with (tmp_path / "out" / "images-0000.bin").open("ab") as file:
        file.write(b"half of an image")
    assert "not finished" in refusal(load, tmp_path / "out").message
    assert packed(tmp_path / "mine", tmp_path / "out") == whole
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == expected


def test_a_finished_pack_is_kept(tmp_path, monkeypatch):
    write_classes(tmp_path / "mine")
    index = packed(tmp_path / "mine", tmp_path / "out")
    monkeypatch.setattr(parallel, "decode_file", None)
    assert packed(tmp_path / "mine", tmp_path / "out") == index
    assert refusal(packed, tmp_path / "mine", tmp_path / "out", size=5).setting == "out"


def test_a_pack_of_changed_images_begins_anew(tmp_path, caplog):
    write_classes(tmp_path / "mine", ("a", "b", "c"), 4)
    assert kill_before(tmp_path, 9, lambda: packed(tmp_path / "mine", tmp_path / "out"))
    picture(77).save(tmp_path / "mine" / "a" / "0.png")
    packed(tmp_path / "mine", tmp_path / "out")
    assert len(caplog.records) == 1
    require_same(load(tmp_path / "out"), load(tmp_path / "mine"))


def test_a_full_disk_keeps_finished_classes(tmp_path, monkeypatch):
    write_classes(tmp_path / "mine", ("a", "b", "c"), 4)
    with failing_from(tmp_path, 9, 28), pytest.raises(NotWritten):
        packed(tmp_path / "mine", tmp_path / "out")
    packed(tmp_path / "mine", tmp_path / "out")
    require_same(load(tmp_path / "out"), load(tmp_path / "mine"))
    monkeypatch.setattr(writer, "free_space", lambda folder: 100)
    with pytest.raises(NotWritten):
        packed(tmp_path / "mine", tmp_path / "full")


@pytest.fixture
def out(tmp_path):
    write_classes(tmp_path / "mine", count=7)
    packed(tmp_path / "mine", tmp_path / "out", file_bytes=4000)
    return tmp_path / "out"


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_a_whole_pack_passes(out):
    assert verify_pack(out)[1] == []


@pytest.mark.parametrize(("place", "name", "part"), [(0, "a", "train"), (1679, "a", "test"), (1680, "b", "train")])
def test_a_changed_byte_is_found(out, place, name, part):
    flip(out / "images-0000.bin", place)
    (damaged,) = verify_pack(out)[1]
    assert (damaged.file, damaged.class_name, damaged.part) == ("images-0000.bin", name, part)


def test_a_changed_name_is_found(out):
    flip(out / writer.JOURNAL, 300)
    assert [each.file for each in verify_pack(out)[1]] == [writer.JOURNAL]


@pytest.mark.parametrize("file", ["images-0000.bin", writer.JOURNAL])
@pytest.mark.parametrize(
    "change", [lambda path: os.truncate(path, 100), lambda path: path.unlink(), lambda path: path.write_bytes(b"0" * 9999)]
)
def test_a_file_of_another_size_is_refused_at_the_start(out, file, change):
    change(out / file)
    for call in (load, verify_pack):
        assert str(out / file) in refusal(call, out).message


def test_a_changed_index_is_refused(out):
    path = out / pack_index.INDEX
    content = path.read_text()
    changes = [content.replace('"count": 6', '"count": 5', 1), content.replace('"format": 1', '"format": 2'), content[:-20], "[]"]
    changes.append(pack_index.as_json({}).decode())
    for change in changes:
        assert change != content
        path.write_text(change)
        assert refusal(verify_pack, out)
        assert refusal(load, out)


def test_other_options_than_when_packed_are_refused(out):
    assert load(out, size=None).train.shape == load(out, size="8x10").train.shape
    assert refusal(load, out, size=9).setting == "data.size"
    assert refusal(load, out, fit="pad").setting == "data.fit"
    assert refusal(load, out, test="val").setting == "data.test"
    assert load(out, preprocessing="none", flip_invariant=False).train.flip_invariant is False


def test_what_a_pack_does_not_store_is_refused(tmp_path):
    write_classes(tmp_path / "mine")
    assert refusal(packed, tmp_path / "mine", tmp_path / "out", preprocessing="zca").setting == "data.preprocessing"
    assert refusal(packed, tmp_path / "mine", tmp_path / "out", classes=("a",)).setting == "data.classes"
    assert refusal(packed, tmp_path / "mine", tmp_path / "mine" / "out").setting == "out"
    assert refusal(packed, tmp_path / "none", tmp_path / "out").setting == "data.source"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    assert refusal(packed, tmp_path / "mine", tmp_path / "full").setting == "out"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "mine"]


def test_the_command(condense, tmp_path):
    write_classes(tmp_path / "mine", count=7)
    code, said, _ = condense("data", "pack", tmp_path / "mine", "--out", tmp_path / "out", "--size", 6, "--json")
    assert (code, json.loads(said)["images"]) == (0, {"train": 18, "test": 3})
    assert condense("data", "verify", tmp_path / "out")[0] == 0
    assert (
        condense("run", "--data", tmp_path / "out", "--ipc", 1, "--method", "random", "--out", tmp_path / "run", "--evaluate", "none")[0]
        == 0
    )
    assert "read from files" in condense("data", "show", tmp_path / "out", "--out", tmp_path / "show.png")[1]
    flip(tmp_path / "out" / "images-0000.bin", 0)
    code, _, said = condense("data", "verify", tmp_path / "out")
    assert (code, "images-0000.bin, class 'a' (train)" in said) == (2, True)


LIMITED = """
import resource, sys, torch
from pathlib import Path
import condensation.core.stored_images as stored
from condensation import DM, Compute, ConvNet, Fresh, Rng, load
from condensation.data.pack.write import pack
from condensation.data.settings import DataSettings
stored.IN_MEMORY = 0
source, out = map(Path, sys.argv[1:])
size = int(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmSize"))) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + 400_000_000,) * 2)
pack(DataSettings(str(source)), out)
data, method = load(out), DM(steps=1, batch_per_class=4, networks=Fresh(ConvNet(width=4)))
state = method.init(data.train, dict.fromkeys(data.train.classes, 1), Rng(0), Compute(device="cpu", compile="never").resolve())
method.step(state, data.train, Rng(0).child("step", 0))
try:
    data.train.images.float()
except ValueError as error:
    print(type(error).__name__)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
def test_a_limit_of_memory_that_is_less_than_the_images(tmp_path):
    shape = (3, 256, 256)
    images = np.random.default_rng(0).integers(0, 256, (40, *shape), dtype=np.uint8)
    for label in range(5):
        (tmp_path / "mine" / str(label)).mkdir(parents=True)
        for number in range(500):
            file = tmp_path / "mine" / str(label) / f"{number}.ppm"
            file.write_bytes(b"P6 256 256 255\n" + images[number % 40].tobytes())
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "mine"), str(tmp_path / "out")]
    said = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert (said.stdout, said.returncode) == ("NotEnoughMemory\n", 0), said.stderr
    assert sum(path.stat().st_size for path in (tmp_path / "out").glob("*.bin")) > 450_000_000
