"""Tensors with a card in one file: equal bytes for equal content, and an error for each kind of damage."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import condensation
from condensation.core.errors import NEWER, CondensationError
from condensation.core.storage import RESTORE
from condensation.core.tensor_files import FORMAT, read_card, read_tensors, to_tensors, unpack, write_tensors

TENSORS = {"pixels": torch.arange(6.0).view(2, 3), "half": torch.ones(3, dtype=torch.bfloat16), "one": torch.tensor(7)}


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


@pytest.mark.slow
def test_equal_content_is_an_equal_file_in_every_process(tmp_path):
    code = (
        "import sys, torch; from pathlib import Path; from condensation.core.tensor_files import write_tensors\n"
        "write_tensors(Path(sys.argv[1]), 'thing', {name: torch.ones(3) for name in 'hgfedcba'}, {'z': 1, 'y': 2})"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(condensation.__file__).parent.parent)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "1")], check=True, env=environment)
    write_tensors(tmp_path / "2", "thing", {name: torch.ones(3) for name in "abcdefgh"}, {"z": 1, "y": 2})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


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
    with pytest.raises(CondensationError) as caught:
        read_tensors(tmp_path / "a", "thing")
    assert caught.value.hint == RESTORE


def test_random_bytes_are_damaged(tmp_path):
    (tmp_path / "a").write_bytes(os.urandom(1000))
    with pytest.raises(CondensationError) as caught:
        read_tensors(tmp_path / "a", "thing")
    assert caught.value.hint == RESTORE


@pytest.mark.parametrize("place", ["nowhere", "."])
def test_a_missing_file_is_named(tmp_path, place):
    with pytest.raises(CondensationError, match="no thing at"):
        read_tensors(tmp_path / place, "thing")


def test_another_kind_is_refused(tmp_path):
    write_tensors(tmp_path / "a", "other", TENSORS, {})
    with pytest.raises(CondensationError, match=r"not a thing \(it says: other\)"):
        read_tensors(tmp_path / "a", "thing")


def test_a_safetensors_file_of_another_program_is_refused(tmp_path):
    save_file(TENSORS, tmp_path / "a")
    with pytest.raises(CondensationError, match=r"not a thing \(it says: nothing\)"):
        read_tensors(tmp_path / "a", "thing")


def test_a_later_format_is_refused(tmp_path):
    save_file(TENSORS, tmp_path / "a", {"kind": "thing", "format": str(FORMAT + 1), "card": "in a way yet to be invented"})
    with pytest.raises(CondensationError) as caught:
        read_tensors(tmp_path / "a", "thing")
    assert caught.value.hint == NEWER
    with pytest.raises(CondensationError) as caught:
        read_card(tmp_path / "a", "thing")
    assert caught.value.hint == NEWER


def test_a_nested_state_comes_back():
    state = {"optimizers": [{"state": {0: {"momentum": torch.ones(2)}}, "groups": [{"lr": 0.1, "nesterov": False, "none": None}]}], "n": 3}
    tensors, tree = to_tensors(state)
    back = unpack(json.loads(json.dumps(tree)), tensors)
    assert torch.equal(back["optimizers"][0]["state"][0].pop("momentum"), torch.ones(2))
    state["optimizers"][0]["state"][0].pop("momentum")
    assert back == state


def test_the_saved_state_is_a_copy():
    live = torch.zeros(2)
    tensors, _ = to_tensors({"live": live})
    live += 1
    assert torch.equal(tensors["0"], torch.zeros(2))


@pytest.mark.parametrize("card", ["[" * 100_000, "9" * 10_000, "{", "null", "[]"])
def test_a_damaged_card_is_refused(tmp_path, card):
    save_file(TENSORS, tmp_path / "a", {"kind": "thing", "format": "1", "card": card})
    for read in (read_tensors, read_card):
        with pytest.raises(CondensationError) as caught:
            read(tmp_path / "a", "thing")
        assert "\n" not in caught.value.message


def test_a_card_is_read_with_its_digest(tmp_path):
    write_tensors(tmp_path / "a", "thing", TENSORS, {"smaller": "all"})
    write_tensors(tmp_path / "b", "thing", {**TENSORS, "one": torch.tensor(8)}, {"smaller": "all"})
    card, digest = read_card(tmp_path / "a", "thing")
    assert card == {"small_classes": "all"}
    assert digest != read_card(tmp_path / "b", "thing")[1]
