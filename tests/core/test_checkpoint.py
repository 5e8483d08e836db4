import time

import pytest
import torch
from safetensors.torch import save_file

from condensation.core.checkpoint import Checkpoint, difference
from condensation.core.errors import CondensationError
from condensation.core.storage import read_tensors, write_tensors
from condensation.data.load import from_arrays
from condensation.methods.dm import DM
from condensation.methods.loop import Diverged, Stopped, condense
from condensation.networks.convnet import ConvNet
from condensation.networks.samplers import Fresh

GENERATOR = torch.Generator().manual_seed(0)
REAL = from_arrays(torch.randint(0, 256, (60, 1, 8, 8), generator=GENERATOR, dtype=torch.uint8), torch.arange(60) % 3).train
METHOD = DM(steps=6, batch_per_class=4, networks=Fresh(ConvNet(width=4)))


def stop_after(step):
    def stop(moment):
        if moment.step == step:
            raise Stopped("enough")

    return stop


def images(method=METHOD, **settings):
    return condense(method, REAL, 1, **settings).images


@pytest.fixture
def broken_off(tmp_path):
    """A checkpoint after step 3 of 6."""
    checkpoint = Checkpoint(tmp_path / "checkpoint")
    with pytest.raises(Stopped) as stopped:
        images(checkpoint=checkpoint, observers=[stop_after(3)])
    assert (stopped.value.step, checkpoint.saved_step) == (3, 3)
    return tmp_path / "checkpoint"


def test_a_run_goes_on_to_the_same_bits(broken_off):
    assert torch.equal(images(checkpoint=Checkpoint(broken_off)), images())


def test_a_run_goes_on_where_it_was(broken_off):
    steps = []
    images(checkpoint=Checkpoint(broken_off), observers=[lambda moment: steps.append(moment.step)])
    assert steps == [3, 4, 5, 6]


@pytest.mark.parametrize("every", [0.0, 1e9])
def test_how_often_the_state_is_kept_changes_nothing(tmp_path, every):
    assert torch.equal(images(checkpoint=Checkpoint(tmp_path / "a", every)), images())


def test_the_state_can_be_kept_at_each_step(tmp_path):
    kept = []
    checkpoint = Checkpoint(tmp_path / "a", 0)
    images(checkpoint=checkpoint, observers=[lambda moment: kept.append(checkpoint.saved_step)])
    assert kept == [None, 0, 1, 2, 3, 4, 5]
    assert checkpoint.saved_step == 6


def test_the_first_state_is_kept_at_once(tmp_path):
    assert Checkpoint(tmp_path / "a", every=1e12).due()


def test_time_decides_when_it_is_due(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "a", every=20)
    images(replace_steps(0), checkpoint=checkpoint)
    images(checkpoint=checkpoint)
    assert not checkpoint.due()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 21)
    assert checkpoint.due()


def replace_steps(steps):
    return DM(steps=steps, batch_per_class=4, networks=Fresh(ConvNet(width=4)))


@pytest.mark.parametrize("every", [-1.0, float("nan")])
def test_a_negative_interval_is_refused(tmp_path, every):
    with pytest.raises(CondensationError, match="it must be 0 or more"):
        Checkpoint(tmp_path / "a", every)


@pytest.mark.parametrize(
    ("method", "seed", "message"),
    [
        (DM(steps=6, batch_per_class=5, networks=METHOD.networks), 0, r"method\.batch_per_class is 4 there, 5 here"),
        (DM(steps=6, batch_per_class=4, networks=Fresh(ConvNet(width=8))), 0, r"method\.networks\.spec\.width is 4 there, 8 here"),
        (METHOD, 1, "seed is 0 there, 1 here"),
    ],
)
def test_other_settings_are_refused_by_name(broken_off, method, seed, message):
    before = broken_off.read_bytes()
    with pytest.raises(CondensationError, match=message):
        images(method, seed=seed, checkpoint=Checkpoint(broken_off))
    assert broken_off.read_bytes() == before


def test_other_data_are_refused(broken_off):
    with pytest.raises(CondensationError, match=r"data is '[0-9a-f]+' there"):
        condense(METHOD, REAL.take(torch.arange(len(REAL) - 1)), 1, checkpoint=Checkpoint(broken_off))


def test_another_ipc_is_refused(broken_off):
    with pytest.raises(CondensationError, match=r"ipc\.0 is 1 there, 2 here"):
        condense(METHOD, REAL, 2, checkpoint=Checkpoint(broken_off))


@pytest.mark.parametrize("keep", [0, 50, -10])
def test_a_truncated_checkpoint_is_refused(broken_off, keep):
    broken_off.write_bytes(broken_off.read_bytes()[:keep])
    with pytest.raises(CondensationError, match="damaged"):
        images(checkpoint=Checkpoint(broken_off))


def test_a_later_format_says_upgrade(broken_off):
    save_file({}, broken_off, {"kind": "checkpoint", "format": "3"})
    with pytest.raises(CondensationError, match="pip install -U condensation"):
        images(checkpoint=Checkpoint(broken_off))


@pytest.mark.parametrize("missing", ["step", "run", "state"])
def test_a_card_that_lacks_a_part_is_damaged(broken_off, missing):
    tensors, card = read_tensors(broken_off, "checkpoint")
    del card[missing]
    write_tensors(broken_off, "checkpoint", tensors, card)
    with pytest.raises(CondensationError, match=r"damaged.*\nRemove it to start again"):
        images(checkpoint=Checkpoint(broken_off))


@pytest.mark.parametrize("state", [None, [], {"value": 3}, {"dict": [["source", {"value": 1}]]}])
def test_a_senseless_state_is_damaged(broken_off, state):
    tensors, card = read_tensors(broken_off, "checkpoint")
    write_tensors(broken_off, "checkpoint", tensors, {**card, "state": state})
    with pytest.raises(CondensationError, match="damaged"):
        images(checkpoint=Checkpoint(broken_off))


@pytest.fixture
def wild():
    return DM(steps=20, batch_per_class=4, lr=1e30, networks=METHOD.networks)


def test_a_loss_that_is_no_number_stops_the_run(wild):
    with pytest.raises(Diverged, match=r"not a finite number at step \d+, .*\nTry a smaller method\.lr \(it is 1e\+30\)"):
        images(wild)


def test_the_last_good_state_is_kept(tmp_path, wild):
    checkpoint = Checkpoint(tmp_path / "a", 0)
    with pytest.raises(Diverged, match="state after step") as diverged:
        images(wild, checkpoint=checkpoint)
    tensors, card = read_tensors(tmp_path / "a", "checkpoint")
    assert card["step"] == diverged.value.kept < diverged.value.step
    assert all(bool(tensor.isfinite().all()) for tensor in tensors.values())


@pytest.mark.parametrize(
    ("kept", "wanted", "said"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"a": 1}, {"a": 2}, "a is 1 there, 2 here"),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1]}}, "a.b is [1, 2] there, [1] here"),
        ({"a": 1}, {}, "a is 1 there, None here"),
        ({}, {"a": 1}, "a is None there, 1 here"),
        ({"a": {"b": 1}}, {"a": None}, "a is {'b': 1} there, None here"),
    ],
)
def test_the_first_difference_is_named(kept, wanted, said):
    assert difference(kept, wanted) == said
