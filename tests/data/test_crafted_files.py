"""Crafted files end in an error of the user within a second or two, and take no more memory than they promise."""

import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
import torch

from condensation.artifacts.official_format import read_official
from condensation.data.decode.decode import UnreadableImage, decode_file, strict_pillow
from condensation.data.load import load
from tests.data import crafted, official
from tests.data.refusals import refusal

SPACE = 8_000_000_000  # bytes of addresses of the process that reads the files
MOST_MEMORY = 400_000_000  # bytes that a file of a few megabytes may take
MOST_SECONDS = 20  # on a busy machine; each takes a second or two

# Reads each path that the input names, and prints seconds, bytes and the error for each.
READER = """
import json, resource, sys, time
from condensation.core.errors import CondensationError
from condensation.data.load import load
from condensation.artifacts.official_format import read_official
from PIL import Image
load("digits")
for path in json.load(sys.stdin):
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read_official(path, "cifar10") if path.suffix == ".pt" else load(path)
        error = ""
    except CondensationError as problem:
        error = problem.message
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps([time.monotonic() - began, 1024 * grown, error]), flush=True)
""".replace("json.load(sys.stdin)", 'map(__import__("pathlib").Path, json.load(sys.stdin))')


def folder_with(parent, name, content):
    """Return a folder of two classes, in which one image has these bytes."""
    for label in "ab":
        (parent / label).mkdir(parents=True)
        (parent / label / "0.png").write_bytes(crafted.png(8, 8, bytes(25 * 8)))
    (parent / "a" / name).write_bytes(content)
    return parent


def bomb(kind):
    """Return a small image with a chunk of 256 MB behind it."""
    return crafted.png(8, 8, bytes(200), (kind, b"a\0\0" + crafted.zlib.compress(bytes(1 << 28))))


IMAGES = {
    "png of one column": (crafted.png, 1, 89_000_000),
    "png with a text bomb": (bomb, b"zTXt"),
    "png with a profile bomb": (bomb, b"iCCP"),
    "png of 2^62 pixels": (crafted.png, 2**31 - 1, 2**31 - 1),
    "gif of 100,000 frames": (crafted.gif, 100_000),
    "tiff of 100,000 pages": (crafted.tiff, 100_000),
    "tiff that turns in a circle": (crafted.tiff, 3, 8),
}
SOME = ("npz of 2^40 pixels", "idx of 2^96 pixels", "pickle of 10 GB", "png of 2^62 pixels", "tiff that turns in a circle", "pt of strides")


def write_all(root, kept):
    """Write the ``kept`` crafted files, all of them for None; return path and a word of the expected error by name."""
    cases = {}

    def add(name, word, write, *arguments, **options):
        if kept is None or name in kept:
            cases[name] = (write(*arguments, **options), word)

    def place(name, content):
        path = root / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        return path

    def pickled(name, content, *arguments):
        files, _ = official.cifar_files(("cifar10", "python"))
        return official.write_files(root / name / "cifar-10-batches-py", {**files, "data_batch_1": content(*arguments)})

    def lying():
        return crafted.lying(crafted.npz(root / "lie.npz", head, zeros=600 << 20), "images.npy", len(head) + 80)

    def image(folder, content, *arguments):
        return folder_with(folder, "x.png", content(*arguments))

    def rezipped(name, change, *arguments):
        return place(name, crafted.rezipped(crafted.saved(plain.repeat(4, 1, 1, 1)), change, *arguments))

    npz, idx, head = crafted.npz, crafted.idx, crafted.npy_header((20, 2, 2))
    add("npz with 600 MB behind it", "more bytes than the 80", npz, root / "more.npz", head, zeros=600 << 20)
    add("npz of 2^40 pixels", "", npz, root / "many.npz", crafted.npy_header((1 << 20, 1 << 10, 1 << 10)))
    add("npz with a long header", "images", npz, root / "head.npz", crafted.npy_header((20, 2, 2), "|u1" + " " * 50_000))
    add("npz of objects", "Python objects", npz, root / "objects.npz", crafted.npy_header((20,), "|O"))
    add("npz with two arrays of a name", "two arrays", npz, root / "twice.npz", head, extra=[("images.npy", head + bytes(80))])
    add("npz that lies", "images", lying)
    add("gz with 1 GB behind it", "more", idx, root / "idx1", (2, 4, 4), crafted.ZEROS * 16, packed=True)
    add("idx of 2^96 pixels", "4294967295", idx, root / "idx2", (2**32 - 1,) * 3)
    add("idx of nothing", "(0, ", idx, root / "idx3", (0, 2**32 - 1, 2**32 - 1))
    add("gz of another number", "2 labels", idx, root / "idx4", (500, 1000, 1000), crafted.ZEROS * 16, packed=True)
    add("pickle of 10 GB", "calls", pickled, "pickle1", crafted.calls, 10_000, 1_000_000)
    add("pickle of equal hashes", "integer is too large", pickled, "pickle2", crafted.colliding, 200_000)
    add("pickle of 10^7 lists", "values", pickled, "pickle3", lambda: b"\x80\x02(" + b"]" * 10_000_000 + b"l.")
    add("tar bomb", "", place, "tar1/cifar-10-python.tar.gz", crafted.ZEROS * 40)
    for index, (name, (content, *arguments)) in enumerate(IMAGES.items()):
        add(name, "x.png", image, root / f"images{index}", content, *arguments)
    plain = torch.arange(3072.0).reshape(1, 3, 32, 32)
    add("pt of strides", "smaller storage", lambda: place("pt1/x.pt", crafted.saved(plain.expand(400_000, -1, -1, -1))))
    add("pt that is compressed", "", rezipped, "pt2/x.pt", lambda _, content: content, 8)
    add("pt with a short storage", "", rezipped, "pt3/x.pt", lambda name, old: old[:100] if name.endswith("data/0") else old)
    text = lambda name, old: crafted.calls(2_000, 1_000_000) if name.endswith(".pkl") else old  # noqa: E731
    add("pt of 2 GB of text", "", rezipped, "pt4/x.pt", text)
    return cases


