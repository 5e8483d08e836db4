"""One process or thread at a time works in a folder; what a dead one left is not in the way."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from condensation.core.errors import CondensationError, NotWritten
from condensation.core.lock import LOCK, lock_beside, locked_beside, locked_folder, remove_free
from condensation.core.storage import ABANDONED, UNFINISHED, atomic_file, new_folder, remove_unfinished, write

HOLDER = """
import sys, time
from pathlib import Path
from condensation.core.{module} import {name}
with {name}(Path(sys.argv[1])) as made:
    print(made, flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(path, name, module="lock"):
    """Yield a process that holds the lock of ``path``, and what it makes; kill it after the block."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    program = HOLDER.format(name=name, module=module)
    with subprocess.Popen([sys.executable, "-c", program, str(path)], env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.parametrize("locked", [locked_folder, locked_beside])
def test_a_second_process_is_told_who_works_there(tmp_path, locked):
    with holder(tmp_path / "f", locked.__name__) as (process, _):
        with pytest.raises(CondensationError) as raised, locked(tmp_path / "f"):
            pass
        assert f"process {process.pid} on {socket.gethostname()} since 20" in raised.value.message
        assert raised.value.setting == "out"
    with locked(tmp_path / "f"):  # the dead process is not in the way
        pass
    assert list(tmp_path.rglob("*lock")) == []


def test_a_free_lock_is_removed_and_a_held_one_stays(tmp_path):
    lock = lock_beside(tmp_path / "f")
    lock.write_text("process 1 on another-machine")
    remove_free(lock)
    assert not lock.exists()
    with locked_folder(tmp_path):
        remove_free(tmp_path / LOCK)
        assert (tmp_path / LOCK).exists()


def test_a_second_thread_is_refused(tmp_path):
    with locked_folder(tmp_path), pytest.raises(CondensationError, match=str(os.getpid())), locked_folder(tmp_path):
        pass


def test_threads_that_wait_work_one_at_a_time(tmp_path):
    inside, most, done = [], [], []

    def work(number):
        with locked_folder(tmp_path / "f", wait=True):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.01)
            inside.remove(number)
            done.append(number)
            (tmp_path / "f" / str(number)).touch()

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(done) == list(range(8))
    assert set(most) == {1}
    assert len(list((tmp_path / "f").iterdir())) == 8


def test_a_new_folder_without_content_is_removed(tmp_path):
    with locked_folder(tmp_path / "a"):
        assert (tmp_path / "a").is_dir()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", [b"", b"\xff\x1b[31m\n" * 1000])
def test_a_damaged_lock_is_told_in_one_line(tmp_path, text):
    (tmp_path / ".lock").write_bytes(text)
    with (tmp_path / ".lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(CondensationError) as raised, locked_folder(tmp_path):
            pass
    assert len(raised.value.message) < 400
    assert raised.value.message.isprintable()


def test_a_file_system_without_locks_is_used_without(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked_folder(tmp_path / "f"), locked_folder(tmp_path / "f"):
        write(tmp_path / "f" / "a", b"1")
        with new_folder(tmp_path / "f" / "b") as folder:
            (folder / "c").touch()
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == ["a", "b"]
    left = tmp_path / f".x.12345678{UNFINISHED}"
    left.touch()
    remove_unfinished(tmp_path)
    assert left.exists()  # it may be in use
    os.utime(left, (0, time.time() - ABANDONED - 1))
    remove_unfinished(tmp_path)
    assert not left.exists()


def test_new_folders_that_stay_empty_are_removed_with_their_parents(tmp_path):
    (tmp_path / "old").mkdir()
    with locked_folder(tmp_path / "old" / "new" / "f"):
        assert (tmp_path / "old" / "new" / "f").is_dir()
    assert list(tmp_path.rglob("*")) == [tmp_path / "old"]
    with locked_folder(tmp_path / "new" / "f"):
        (tmp_path / "new" / "other").touch()
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "new", tmp_path / "new" / "other", tmp_path / "old"]


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "f").touch()
    with pytest.raises(CondensationError, match="is a file"), locked_folder(tmp_path / "f"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "f").mkdir(mode=0o500)
    with pytest.raises(NotWritten, match="Permission denied"), locked_folder(tmp_path / "f"):
        pass


# -- unfinished files


@pytest.mark.parametrize("name", ["atomic_file", "new_folder"])
def test_what_a_live_process_writes_stays_until_it_is_dead(tmp_path, name):
    with holder(tmp_path / "a", name, "storage") as (_, made):
        remove_unfinished(tmp_path)
        assert Path(made).exists()
    assert Path(made).exists()
    with {"atomic_file": atomic_file, "new_folder": new_folder}[name](tmp_path / "a"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_two_threads_write_the_same_file_many_times(tmp_path):
    problems = []

    def work(content):
        try:
            for _ in range(100):
                write(tmp_path / "a", content)
                assert (tmp_path / "a").read_bytes() in (b"x" * 5000, b"y" * 5000)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=[letter * 5000]) for letter in (b"x", b"y")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_names_are_synced_after_a_rename(tmp_path, monkeypatch):
    """Otherwise a power loss may bring back the old file, or no file."""
    events, fsync, rename = [], os.fsync, os.replace

    def synced(handle):
        events.append(Path(os.readlink(f"/proc/self/fd/{handle}")))
        fsync(handle)

    def renamed(source, target):
        events.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    write(tmp_path / "a", b"1")
    assert events[0].name.endswith(UNFINISHED)
    assert events[1:] == ["rename", tmp_path]
    events.clear()
    with new_folder(tmp_path / "b") as folder:
        (folder / "c").mkdir()
        (folder / "c" / "d").touch()
    assert {folder / "c" / "d", folder / "c", folder, tmp_path} == set(events)
    assert events[-1] == tmp_path


@pytest.mark.parametrize("count", ["2", "64"])
def test_several_processes_of_one_run_are_refused(tmp_path, monkeypatch, count):
    monkeypatch.setenv("WORLD_SIZE", count)
    with pytest.raises(CondensationError) as caught, locked_folder(tmp_path / "new"):
        pass
    assert count in str(caught.value)
    assert not (tmp_path / "new").exists()
    monkeypatch.setenv("WORLD_SIZE", "1")
    with locked_folder(tmp_path / "new"):
        pass
