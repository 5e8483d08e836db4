import errno
import os
import stat
from pathlib import Path

import pytest

from condensation.core.errors import CondensationError, NotWritten
from condensation.core.storage import RESTORE, atomic_file, new_folder, read_json, remove_unfinished, write, write_json


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_written_bytes_are_read_back(tmp_path):
    write(tmp_path / "new" / "file", b"content")
    assert (tmp_path / "new" / "file").read_bytes() == b"content"


def test_a_file_gets_the_usual_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_alone(tmp_path, monkeypatch, broken):
    write(tmp_path / "file", b"old")
    monkeypatch.setattr(os, broken, full)
    with pytest.raises(NotWritten) as caught:
        write(tmp_path / "file", b"new")
    assert caught.value.no_room
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("number", "no_room"),
    [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EACCES, False), (errno.EROFS, False), (errno.ENOENT, False)],
)
def test_the_hint_depends_on_the_cause(tmp_path, monkeypatch, number, no_room):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(NotWritten) as raised:
        write(tmp_path / "file", b"new")
    assert f"{tmp_path / 'file'}: {os.strerror(number)}" in raised.value.message
    assert "out=..." in raised.value.hint
    assert raised.value.no_room == ("Make room" in raised.value.hint) == no_room
    assert "resume=True" in raised.value.during_run().hint


def test_an_interruption_leaves_no_half_file(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "file", b"new")
    assert not list(tmp_path.iterdir())


def test_the_file_that_a_killed_process_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CondensationError):
        write(tmp_path / "file", b"new")
    monkeypatch.undo()
    (tmp_path / ".other").touch()
    assert len(list(tmp_path.iterdir())) == 2
    remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".other"]


def test_a_folder_in_the_way_is_named(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(NotWritten) as caught:
        write(tmp_path / "file", b"new")
    assert not caught.value.no_room


def test_json_keeps_accents(tmp_path):
    write_json(tmp_path / "a.json", {"name": "Äpfel"})
    assert read_json(tmp_path / "a.json") == {"name": "Äpfel"}
    assert "Äpfel" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [b"{", b"\xff", b""])
def test_damaged_json_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(CondensationError) as caught:
        read_json(tmp_path / "a.json")
    assert str(tmp_path / "a.json") in caught.value.message
    assert caught.value.hint == RESTORE


def test_missing_json_is_named(tmp_path):
    with pytest.raises(CondensationError, match=r"no file .*a\.json"):
        read_json(tmp_path / "a.json")


def test_a_new_folder_appears_once_it_is_complete(tmp_path):
    with new_folder(tmp_path / "below" / "new") as folder:
        (folder / "a").write_text("content")
        assert not (tmp_path / "below" / "new").exists()
    assert (tmp_path / "below" / "new" / "a").read_text() == "content"
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["new"]


def test_a_new_folder_gets_the_usual_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        with new_folder(tmp_path / "new"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o750


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "new").mkdir()
    with new_folder(tmp_path / "new") as folder:
        (folder / "a").touch()
    assert (tmp_path / "new" / "a").exists()


def test_a_folder_in_use_is_not_overwritten(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "notes").write_text("notes")
    with pytest.raises(CondensationError) as caught, new_folder(tmp_path / "new"):
        pass
    assert caught.value.setting == "out"
    assert (tmp_path / "new" / "notes").read_text() == "notes"


def test_a_file_is_not_overwritten_by_a_folder(tmp_path):
    (tmp_path / "new").write_text("notes")
    with pytest.raises(CondensationError) as caught, new_folder(tmp_path / "new"):
        pass
    assert caught.value.setting == "out"


def break_off(path, error):
    with new_folder(path) as folder:
        (folder / "a").touch()
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError(), MemoryError()])
def test_an_interruption_leaves_no_half_folder(tmp_path, error):
    with pytest.raises(type(error)):
        break_off(tmp_path / "new", error)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_half_folder(tmp_path):
    with pytest.raises(NotWritten) as caught:
        break_off(tmp_path / "new", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert caught.value.no_room
    assert not list(tmp_path.iterdir())


def test_the_folder_that_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / ".new.x.unfinished" / "below").mkdir(parents=True)
    remove_unfinished(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [".", "..", "/", "../here"])
def test_the_current_folder_and_those_above_are_not_replaced(tmp_path, monkeypatch, path):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(CondensationError) as raised, new_folder(Path(path)):
        pass
    assert raised.value.setting == "out"
    assert [str(found.relative_to(tmp_path)) for found in tmp_path.rglob("*")] == ["here"]


def test_a_file_in_a_temporary_folder_leaves_nothing_beside_it(tmp_path):
    with atomic_file(tmp_path / "a", in_folder=True) as unfinished:
        (unfinished.parent / ".tmp123").write_text("of a library")
        unfinished.write_text("content")
        assert unfinished.parent.parent == tmp_path
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "content"}
    with pytest.raises(NotImplementedError), atomic_file(tmp_path / "a", in_folder=True):
        raise NotImplementedError
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "content"}