def results(root, kept):
    """Return by the name of each crafted file: seconds, bytes, error and a word of the expected error."""
    cases = write_all(root, kept)
    paths = json.dumps([str(path) for path, _ in cases.values()])
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE))  # noqa: E731
    environment = {**os.environ, "CONDENSATION_CACHE": "none"}
    process = subprocess.run(
        [sys.executable, "-c", READER], input=paths, capture_output=True, text=True, preexec_fn=limit, env=environment, timeout=300
    )
    assert process.returncode == 0, process.stderr
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    return {name: (*line, word) for (name, (_, word)), line in zip(cases.items(), lines, strict=True)}


@pytest.mark.parametrize(("kept", "count"), [pytest.param(SOME, 6, id="some"), pytest.param(None, 25, id="all", marks=pytest.mark.slow)])
def test_crafted_files_are_refused_in_little_time_and_memory(tmp_path, kept, count):
    wrong, found = {}, results(tmp_path, kept)
    for name, (seconds, size, error, word) in found.items():
        if not error or word not in error or seconds > MOST_SECONDS or size > MOST_MEMORY or len(error.splitlines()) > 2:
            wrong[name] = (round(seconds, 1), size, error, word)
    assert not wrong
    assert len(found) == count


def test_fortran_order_and_checksums_are_read_right(tmp_path):
    images = np.asfortranarray(official.images(20, (4, 6, 3)))
    np.savez_compressed(tmp_path / "x.npz", images=images, labels=np.arange(20) % 2)
    data = load(tmp_path / "x.npz", preprocessing="none")
    found = torch.cat([data.train.images, data.test.images])
    assert sorted(map(bytes, found.numpy())) == sorted(map(bytes, np.ascontiguousarray(images.transpose(0, 3, 1, 2))))


@pytest.mark.parametrize("kind", ["symlink", "hard link", "device", "outside", "absolute"])
def test_members_that_lead_out_of_an_archive_are_not_read(tmp_path, kind):
    tarfile = crafted.tarfile

    def change(archive, member, content):
        if member.name.endswith("data_batch_3"):
            if kind in ("outside", "absolute"):
                member.name = ("../" if kind == "outside" else "/tmp/") + member.name
            else:
                member.type = {"symlink": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "device": tarfile.CHRTYPE}[kind]
                member.linkname, member.size, content = "cifar-10-batches-py/data_batch_1", 0, b""
        archive.addfile(member, crafted.io.BytesIO(content))

    error = refusal(load, crafted.tar(tmp_path / "cifar-10-python.tar.gz", change))
    assert "lacks data_batch_3" in error.message


@pytest.mark.parametrize("target", ["/dev/zero", "pipe"])
def test_images_that_are_no_files_end_at_once(tmp_path, target):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "x.png").symlink_to(target)
    with strict_pillow(), pytest.raises(UnreadableImage, match="not a regular file"):
        decode_file(tmp_path / "x.png")
    (tmp_path / "table.csv").write_text("path,label\nx.png,a\npipe,b\n")
    assert "x.png" in refusal(load, tmp_path / "table.csv").message


@pytest.mark.parametrize("name", ["../../../../dev/zero", "../pipe", "/dev/zero", "..", "a/b.JPEG"])
def test_annotations_name_files_of_their_folder_only(tmp_path, name):
    files = official.tiny_imagenet_files()
    files["val/val_annotations.txt"] = f"{name}\tn01\t0\t0\t1\t1\n".encode()
    path = official.write_tiny_imagenet(tmp_path, packed=False, files=files)
    os.mkfifo(path / "val" / "pipe")
    assert "plain file names" in refusal(load, path).message


def test_an_official_file_is_read_with_its_values(tmp_path):
    images = torch.randn(20, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    (tmp_path / "x.pt").write_bytes(crafted.saved(images))
    found, _ = read_official(tmp_path / "x.pt", "cifar10")
    order = torch.argsort(torch.arange(20) % 10, stable=True)
    assert torch.equal(found.images, images[order])
    (tmp_path / "x.pt").write_bytes(crafted.saved(images[:0]))
    assert "no images" in refusal(read_official, tmp_path / "x.pt", "cifar10").message
