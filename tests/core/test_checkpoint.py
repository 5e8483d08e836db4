import time

import pytest
import torch
from safetensors.torch import save_file

from condensation.core.checkpoint import Checkpoint
from condensation.core.errors import NEWER, CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import first_difference
from condensation.core.storage import RESTORE
from condensation.core.tensor_files import FORMAT, read_tensors, write_tensors
from condensation.methods.dm import DM
from condensation.methods.loop import condense
from condensation.methods.step_info import Diverged, Stopped
from condensation.networks.convnet import ConvNet
from condensation.networks.samplers import Fresh

GENERATOR = torch.Generator().manual_seed(0)
REAL = ImageSet.of(torch.randint(0, 256, (60, 1, 8, 8), generator=GENERATOR, dtype=torch.uint8), torch.arange(60) % 3)
METHOD = DM(steps=6, batch_per_class=4, networks=Fresh(ConvNet(width=4)))


def stop_after(step):
    def stop(info):
        if info.step == step:
            raise Stopped("enough")

    return stop


def images(method=METHOD, **settings):
    return condense(method, REAL, 1, **settings).images


@pytest.fixture
def interrupted(tmp_path):
    """A checkpoint after step 3 of 6."""
    checkpoint = Checkpoint(tmp_path / "checkpoint")
    with pytest.raises(Stopped) as stopped:
        images(checkpoint=checkpoint, observers=[stop_after(3)])
    assert (stopped.value.step, checkpoint.saved_step) == (3, 3)
    return tmp_path / "checkpoint"


def test_a_resumed_run_ends_with_the_same_bits(interrupted):
    assert torch.equal(images(checkpoint=Checkpoint(interrupted)), images())


def test_a_run_resumes_at_the_saved_step(interrupted):
    steps = []
    images(checkpoint=Checkpoint(interrupted), observers=[lambda info: steps.append(info.step)])
    assert steps == [3, 4, 5, 6]


@pytest.mark.parametrize("every", [0.0, 1e9])
def test_the_interval_changes_no_result(tmp_path, every):
    assert torch.equal(images(checkpoint=Checkpoint(tmp_path / "a", every)), images())


def test_the_state_can_be_saved_after_each_step(tmp_path):
    saved = []
    checkpoint = Checkpoint(tmp_path / "a", 0)
    images(checkpoint=checkpoint, observers=[lambda info: saved.append(checkpoint.saved_step)])
    assert saved == [None, 0, 1, 2, 3, 4, 5]
    assert checkpoint.saved_step == 6


def test_the_first_state_is_saved_at_once(tmp_path):
    assert Checkpoint(tmp_path / "a", every=1e12).due()


def test_the_path_may_be_text(tmp_path):
    assert images(checkpoint=Checkpoint(str(tmp_path / "a"))).equal(images())
    assert (tmp_path / "a").is_file()


def test_a_save_is_due_after_the_interval(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "a", every=20)
    images(dm_steps(0), checkpoint=checkpoint)
    images(checkpoint=checkpoint)
    assert not checkpoint.due()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 21)
    assert checkpoint.due()


def dm_steps(steps):
    return DM(steps=steps, batch_per_class=4, networks=Fresh(ConvNet(width=4)))


@pytest.mark.parametrize("every", [-1.0, float("nan")])
def test_a_negative_interval_is_refused(tmp_path, every):
    with pytest.raises(CondensationError, match="0 or more"):
        Checkpoint(tmp_path / "a", every)


@pytest.mark.parametrize(
    ("method", "seed", "message"),
    [
        (DM(steps=6, batch_per_class=5, networks=METHOD.networks), 0, r"method\.batch_per_class is 4 there, 5 here"),
        (DM(steps=6, batch_per_class=4, networks=Fresh(ConvNet(width=8))), 0, r"method\.networks\.spec\.width is 4 there, 8 here"),
        (METHOD, 1, "seed is 0 there, 1 here"),
    ],
)
def test_other_settings_are_refused_by_name(interrupted, method, seed, message):
    before = interrupted.read_bytes()
    with pytest.raises(CondensationError, match=message):
        images(method, seed=seed, checkpoint=Checkpoint(interrupted))
    assert interrupted.read_bytes() == before


