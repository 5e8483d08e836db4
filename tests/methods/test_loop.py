"""The loop: what makes a checkpoint one of another run, and what a stop keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from condensation import (
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
from condensation.core.images import Shape
from condensation.core.tensor_files import read_tensors
from condensation.data.settings import DataSettings
from condensation.methods.random import Random
from condensation.networks.base import Classifier, NetworkSpec
from condensation.networks.layers import Stack
from tests.small import CPU, dm, images

COMPUTE = Compute(**CPU)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Narrow(NetworkSpec):
    """One block."""

    def layers(self, image_shape: Shape, num_classes: int) -> Classifier:
        return Stack([nn.Conv2d(image_shape[0], 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2)], 16, num_classes)


@dataclass(frozen=True)
class Forgetful(NetworkSpec):
    """One block, and a part of it left out by chance."""

    def layers(self, image_shape: Shape, num_classes: int) -> Classifier:
        return Stack([nn.Conv2d(image_shape[0], 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Dropout(0.5)], 16, num_classes)


@dataclass(frozen=True)
class OwnMethod(Random):
    """A method of a person's own."""


def broken_off(path: Path, real: ImageSet, **settings: object) -> Checkpoint:
    """A checkpoint after two steps."""

    def stop(moment: StepInfo) -> None:
        if moment.step == 2:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        condense(dm(**settings), real, 1, compute=COMPUTE, checkpoint=Checkpoint(path), observers=[stop])
    return Checkpoint(path)


def test_networks_of_ones_own_are_told_apart(tmp_path: Path) -> None:
    checkpoint = broken_off(tmp_path / "checkpoint", images(), networks=Fresh(Narrow()))
    with pytest.raises(CondensationError, match=r"method.networks.spec.name is '.*Narrow' there, '.*Forgetful' here"):
        condense(dm(networks=Fresh(Forgetful())), images(), 1, compute=COMPUTE, checkpoint=checkpoint)


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (replace(images(), flip_invariant=False), "mirrored"),
        (replace(images(), preprocessing=Standardize(torch.zeros(3), torch.ones(3))), "preprocessing"),
        (images(seed=1), "data"),
    ],
    ids=["mirrored", "preprocessing", "data"],
)
def test_a_checkpoint_of_other_data_is_refused(tmp_path: Path, other: ImageSet, field: str) -> None:
    checkpoint = broken_off(tmp_path / "checkpoint", images())
    with pytest.raises(CondensationError, match=f"{field} is"):
        condense(dm(), other, 1, compute=COMPUTE, checkpoint=checkpoint)


def test_a_stop_does_not_put_a_lost_state_in_place_of_a_good_one(tmp_path: Path) -> None:
    def stop(moment: StepInfo) -> None:
        if moment.step == 1:
            moment.state.source.images.data[0, 0, 0, 0] = float("inf")
            raise Stopped("enough")

    checkpoint = Checkpoint(tmp_path / "checkpoint", every=0)
    with pytest.raises(Diverged):
        condense(dm(), images(), 1, compute=COMPUTE, checkpoint=checkpoint, observers=[stop])
    tensors, card = read_tensors(tmp_path / "checkpoint", "checkpoint")
    assert card["step"] == 0
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_dropout_follows_the_seed() -> None:
    method = dm(networks=Fresh(Forgetful()))
    torch.manual_seed(1)
    first = condense(method, images(), 1, compute=COMPUTE)
    before = torch.get_rng_state()
    again = condense(method, images(), 1, compute=COMPUTE)
    scores = [evaluate(first, images(), network=Forgetful(), recipe=Recipe(epochs=3), networks=1, compute=COMPUTE) for _ in range(2)]
    assert torch.equal(first.images, again.images)
    assert (scores[0].per_class == scores[1].per_class).all()
    assert torch.equal(before, torch.get_rng_state())


def test_a_run_takes_methods_and_networks_of_ones_own(tmp_path: Path) -> None:
    judged = EvaluationSettings(networks=1, network=Narrow(), recipe=Recipe(epochs=1))
    settings = RunSettings(data=DataSettings("digits"), method=OwnMethod(), ipc=1, evaluation=judged, compute=COMPUTE)
    result = run(settings, tmp_path / "run")
    assert f"{__name__}:OwnMethod" in result.scores.sets
    assert result.scores.evaluation["network"]["name"] == f"{__name__}:Narrow"


def test_a_first_file_cut_off_by_a_kill_does_not_block_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".settings.json.abc.unfinished").touch()
    settings = RunSettings(data=DataSettings("digits"), method=Random(), ipc=1, evaluation=EvaluationSettings(networks=0), compute=COMPUTE)
    assert len(run(settings, tmp_path).condensed.images) == 10
    assert not list(tmp_path.glob("*.unfinished"))


def test_the_result_lies_where_the_real_images_do() -> None:
    assert condense(dm(networks=Fresh(ConvNet(width=4))), images(), 1, compute=COMPUTE).device == images().device
