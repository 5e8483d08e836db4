import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import condensation
from condensation.core.errors import CondensationError, NotWritten
from condensation.core.storage import (
    new_folder,
    read_json,
    read_tensors,
    remove_unfinished,
    to_tensors,
    unpack,
    write,
    write_json,
    write_tensors,
)

TENSORS = {"pixels": torch.arange(6.0).view(2, 3), "half": torch.ones(3, dtype=torch.bfloat16), "one": torch.tensor(7)}


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_is_written_is_read(tmp_path):
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
    with pytest.raises(CondensationError, match=r"No space left on device\. What was there before is untouched"):
        write(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Make room, or choose another place with --out."),
        (errno.EDQUOT, "Make room, or choose another place with --out."),
        (errno.EACCES, "Choose another place with --out."),
        (errno.EROFS, "Choose another place with --out."),
        (errno.ENOENT, "Choose another place with --out."),
    ],
)
def test_the_advice_follows_from_the_cause(tmp_path, monkeypatch, number, advice):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(NotWritten) as raised:
        write(tmp_path / "file", b"new")
    assert str(raised.value) == f"Could not write {tmp_path / 'file'}: {os.strerror(number)}. Nothing of it is left.\n{advice}"
    assert "--resume" in str(raised.value.of_a_run())


def test_an_interruption_leaves_no_half_file(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "file", b"new")
    assert not list(tmp_path.iterdir())


def test_what_a_kill_left_is_removed(tmp_path, monkeypatch):
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
    with pytest.raises(CondensationError, match=r"Could not write .*file"):
        write(tmp_path / "file", b"new")


def test_json_keeps_accents(tmp_path):
    write_json(tmp_path / "a.json", {"name": "Äpfel"})
    assert read_json(tmp_path / "a.json") == {"name": "Äpfel"}
    assert "Äpfel" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [b"{", b"\xff", b""])
def test_damaged_json_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(CondensationError, match=r"a\.json is damaged"):
        read_json(tmp_path / "a.json")


def test_missing_json_is_named(tmp_path):
    with pytest.raises(CondensationError, match=r"There is no file .*a\.json"):
        read_json(tmp_path / "a.json")


def test_tensors_and_card_come_back(tmp_path):
    write_tensors(tmp_path / "a", "thing", TENSORS, {"name": "Äpfel"})
    tensors, card = read_tensors(tmp_path / "a", "thing")
    assert card == {"name": "Äpfel"}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)


def test_other_programs_can_read_the_file(tmp_path):
    write_tensors(tmp_path / "a", "thing", TENSORS, {})
    assert torch.equal(load_file(tmp_path / "a")["pixels"], TENSORS["pixels"])


def test_equal_content_is_an_equal_file_in_every_process(tmp_path):
    code = (
        "import sys, torch; from pathlib import Path; from condensation.core.storage import write_tensors\n"
        "write_tensors(Path(sys.argv[1]), 'thing', {'b': torch.ones(3), 'a': torch.zeros(1)}, {'z': 1, 'y': 2})"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(condensation.__file__).parent.parent)}
    for name in "12":
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], check=True, env=environment)
    write_tensors(tmp_path / "3", "thing", {"b": torch.ones(3), "a": torch.zeros(1)}, {"z": 1, "y": 2})
    assert len({(tmp_path / name).read_bytes() for name in "123"}) == 1


def test_every_damaged_byte_is_noticed(tmp_path):
    write_tensors(tmp_path / "a", "thing", TENSORS, {"step": 12})
    content = (tmp_path / "a").read_bytes()
    for place in range(0, len(content), 7):
        (tmp_path / "b").write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            tensors, card = read_tensors(tmp_path / "b", "thing")
        except CondensationError:
            continue
        # The digest may have been renamed away; then what matters must still be right.
        assert card == {"step": 12}
        assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


@pytest.mark.parametrize("length", [0, 4, 8, 100, -1])
def test_a_truncated_file_is_damaged(tmp_path, length):
    write_tensors(tmp_path / "a", "thing", TENSORS, {})
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:length])
    with pytest.raises(CondensationError, match=r"damaged, or not a thing.*\nRestore it"):
        read_tensors(tmp_path / "a", "thing")


def test_random_bytes_are_damaged(tmp_path):
    (tmp_path / "a").write_bytes(os.urandom(1000))
    with pytest.raises(CondensationError, match="damaged, or not a thing"):
        read_tensors(tmp_path / "a", "thing")


@pytest.mark.parametrize("place", ["nowhere", "."])
def test_a_missing_file_is_named(tmp_path, place):
    with pytest.raises(CondensationError, match="There is no thing at"):
        read_tensors(tmp_path / place, "thing")


def test_another_kind_is_refused(tmp_path):
    write_tensors(tmp_path / "a", "other", TENSORS, {})
    with pytest.raises(CondensationError, match=r"not a thing \(it says: other\)"):
        read_tensors(tmp_path / "a", "thing")


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    save_file(TENSORS, tmp_path / "a")
    with pytest.raises(CondensationError, match=r"not a thing \(it says: nothing\)"):
        read_tensors(tmp_path / "a", "thing")


def test_a_later_format_says_how_to_read_it(tmp_path):
    save_file(TENSORS, tmp_path / "a", {"kind": "thing", "format": "3", "card": "in a way yet to be invented"})
    with pytest.raises(CondensationError, match=r"has format 3; .* up to 2\.\nInstall a newer one: pip install -U condensation"):
        read_tensors(tmp_path / "a", "thing")


def test_a_nested_state_comes_back():
    state = {"optimizers": [{"state": {0: {"momentum": torch.ones(2)}}, "groups": [{"lr": 0.1, "nesterov": False, "none": None}]}], "n": 3}
    tensors, tree = to_tensors(state)
    back = unpack(json.loads(json.dumps(tree)), tensors)
    assert torch.equal(back["optimizers"][0]["state"][0].pop("momentum"), torch.ones(2))
    state["optimizers"][0]["state"][0].pop("momentum")
    assert back == state


def test_a_kept_state_does_not_change_with_the_live_one():
    live = torch.zeros(2)
    tensors, _ = to_tensors({"live": live})
    live += 1
    assert torch.equal(tensors["0"], torch.zeros(2))


# -- folders


def test_a_new_folder_is_there_when_it_is_full(tmp_path):
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


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "new").mkdir()
    with new_folder(tmp_path / "new") as folder:
        (folder / "a").touch()
    assert (tmp_path / "new" / "a").exists()


def test_a_folder_in_use_is_not_overwritten(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine").write_text("mine")
    with pytest.raises(CondensationError, match="new is not empty; nothing is overwritten"), new_folder(tmp_path / "new"):
        pass
    assert (tmp_path / "new" / "mine").read_text() == "mine"


def test_a_file_is_not_overwritten_by_a_folder(tmp_path):
    (tmp_path / "new").write_text("mine")
    with pytest.raises(CondensationError, match="new is a file; nothing is overwritten"), new_folder(tmp_path / "new"):
        pass


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
    with pytest.raises(CondensationError, match=r"No space left on device\. Nothing of it is left"):
        break_off(tmp_path / "new", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert not list(tmp_path.iterdir())


def test_what_a_kill_left_of_a_folder_is_removed(tmp_path):
    (tmp_path / ".new.x.unfinished" / "below").mkdir(parents=True)
    remove_unfinished(tmp_path)
    assert not list(tmp_path.iterdir())
