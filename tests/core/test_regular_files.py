"""Only regular files are opened, and no more than their size is read."""

import os
import socket

import pytest

from condensation.core.regular_files import open_regular, read_regular, read_text

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes and devices in folders")


@pytest.fixture
def special(tmp_path, monkeypatch):
    """Paths that are no regular files, each directly and behind a link."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)  # the path of a socket is limited to 108 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        paths = [tmp_path / "pipe", tmp_path / "folder", tmp_path / "socket", *map(type(tmp_path), ("/dev/zero", "/dev/random"))]
        for path in paths[:]:
            link = tmp_path / f"link-to-{path.name}"
            link.symlink_to(path)
            paths.append(link)
        yield paths


def test_pipes_sockets_devices_and_folders_are_refused_at_once(special):
    assert len(special) == 10
    for path in special:
        with pytest.raises(OSError, match=r"not a regular file|No such device"):
            open_regular(path)


def test_a_link_to_a_regular_file_is_read(tmp_path):
    (tmp_path / "file").write_bytes("ä\r\n".encode())
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_text(tmp_path / "link") == "ä\r\n"
    assert read_regular(tmp_path / "link", 4) == b"\xc3\xa4\r\n"


def test_a_file_above_the_limit_is_not_read(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="1,099,511,627,776 bytes"):
        read_text(tmp_path / "sparse")


def test_endless_files_of_the_system_are_read_up_to_their_size():
    if os.path.exists("/proc/self/pagemap"):
        assert read_regular("/proc/self/pagemap", 1000) == b""
