"""Downloads from a local server that can fail."""

from __future__ import annotations

import hashlib
import http.server
import os
import shutil
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from condensation.data import download
from condensation.data.download import download_dataset, local_copy, plan_download
from condensation.data.load import load
from condensation.data.locate import list_datasets
from condensation.data.mirrors import DOWNLOADS, Download, DownloadFile
from tests.data import official
from tests.data.refusals import refusal
from tests.killing import changes, kill_before

CIFAR10 = "cifar-10-python.tar.gz"


@dataclass
class Server:
    """Files of a server, its behaviour, and the requests that it got."""

    files: dict[str, bytes]
    url: str = ""
    ranges: bool = True  # range requests are answered
    cut_after: list[int] = field(default_factory=list)  # bytes sent before the connection closes, per coming answer
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path and range
    packed: bool = False  # sends Content-Encoding: gzip


def handler(server):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            server.asked.append((self.path, wanted))
            content = server.files.get(self.path.lstrip("/"))
            if content is None:
                self.send_error(404, "Not Found")
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges else 0
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if wanted and server.ranges else 200)
            if wanted and server.ranges:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if server.packed:
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            sent = content[start:]
            if server.cut_after:
                sent = sent[: server.cut_after.pop(0)]
            self.wfile.write(sent)

        def log_message(self, *arguments):
            pass

    return Handler


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path, held = official.write_cifar(tmp_path_factory.mktemp("given"), ("cifar10", "python"), packed=True)
    return path.read_bytes(), held


@pytest.fixture
def server(archive, monkeypatch):
    known = Server({CIFAR10: archive[0]})
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(known))
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    known.url = f"http://127.0.0.1:{listening.server_port}"
    publish(monkeypatch, "cifar10", known)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield known
    listening.shutdown()
    listening.server_close()
    thread.join()


def publish(monkeypatch, name, server):
    """Publish the files of the server as those of ``name``."""
    files = tuple(DownloadFile(file, len(content), hashlib.md5(content).hexdigest()) for file, content in server.files.items())
    monkeypatch.setitem(DOWNLOADS, name, Download(server.url, files))


@pytest.fixture(autouse=True)
def _no_data_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("CONDENSATION_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.chdir(tmp_path)


def left(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_downloaded_data_set_loads_by_name(server, tmp_path, archive):
    place = download_dataset(plan_download("cifar10", tmp_path))
    assert place == tmp_path / "cifar10"
    assert left(tmp_path) == [CIFAR10]
    data = load("cifar10", folder=tmp_path)
    assert len(data.train) == len(archive[1]["train"][1])
    assert data.train.class_names == official.CIFAR10_NAMES


def test_without_a_folder_load_finds_the_download(server, tmp_path):
    assert "condense data get cifar10" in refusal(load, "cifar10").hint
    place = download_dataset(plan_download("cifar10"))
    assert tmp_path / "user" in place.parents
    assert load("cifar10").name == "cifar10"
    assert {row.name: row.where for row in list_datasets()}["cifar10"] == str(place / CIFAR10)
    (tmp_path / "other").mkdir()
    assert load("cifar10", folder=tmp_path / "other").name == "cifar10"


def test_loading_never_downloads(server, tmp_path):
    refusal(load, "cifar10", folder=tmp_path)
    assert server.asked == []


def test_the_environment_variable_sets_the_folder(server, tmp_path, monkeypatch):
    monkeypatch.setenv("CONDENSATION_DATA", str(tmp_path / "new"))
    assert download_dataset(plan_download("CIFAR-10")) == tmp_path / "new" / "cifar10"


def test_progress_reports_bytes(server, tmp_path, archive):
    reports = []
    download_dataset(plan_download("cifar10", tmp_path), lambda *progress: reports.append(progress))
    size = len(archive[0])
    assert reports[0] == (CIFAR10, 0, size)
    assert reports[-1] == (CIFAR10, size, size)
    assert [done for _, done, _ in reports] == sorted(done for _, done, _ in reports)


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_transfer_resumes(server, tmp_path, archive, ranges):
    server.ranges, server.cut_after = ranges, [50_000, 30_000]
    download_dataset(plan_download("cifar10", tmp_path))
    assert (tmp_path / "cifar10" / CIFAR10).read_bytes() == archive[0]
    assert [asked for _, asked in server.asked] == [None, "bytes=50000-", "bytes=80000-" if ranges else "bytes=30000-"]
    assert left(tmp_path) == [CIFAR10]


def test_a_download_killed_anywhere_is_whole_after_the_next(server, tmp_path, archive):
    folder = tmp_path / "cifar10"
    count = changes(tmp_path, lambda: download_dataset(plan_download("cifar10", tmp_path)))
    for at in range(1, count + 1):
        shutil.rmtree(folder)
        assert kill_before(tmp_path, at, lambda: download_dataset(plan_download("cifar10", tmp_path))), at
        asked, complete = len(server.asked), (folder / f"{CIFAR10}.part").exists()
        download_dataset(plan_download("cifar10", tmp_path))
        assert (folder / CIFAR10).read_bytes() == archive[0], at
        assert left(tmp_path) == [CIFAR10], at
        assert len(server.asked) - asked == (0 if complete else 1) or at > count - 2, at


def test_a_second_download_waits_and_uses_the_first(server, tmp_path):
    plan, threads = plan_download("cifar10", tmp_path), []
    for _ in range(4):
        threads.append(threading.Thread(target=download_dataset, args=[plan]))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert [path for path, _ in server.asked] == [f"/{CIFAR10}"]
    assert left(tmp_path) == [CIFAR10]


def test_the_next_download_resumes_the_last(server, tmp_path, archive):
    server.cut_after = [50_000, 0, 0, 0]
    assert "50.0 kB" in refusal(download_dataset, plan_download("cifar10", tmp_path)).message
    assert left(tmp_path) == [CIFAR10 + ".part"]
    assert "condense data get cifar10" in refusal(load, "cifar10", folder=tmp_path).hint
    download_dataset(plan_download("cifar10", tmp_path))
    assert server.asked[-1] == (f"/{CIFAR10}", "bytes=50000-")
    assert (tmp_path / "cifar10" / CIFAR10).read_bytes() == archive[0]


def test_a_complete_partial_file_is_used(server, tmp_path, archive):
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / (CIFAR10 + ".part")).write_bytes(archive[0])
    download_dataset(plan_download("cifar10", tmp_path))
    assert left(tmp_path) == [CIFAR10]


def test_a_partial_file_longer_than_the_whole_is_discarded(server, tmp_path, archive):
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / (CIFAR10 + ".part")).write_bytes(archive[0] + b"more")
    download_dataset(plan_download("cifar10", tmp_path))
    assert (tmp_path / "cifar10" / CIFAR10).read_bytes() == archive[0]


