"""Files that promise or hold far more than they seem to."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import warnings
import zipfile
import zlib

import numpy as np

from tests.data.official import cifar_files

ZEROS = gzip.compress(bytes(1 << 26), 9)  # members of a gzip file follow each other: 64 MB in 64 kB


def npy_header(shape, descr="|u1", fortran=False):
    """Return the header of an array that need not follow."""
    text = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def npz(path, images, labels=npy_header((20,), "|u1") + bytes(10) + bytes([1]) * 10, zeros=0, extra=()):
    """Write an npz file whose array ``images`` has these bytes and then ``zeros`` zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in (("labels.npy", labels), *extra):
            archive.writestr(name, content)
        with archive.open("images.npy", "w", force_zip64=True) as file:
            file.write(images)
            for _ in range(zeros >> 24):
                file.write(bytes(1 << 24))
    return path


def lying(path, name, size):
    """Let the directory of a zip file say that the member ``name`` has ``size`` bytes."""
    content = bytearray(path.read_bytes())
    at = next(at for at in _positions(content, b"PK\x01\x02") if content[at + 46 :].startswith(name.encode()))
    content[at + 24 : at + 28] = struct.pack("<I", size)
    path.write_bytes(bytes(content))
    return path


def _positions(content, signature):
    at = content.find(signature)
    while at >= 0:
        yield at
        at = content.find(signature, at + 1)


def idx(folder, shape, pixels=b"", labels=2, packed=False):
    """Write a training split of IDX files with a header of ``shape`` and these pixels."""
    folder.mkdir()
    head = struct.pack(">4B3I", 0, 0, 8, 3, *shape)
    ending = ".gz" if packed else ""
    (folder / f"train-images-idx3-ubyte{ending}").write_bytes(gzip.compress(head) + pixels if packed else head + pixels)
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, labels) + bytes(range(labels)))
    return folder


def tar(path, change):
    """Write CIFAR-10 as a tar archive, each member as ``change(archive, member, content)`` adds it."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in cifar_files(("cifar10", "python"))[0].items():
            member = tarfile.TarInfo("cifar-10-batches-py/" + name)
            member.size = len(content)
            change(archive, member, content)
    return path


def png(width, height, pixels=b"", *chunks):
    """Return a PNG file of this size with the compressed ``pixels``, and further chunks before them."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = b"".join(chunk(*each) for each in chunks) + chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")


def gif(frames):
    """Return a GIF animation of 1 x 1 pixel."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    return head + (b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00") * frames + b";"


def tiff(pages, last=0):
    """Return a TIFF file of 1 x 1 pixel whose last page is followed by the one at the position ``last``."""
    tags = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 1)]
    size = 2 + 12 * len(tags) + 4
    page = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    following = (8 + size * (number + 1) if number < pages - 1 else last for number in range(pages))
    return b"II*\0" + struct.pack("<I", 8) + b"".join(page + struct.pack("<I", at) for at in following)


def calls(count, size):
    """Return a pickle in which ``count`` calls each make the same ``size`` bytes anew."""
    text = b"X" + struct.pack("<I", size) + b"a" * size
    return b"\x80\x02c_codecs\nencode\nq\x01" + text + b"U\x06latin1\x86q\x02](" + b"h\x01h\x02R" * count + b"e."


def colliding(count):
    """Return a pickle of a dictionary whose keys have the same hash, which takes time ``count ** 2``."""
    keys = (number * ((1 << 61) - 1) << 61 for number in range(1, count))
    return b"\x80\x02}(" + b"".join(b"\x8a\x14" + key.to_bytes(20, "little") + b"K\x00" for key in keys) + b"u."


def saved(images) -> bytes:
    """Return a file of the official project with tensors as ``torch.save`` writes them."""
    import torch

    buffer = io.BytesIO()
    torch.save({"data": [[images, torch.arange(len(images)) % 10]]}, buffer)
    return buffer.getvalue()


def rezipped(content, change, compression=zipfile.ZIP_STORED) -> bytes:
    """Return a zip file with each member replaced by ``change(name, content)``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return buffer.getvalue()


def picture(side=8):
    """Return the pixels of a small picture in colour."""
    return np.arange(side * side * 3, dtype=np.uint8).reshape(side, side, 3)
