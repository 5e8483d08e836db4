"""Damaged and malicious archives."""

import io
import tarfile

import pytest

from condensation.core import memory
from condensation.core.errors import NotEnoughMemory
from condensation.data.load import load
from tests.data import official
from tests.data.official import write_cifar, write_tar
from tests.data.refusals import refusal

PYTHON, BINARY = ("cifar10", "python"), ("cifar10", "binary")


def test_members_that_lead_elsewhere_are_passed_over(tmp_path):
    files, _ = official.cifar_files(PYTHON)
    path = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("../data_batch_1", "/data_batch_1", "a/../data_batch_1", "a/b/c/data_batch_1"):
            member = tarfile.TarInfo(name)
            member.size = 3
            archive.addfile(member, io.BytesIO(b"bad"))
        for kind, name in ((tarfile.SYMTYPE, "x/data_batch_1"), (tarfile.LNKTYPE, "x/data_batch_2"), (tarfile.CHRTYPE, "x/data_batch_3")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(f"./cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    assert len(load(path).train) == 20
    assert list(tmp_path.iterdir()) == [path]


def test_a_duplicate_file_is_refused(tmp_path):
    files, _ = official.cifar_files(PYTHON)
    twice = {f"a/{name}": content for name, content in files.items()} | {"b/data_batch_1": files["data_batch_1"]}
    path = write_tar(tmp_path / "cifar-10-python.tar.gz", twice)
    assert "data_batch_1 twice" in refusal(load, path).message


@pytest.mark.parametrize("keep", [0.02, 0.3, 0.9, 0.999])
def test_a_truncated_archive_is_refused_with_a_hint(tmp_path, keep):
    path, _ = write_cifar(tmp_path, PYTHON, packed=True)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    error = refusal(load, path)
    assert path.name in error.message
    assert "condense data get cifar10" in error.hint


def test_one_changed_byte_in_an_archive_is_noticed(tmp_path):
    path, _ = write_cifar(tmp_path, BINARY, packed=True)
    whole = path.read_bytes()
    for place in range(100, len(whole), len(whole) // 20):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert path.name in refusal(load, path).message


def test_a_member_that_would_not_fit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path, _ = write_cifar(tmp_path, PYTHON, packed=True)
    monkeypatch.setattr(memory, "free_memory", lambda: 10_000)
    error = refusal(load, path)
    assert isinstance(error, NotEnoughMemory)
    assert path.name in error.message