@pytest.mark.parametrize("begun", [False, True])
def test_a_file_with_a_wrong_checksum_is_removed(server, tmp_path, archive, begun):
    expected, wrong = (hashlib.md5(content).hexdigest() for content in (archive[0], archive[0] + b"x"))
    server.files[CIFAR10] += b"x"
    if begun:
        wrong = hashlib.md5(b"y" * 100 + server.files[CIFAR10][100:]).hexdigest()
        (tmp_path / "cifar10").mkdir()
        (tmp_path / "cifar10" / (CIFAR10 + ".part")).write_bytes(b"y" * 100)
    message = refusal(download_dataset, plan_download("cifar10", tmp_path)).message
    assert expected in message
    assert wrong in message
    assert left(tmp_path) == []
    server.files[CIFAR10] = archive[0]
    download_dataset(plan_download("cifar10", tmp_path))
    assert left(tmp_path) == [CIFAR10]


def test_a_missing_file_fails_without_retries(server, tmp_path):
    server.files.clear()
    assert f"{CIFAR10} answers 404" in refusal(download_dataset, plan_download("cifar10", tmp_path)).message
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_no_network(server, tmp_path):
    message = refusal(download_dataset, plan_download("cifar10", tmp_path, "http://127.0.0.1:9")).message
    assert f"127.0.0.1:9/{CIFAR10}" in message
    assert "refused" in message
    assert "object at 0x" not in message
    assert "resolve" in refusal(download_dataset, plan_download("cifar10", tmp_path, "http://nowhere.invalid")).message


def test_a_mirror_replaces_the_address(server, tmp_path, archive):
    server.files[f"far/away/{CIFAR10}"] = archive[0]
    download_dataset(plan_download("cifar10", tmp_path, server.url + "/far/away/"))
    assert server.asked == [(f"/far/away/{CIFAR10}", None)]


def test_content_encoding_gzip_is_not_decoded(server, tmp_path, archive):
    server.packed = True
    download_dataset(plan_download("cifar10", tmp_path))
    assert (tmp_path / "cifar10" / CIFAR10).read_bytes() == archive[0]


def test_free_space_is_checked_before_writing(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 1000))
    message = refusal(download_dataset, plan_download("cifar10", tmp_path)).message
    assert "124.0 kB" in message
    assert "1.0 kB" in message
    assert left(tmp_path) == []


def test_a_full_disk_keeps_the_received_bytes(server, tmp_path, monkeypatch, archive):
    written = []

    def write(self, file, block):
        if len(written) == 2:
            file = Full()
        written.append(block)
        return original_write(self, file, block)

    class Full:
        def write(self, block):
            raise OSError(28, "No space left on device")

    original_write = download.Transfer.write
    monkeypatch.setattr(download, "BLOCK", 10_000)
    monkeypatch.setattr(download.Transfer, "write", write)
    assert "No space left" in refusal(download_dataset, plan_download("cifar10", tmp_path)).message
    kept = tmp_path / "cifar10" / (CIFAR10 + ".part")
    assert kept.read_bytes() == archive[0][:20_000]