def test_other_data_are_refused(interrupted):
    with pytest.raises(CondensationError, match=r"data is '[0-9a-f]+' there"):
        condense(METHOD, REAL.take(torch.arange(len(REAL) - 1)), 1, checkpoint=Checkpoint(interrupted))


def test_another_ipc_is_refused(interrupted):
    with pytest.raises(CondensationError, match=r"ipc\.0 is 1 there, 2 here"):
        condense(METHOD, REAL, 2, checkpoint=Checkpoint(interrupted))


@pytest.mark.parametrize("keep", [0, 50, -10])
def test_a_truncated_checkpoint_is_refused(interrupted, keep):
    interrupted.write_bytes(interrupted.read_bytes()[:keep])
    with pytest.raises(CondensationError) as caught:
        images(checkpoint=Checkpoint(interrupted))
    assert caught.value.hint == RESTORE


def test_a_later_format_says_upgrade(interrupted):
    save_file({}, interrupted, {"kind": "checkpoint", "format": str(FORMAT + 1)})
    with pytest.raises(CondensationError) as caught:
        images(checkpoint=Checkpoint(interrupted))
    assert caught.value.hint == NEWER


@pytest.mark.parametrize("missing", ["step", "run", "state"])
def test_a_card_without_a_part_is_damaged(interrupted, missing):
    tensors, card = read_tensors(interrupted, "checkpoint")
    del card[missing]
    write_tensors(interrupted, "checkpoint", tensors, card)
    with pytest.raises(CondensationError) as caught:
        images(checkpoint=Checkpoint(interrupted))
    assert caught.value.hint.startswith("Remove it")


@pytest.mark.parametrize("state", [None, [], {"value": 3}, {"dict": [["source", {"value": 1}]]}])
def test_a_state_that_does_not_load_is_damaged(interrupted, state):
    tensors, card = read_tensors(interrupted, "checkpoint")
    write_tensors(interrupted, "checkpoint", tensors, {**card, "state": state})
    with pytest.raises(CondensationError) as caught:
        images(checkpoint=Checkpoint(interrupted))
    assert caught.value.hint.startswith("Remove it")


@pytest.fixture
def wild():
    return DM(steps=20, batch_per_class=4, lr=1e30, networks=METHOD.networks)


def test_a_loss_that_is_no_number_stops_the_run(wild):
    with pytest.raises(Diverged, match=r"not a finite number at step \d+, .*\nStart again .* with a smaller method\.lr \(now 1e\+30\)"):
        images(wild)


def test_the_last_good_state_is_kept(tmp_path, wild):
    checkpoint = Checkpoint(tmp_path / "a", 0)
    with pytest.raises(Diverged) as diverged:
        images(wild, checkpoint=checkpoint)
    tensors, card = read_tensors(tmp_path / "a", "checkpoint")
    assert card["step"] == diverged.value.kept < diverged.value.step
    assert all(bool(tensor.isfinite().all()) for tensor in tensors.values())


@pytest.mark.parametrize(
    ("saved", "wanted", "text"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"a": 1}, {"a": 2}, "a is 1 there, 2 here"),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1]}}, "a.b is [1, 2] there, [1] here"),
        ({"a": 1}, {}, "a is 1 there, None here"),
        ({}, {"a": 1}, "a is None there, 1 here"),
        ({"a": {"b": 1}}, {"a": None}, "a is {'b': 1} there, None here"),
        ({"a": 1}, {"a": 1, "added": False}, None),
        ({"a": 1}, {"a": 1, "added": True}, "added is None there, True here"),
    ],
)
def test_the_first_difference_is_named(saved, wanted, text):
    assert first_difference(saved, wanted) == text
