"""Images that stay in files: the same values as a tensor of them, without reading more than is asked for."""

import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from condensation.core import memory, read_ahead, stored_images
from condensation.core.errors import CondensationError, NotEnoughMemory
from condensation.core.image_files import Block, ImageFiles
from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.core.stored_images import StoredImages, in_blocks
from tests.data.refusals import refusal

SHAPE = (3, 4, 5)
COUNTS, LABELS = (3, 7, 2), (0, 2, 3)


@pytest.fixture(autouse=True)
def nothing_is_small(monkeypatch):
    monkeypatch.setattr(stored_images, "IN_MEMORY", 0)


@pytest.fixture
def pair(tmp_path):
    """Images in three blocks of two files, the second grey, and the same in memory."""
    rng = np.random.default_rng(0)
    blocks, arrays, ends = [], [], {"a": 0, "b": 0}
    for number, (count, file) in enumerate(zip(COUNTS, "aab", strict=True)):
        channels = 1 if number == 1 else 3
        images = rng.integers(0, 256, (count, channels, *SHAPE[1:]), dtype=np.uint8)
        with (tmp_path / file).open("ab") as opened:
            opened.write(images.tobytes())
        blocks.append(Block(str(tmp_path / file), ends[file], count, channels))
        ends[file] += images.nbytes
        arrays.append(np.broadcast_to(images, (count, *SHAPE)))
    return StoredImages.of(ImageFiles(blocks, SHAPE)), torch.from_numpy(np.concatenate(arrays))


def sets(pair, **settings):
    labels = torch.tensor(LABELS).repeat_interleave(torch.tensor(COUNTS))
    return [ImageSet.of(images, labels, ["a", "b", "c", "d"], **settings) for images in pair]


def test_type_and_shape_are_known_without_reading(pair, monkeypatch):
    monkeypatch.setattr(ImageFiles, "_read", None)
    stored, plain = pair
    assert (stored.shape, stored.dtype, len(stored), stored.ndim, stored.numel()) == (plain.shape, plain.dtype, 12, 4, plain.numel())
    assert (stored.device, stored.is_floating_point(), stored.element_size()) == (plain.device, False, 1)
    assert stored.contiguous() is stored
    assert not isinstance(sets(pair)[0].take(torch.arange(5)).images[:0], StoredImages)


@pytest.mark.parametrize(
    "index",
    [
        *(slice(None), slice(2, 5), slice(8, None), slice(None, None, 3), slice(20, 30), 0, -1, 11, [3, 1, 1], [], range(2, 9, 2)),
        *(torch.tensor([11, 0, 3, 3, -2]), torch.tensor([], dtype=torch.int64), torch.arange(12) % 3 == 0, np.array([4, 9])),
        *((slice(None), 0), (Ellipsis, 1), (slice(1, 3), slice(0, 1), 2), None, torch.tensor([[0, 1], [2, 3]])),
    ],
    ids=str,
)
def test_an_index_gives_what_it_gives_of_a_tensor(pair, index):
    stored, plain = pair
    expected = plain[list(index) if isinstance(index, range) else index]
    assert torch.equal(stored[index], expected)
    assert type(stored[index]) is torch.Tensor


def test_a_wrong_index_is_an_error(pair):
    with pytest.raises(IndexError):
        pair[0][12]
    with pytest.raises(IndexError):
        pair[0][torch.tensor([0, 12])]


def test_parts_of_parts(pair):
    stored, plain = pair
    chosen = stored.part(torch.tensor([1, 4, 5, 11])).part(torch.tensor([1, 3]))
    assert isinstance(chosen, StoredImages)
    assert torch.equal(chosen[:], plain[[4, 11]])


def test_few_images_are_read_at_once(pair, monkeypatch):
    monkeypatch.setattr(stored_images, "IN_MEMORY", 10**6)
    assert type(pair[0].part(torch.tensor([1, 4]))) is torch.Tensor


def test_other_operations_read_all(pair):
    stored, plain = pair
    assert torch.equal(torch.cat([stored, plain]), torch.cat([plain, plain]))
    assert torch.equal(stored.float() / 255, plain.float() / 255)
    assert int(stored.max()) == int(plain.max())
    assert torch.equal(torch.stack(list(stored)), plain)
    assert torch.equal(torch.from_numpy(stored.numpy()), plain)
    assert torch.equal(stored.to(torch.float32), plain.float())
    assert torch.equal(torch.cat(list(in_blocks(stored))), plain)