def test_a_folder_that_cannot_be_created(server, tmp_path):
    (tmp_path / "file").touch()
    assert refusal(download_dataset, plan_download("cifar10", tmp_path / "file")).setting == "data.folder"


def test_an_existing_file_is_verified_and_never_replaced(server, tmp_path):
    path = tmp_path / "cifar10" / CIFAR10
    path.parent.mkdir()
    path.write_bytes(b"mine")
    assert f"{path} is not the published file" in refusal(download_dataset, plan_download("cifar10", tmp_path)).message
    assert path.read_bytes() == b"mine"
    assert server.asked == []


def test_only_missing_files_are_downloaded(server, tmp_path, monkeypatch):
    folder, _ = official.write_svhn(tmp_path / "given")
    server.files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    publish(monkeypatch, "svhn", server)
    (tmp_path / "svhn").mkdir()
    shutil.copy(folder / "train_32x32.mat", tmp_path / "svhn")
    wanted = plan_download("svhn", tmp_path)
    assert local_copy(wanted, tmp_path) is None
    download_dataset(wanted)
    assert server.asked == [("/test_32x32.mat", None)]
    assert local_copy(wanted, tmp_path) == tmp_path / "svhn"
    assert load("svhn", folder=tmp_path).name == "svhn"


def test_another_format_counts_as_a_local_copy(server, tmp_path):
    official.write_cifar(tmp_path, ("cifar10", "binary"), packed=False)
    assert local_copy(plan_download("cifar10", tmp_path), tmp_path) == tmp_path / "cifar-10-batches-bin"


def test_unknown_and_bundled_data_sets_cannot_be_downloaded(tmp_path):
    assert "'cifar10'" in refusal(plan_download, "cifar1", tmp_path).message
    assert "bundled" in refusal(plan_download, "digits", tmp_path).message
    assert "ftp://example.org" in refusal(plan_download, "cifar10", tmp_path, "ftp://example.org").message


def test_without_requests_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "requests", None)
    assert "pip install '.[data]'" in refusal(download_dataset, plan_download("cifar10", tmp_path)).hint


def test_without_platformdirs_a_folder_must_be_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert "pip install '.[data]'" in refusal(plan_download, "cifar10").hint
    assert list_datasets()[0].name == "digits"


def test_every_data_set_that_is_not_bundled_can_be_downloaded():
    assert {row.name for row in list_datasets() if not row.info.bundled} == set(DOWNLOADS)
    for remote in DOWNLOADS.values():
        assert remote.base.startswith(("http://", "https://"))
        assert all(len(file.md5) == 32 and file.size for file in remote.files)


# -- the command


def test_the_command_prints_terms_and_folder(server, condense):
    code, output, progress = condense("data", "get", "cifar10", "--folder", "new")
    assert code == 0
    place = os.path.join("new", "cifar10")
    assert output.index("Terms: none stated; its authors ask to be cited") < output.index(place)
    assert server.url in output
    assert progress.startswith(f"{CIFAR10}: 0 bytes of")
    code, output, progress = condense("data", "--folder", "new", "get", "cifar10")
    assert (code, progress) == (0, "")
    assert place in output
    assert len(server.asked) == 1


def test_the_command_can_be_quiet(server, condense):
    assert condense("data", "get", "cifar10", "-q", "--folder", "new") == (0, "", "")
    assert left(Path("new")) == [CIFAR10]


def test_the_command_skips_local_copies(server, condense, tmp_path):
    official.write_cifar(tmp_path / "new", ("cifar10", "python"), packed=False)
    code, output, _ = condense("data", "get", "cifar10", "--folder", "new")
    assert code == 0
    assert os.path.join("new", "cifar-10-batches-py") in output
    assert "comes with the package" in condense("data", "get", "digits")[1]
    assert server.asked == []


def test_the_command_fails_in_plain_words(server, condense):
    server.files.clear()
    for name, message in (("cifar10", "answers 404"), ("nothing", "There is no downloadable data set 'nothing'")):
        code, _, output = condense("data", "get", name, "--folder", "new")
        assert code == 2
        assert message in output
        assert 2 <= len(output.splitlines()) - (CIFAR10 in output.splitlines()[0]) + 1 <= 4


def test_a_run_names_the_command_that_gets_its_data(condense):
    code, _, output = condense("run", "-d", "cifar10")
    assert code == 2
    assert "condense data get cifar10" in output
    assert len(output.splitlines()) <= 4
