"""The loop: arguments, checkpoints of other runs, and what a stop saves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from condensation import (
    DM,
    Checkpoint,
    Compute,
    CondensationError,
    ConvNet,
    Diverged,
    EvaluationSettings,
    Fresh,
    ImageSet,
    Recipe,
    RunSettings,
    Standardize,
    StepInfo,
    Stopped,
    condense,
    evaluate,
    run,
)
from condensation.core.errors import LARGEST_FLOAT
from condensation.core.images import Shape
from condensation.core.soft_labels import SoftLabels
from condensation.core.tensor_files import read_tensors
from condensation.data.settings import DataSettings
from condensation.methods.random import Random
from condensation.networks.base import Classifier, NetworkSpec
from condensation.networks.layers import Stack
from tests.small import CPU, biggan, dc, dc_vae, dm, dsa, gmmn, gtn, images

COMPUTE = Compute(**CPU)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Narrow(NetworkSpec):
    """One block."""

    def layers(self, image_shape: Shape, num_classes: int) -> Classifier:
        return Stack([nn.Conv2d(image_shape[0], 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2)], 16, num_classes)


@dataclass(frozen=True)
class Dropping(NetworkSpec):
    """One block with dropout."""

    def layers(self, image_shape: Shape, num_classes: int) -> Classifier:
        return Stack([nn.Conv2d(image_shape[0], 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Dropout(0.5)], 16, num_classes)


@dataclass(frozen=True)
class OwnMethod(Random):
    """A user's method."""


def stopped_run(path: Path, real: ImageSet, **settings: object) -> Checkpoint:
    """Return the checkpoint of a run that stopped after two steps."""

    def stop(info: StepInfo) -> None:
        if info.step == 2:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        condense(dm(**settings), real, 1, compute=COMPUTE, checkpoint=Checkpoint(path), observers=[stop])
    return Checkpoint(path)


class NotImages:
    train = images()


@pytest.mark.parametrize(
    ("arguments", "setting", "hint"),
    [
        ({"method": "dm"}, "method", "DM()"),
        ({"method": DM}, "method", "DM()"),
        ({"method": Random}, "method", "Random()"),
        ({"ipc": "ten"}, "ipc", ""),
        ({"ipc": 2.5}, "ipc", ""),
        ({"ipc": True}, "ipc", ""),
        ({"ipc": {"0": 1, "1": 1, "2": 1}}, "ipc", ""),
        ({"seed": "0"}, "seed", ""),
        ({"seed": None}, "seed", ""),
        ({"observers": [1]}, "", ""),
        ({"observers": print}, "", ""),
        ({"real": replace(images(), soft_labels=SoftLabels(torch.zeros(36, 3)))}, "", "soft_labels=None"),
    ],
)
def test_a_wrong_argument_is_named_with_the_right_call(arguments: dict[str, Any], setting: str, hint: str) -> None:
    given: dict[str, Any] = {"method": Random(), "real": images(), "ipc": 1, **arguments}
    (name,) = arguments
    with pytest.raises(CondensationError) as raised:
        condense(given.pop("method"), given.pop("real"), given.pop("ipc"), **given)
    assert name in raised.value.message
    assert raised.value.setting == setting
    assert hint in raised.value.hint


@pytest.mark.parametrize(("real", "hint"), [(NotImages(), "data.train"), (torch.zeros(3, 3, 8, 8), "ImageSet.of")])
def test_real_images_of_another_type_are_refused_with_the_right_call(real: Any, hint: str) -> None:
    with pytest.raises(CondensationError) as raised:
        condense(Random(), real, 1)
    assert hint in raised.value.hint


def test_numpy_integers_are_accepted() -> None:
    by_label = {np.int64(label): np.int64(2) for label in range(3)}
    small = condense(Random(), images(), by_label, seed=np.int32(3), compute=COMPUTE)  # type: ignore[arg-type]
    assert torch.equal(small.images, condense(Random(), images(), 2, seed=3, compute=COMPUTE).images)