def test_reading_all_names_the_memory_that_it_needs(pair, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 100)
    with pytest.raises(NotEnoughMemory) as caught:
        pair[0].float()
    assert "720 bytes" in caught.value.message
    assert len(pair[0][:2]) == 2


def test_processes_open_the_files_again(pair):
    stored = pickle.loads(pickle.dumps(pair[0].part(torch.tensor([2, 7]))))
    assert torch.equal(stored[:], pair[1][[2, 7]])


def test_an_image_set_is_the_same_as_in_memory(pair):
    stored, plain = sets(pair)
    assert isinstance(stored.images, StoredImages)
    draws = [images.draw(2, Rng(0).child("step", 3, "real")) for images in (stored, plain)]
    assert torch.equal(stored.inputs(draws[0].indices), plain.inputs(draws[1].indices))
    assert stored.fingerprint() == plain.fingerprint()
    for chosen in ([2], [0, 3], [0, 2, 3]):
        assert isinstance(stored.select(chosen).images, StoredImages)
        assert stored.select(chosen).fingerprint() == plain.select(chosen).fingerprint()
    assert torch.equal(stored.concat(stored.select([2])).images, plain.concat(plain.select([2])).images)
    assert isinstance(stored.to("cpu").images, StoredImages)


def test_known_fingerprints_are_not_computed(pair, monkeypatch):
    stored, plain = sets(pair)
    known = stored.remembering({(0, 2, 3): "all", (2,): "second"})
    monkeypatch.setattr(ImageFiles, "_read", None)
    assert (known.fingerprint(), known.to("cpu").fingerprint(), known.select([2]).fingerprint()) == ("all", "all", "second")
    changed = plain.remembering({(0, 2, 3): "all", (2,): "second"})
    changed.images[0, 0, 0, 0] += 1
    assert changed.fingerprint() != "all" != changed.select([2]).fingerprint() != "second"


def readers(monkeypatch):
    """Return a list that is filled with the threads that read."""
    threads, inside = [], ImageFiles._read
    monkeypatch.setattr(ImageFiles, "_read", lambda *given: threads.append(threading.current_thread()) or inside(*given))
    return threads


@pytest.mark.parametrize("kept", [True, False])
def test_the_next_step_is_read_by_a_thread(pair, monkeypatch, kept):
    (stored, plain), threads = sets(pair), readers(monkeypatch)
    if not kept:
        monkeypatch.setattr(read_ahead, "MOST", 0)
    stored.draw(2, Rng(0).child("step", 5).child("real"))
    stored.images.files.ahead.wait()
    assert threads
    assert threading.main_thread() not in threads
    draw = stored.draw(2, Rng(0).child("step", 6).child("real"))
    for part in (slice(0, 4), slice(4, 5), slice(5, None)):
        assert torch.equal(stored.inputs(draw.indices[part]), plain.inputs(draw.indices[part]))
    assert (threading.main_thread() in threads) is not kept
    assert Rng(0).child("start").in_next_step() is None
    assert Rng(0).child("step", 5, "real").in_next_step() == Rng(0).child("step", 6, "real")


def test_what_was_read_ahead_is_the_callers_own(pair):
    stored, plain = pair
    stored.prefetch(lambda: torch.tensor([9, 2, 5]))
    stored.files.ahead.wait()
    stored[torch.tensor([9, 2])].zero_()
    assert torch.equal(stored[torch.tensor([9, 2, 5])], plain[[9, 2, 5]])


def test_draws_that_are_not_needed_do_not_pile_up(pair):
    for number in range(20):
        pair[0].prefetch(lambda number=number: torch.tensor([number % 12]))
        pair[0].files.ahead.wait()
    assert len(pair[0].files.ahead._draws) == read_ahead.DRAWS


def test_draws_that_are_not_needed_take_little_memory(pair, monkeypatch):
    monkeypatch.setattr(read_ahead, "MOST", 3 * 60)
    for first in range(9):
        pair[0].prefetch(lambda first=first: torch.tensor([first, first + 1]))
        pair[0].files.ahead.wait()
        assert sum(len(future.result().images) for future in pair[0].files.ahead._draws) <= 4