def test_user_networks_are_distinguished(tmp_path: Path) -> None:
    checkpoint = stopped_run(tmp_path / "checkpoint", images(), networks=Fresh(Narrow()))
    with pytest.raises(CondensationError, match=r"method\.networks\.spec\.name is .*Narrow.*Dropping"):
        condense(dm(networks=Fresh(Dropping())), images(), 1, compute=COMPUTE, checkpoint=checkpoint)


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (replace(images(), flip_invariant=False), "flip_invariant"),
        (replace(images(), preprocessing=Standardize(torch.zeros(3), torch.ones(3))), "preprocessing"),
        (images(seed=1), "data"),
    ],
    ids=["flip_invariant", "preprocessing", "data"],
)
def test_a_checkpoint_of_other_data_is_refused(tmp_path: Path, other: ImageSet, field: str) -> None:
    checkpoint = stopped_run(tmp_path / "checkpoint", images())
    with pytest.raises(CondensationError, match=f"{field} is"):
        condense(dm(), other, 1, compute=COMPUTE, checkpoint=checkpoint)


def test_a_stop_does_not_overwrite_a_good_state_with_a_diverged_one(tmp_path: Path) -> None:
    def stop(info: StepInfo) -> None:
        if info.step == 1:
            info.state.source.images.data[0, 0, 0, 0] = float("inf")
            raise Stopped("enough")

    checkpoint = Checkpoint(tmp_path / "checkpoint", every=0)
    with pytest.raises(Diverged):
        condense(dm(), images(), 1, compute=COMPUTE, checkpoint=checkpoint, observers=[stop])
    tensors, card = read_tensors(tmp_path / "checkpoint", "checkpoint")
    assert card["step"] == 0
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_dropout_follows_the_seed() -> None:
    method = dm(networks=Fresh(Dropping()))
    torch.manual_seed(1)
    first = condense(method, images(), 1, compute=COMPUTE)
    before = torch.get_rng_state()
    again = condense(method, images(), 1, compute=COMPUTE)
    scores = [evaluate(first, images(), network=Dropping(), recipe=Recipe(epochs=3), networks=1, compute=COMPUTE) for _ in range(2)]
    assert torch.equal(first.images, again.images)
    assert (scores[0].per_class == scores[1].per_class).all()
    assert torch.equal(before, torch.get_rng_state())


def test_a_run_accepts_user_methods_and_networks(tmp_path: Path) -> None:
    evaluation = EvaluationSettings(networks=1, network=Narrow(), recipe=Recipe(epochs=1))
    settings = RunSettings(data=DataSettings("digits"), method=OwnMethod(), ipc=1, evaluation=evaluation, compute=COMPUTE)
    result = run(settings, tmp_path / "run")
    assert f"{__name__}:OwnMethod" in result.scores.sets
    assert result.scores.evaluation["network"]["name"] == f"{__name__}:Narrow"


def test_an_unfinished_file_does_not_block_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".settings.json.abc.unfinished").touch()
    settings = RunSettings(data=DataSettings("digits"), method=Random(), ipc=1, evaluation=EvaluationSettings(networks=0), compute=COMPUTE)
    assert len(run(settings, tmp_path).condensed.images) == 10
    assert not list(tmp_path.glob("*.unfinished"))


def test_the_result_is_on_the_device_of_the_real_images() -> None:
    assert condense(dm(networks=Fresh(ConvNet(width=4))), images(), 1, compute=COMPUTE).device == images().device


def test_pixels_far_beyond_the_real_images_are_no_result(tmp_path: Path) -> None:
    with pytest.raises(Diverged) as raised:
        condense(dm(lr=1e9, steps=3), images(), 2, compute=COMPUTE, checkpoint=Checkpoint(tmp_path / "c"))
    assert raised.value.setting == "method.lr"
    assert raised.value.step == 3
    assert "lr (now 1e+09)" in raised.value.hint


@pytest.mark.parametrize("method", [dm, dc, dsa, gmmn, dc_vae, biggan, gtn])
def test_the_largest_learning_rate_diverges_or_ends(method: Any) -> None:
    try:
        made = condense(method(lr=LARGEST_FLOAT), images(), 1, compute=Compute(**CPU))  # type: ignore[arg-type]
    except Diverged:
        return
    assert made.images.isfinite().all()


def test_a_method_without_steps_that_is_stopped_leaves_no_checkpoint(tmp_path: Path) -> None:
    def stop(info: StepInfo) -> None:
        raise Stopped("test")

    with pytest.raises(Stopped):
        condense(Random(), images(), 1, checkpoint=Checkpoint(tmp_path / "checkpoint"), observers=[stop])
    assert list(tmp_path.iterdir()) == []