def test_memory_that_cannot_be_pinned_is_used_as_it_is(pair, monkeypatch):
    stored, inside = StoredImages.of(pair[0].files, device="cuda"), torch.empty

    def empty(*given, pin_memory=False, **named):
        if pin_memory:
            raise RuntimeError("no GPU")
        return inside(*given, **named)

    monkeypatch.setattr(torch, "empty", empty)
    stored.prefetch(lambda: torch.tensor([4, 1]))
    stored.files.ahead.wait()
    monkeypatch.undo()
    assert torch.equal(stored.files.ahead.take(np.array([4, 1])), pair[1][[4, 1]])


def test_an_error_of_the_thread_is_that_of_the_step(pair):
    path = pair[0].files.blocks[2].path
    os.truncate(path, 3)
    pair[0].prefetch(lambda: torch.tensor([11]))
    pair[0].files.ahead.wait()
    assert refusal(lambda: pair[0][11]).message.startswith(path)


def test_damage_that_a_check_finds_stops_the_run(pair):
    checked = threading.Event()

    def check():
        checked.set()
        raise CondensationError("images of a class changed")

    stored = pair[0]
    stored.files.check_in_background(check)
    assert len(stored[:3]) == 3
    assert not checked.is_set()
    stored.prefetch(lambda: torch.tensor([0]))
    assert checked.wait(10)
    for thread in threading.enumerate():
        if thread.name == "digests":
            thread.join()
    assert refusal(lambda: stored[5]).message == "images of a class changed"


def test_images_are_in_memory_if_they_are_few_and_it_is_free(pair, monkeypatch):
    monkeypatch.setattr(stored_images, "IN_MEMORY", 10**6)
    for free, kept in ((None, True), (4 * 720, True), (4 * 720 - 1, False)):
        monkeypatch.setattr(memory, "free_memory", lambda free=free: free)
        assert isinstance(pair[0].placed(), StoredImages) is not kept


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gets_pinned_memory(pair, monkeypatch):
    (stored, plain), threads = sets(pair), readers(monkeypatch)
    monkeypatch.setattr(stored_images, "GPU_SHARE", 0)
    stored = stored.to("cuda")
    assert isinstance(stored.images, StoredImages)
    for step in range(50):
        draw = stored.draw(2, Rng(0).child("step", step).child("real"))
        stored.images.files.ahead.wait()
        assert torch.equal(stored.inputs(draw.indices).cpu(), plain.inputs(draw.indices.cpu()))
        assert all(future.result().images.is_pinned() for future in stored.images.files.ahead._draws)
        assert step == 0 or threading.main_thread() not in threads
        threads.clear()


def test_a_file_that_was_cut_short_is_named(pair):
    path = pair[0].files.blocks[2].path
    os.truncate(path, 3)
    with pytest.raises(CondensationError) as caught:
        pair[0][11]
    assert path in caught.value.message
    assert len(pair[0][:10]) == 10


def test_a_missing_file_is_named(pair):
    path = pair[0].files.blocks[2].path
    os.remove(path)
    with pytest.raises(CondensationError) as caught:
        pair[0][11]
    assert path in caught.value.message


ENDS_DURING_A_CHECK = """
import sys, time
import torch
from condensation.core.image_files import Block, ImageFiles
from condensation.core.images import ImageSet
from condensation.core.stored_images import StoredImages

files = ImageFiles([Block(sys.argv[1], 0, 20, 3)], (3, 8, 8))

def check():
    while True:
        ImageSet.of(StoredImages.of(files), torch.zeros(20, dtype=torch.int64), ("a", "b")).fingerprint()

files.check_in_background(check)
files.start_check()
time.sleep(0.3)
"""


@pytest.mark.slow
def test_a_program_ends_in_order_while_images_are_checked(tmp_path):
    (tmp_path / "images").write_bytes(bytes(20 * 3 * 8 * 8))
    for _ in range(5):  # without waiting for the check, about every second one aborted
        command = [sys.executable, "-c", ENDS_DURING_A_CHECK, str(tmp_path / "images")]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
