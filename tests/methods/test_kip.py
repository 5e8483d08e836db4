"""What is special to KIP: its loss, its labels, and what it refuses."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from condensation import KIP, Checkpoint, Compute, CondensationError, ImageSet, NotEnoughMemory, Rng, StepInfo, Stopped, Zca, condense
from condensation.core.ipc import images_per_class
from condensation.core.soft_labels import centred
from condensation.evaluation.kernel_ridge import regress
from condensation.methods import kip
from condensation.methods.base import State
from condensation.ntk.convolutional import Convolutional, PooledConvolutional
from condensation.ntk.fully_connected import FullyConnected
from condensation.ntk.gram import gram
from tests.small import CPU, images

COMPUTE = Compute(**CPU)  # type: ignore[arg-type]
SMALL = KIP(steps=3, batch=18)


def made(method: KIP, real: ImageSet, ipc: int = 2, **more: object) -> ImageSet:
    return condense(method, real, ipc, compute=COMPUTE, **more)  # type: ignore[arg-type]


def values(small: ImageSet) -> Tensor:
    assert small.soft_labels is not None
    return small.soft_labels.values


def began(method: KIP, real: ImageSet) -> State:
    return method.init(real, images_per_class(real, 2), Rng(0).child("init"), COMPUTE)


def plain_loss(method: KIP, few: Tensor, labels: Tensor, many: Tensor, wanted: Tensor) -> Tensor:
    """As in the paper, with an inverse."""
    of_set = gram(method.kernel, few, few)
    ridge = method.reg * of_set.trace() / len(few) * torch.eye(len(few), dtype=torch.float64)
    said = gram(method.kernel, many, few) @ torch.linalg.inv(of_set + ridge) @ labels
    return ((said - wanted) ** 2).mean() / 2


@pytest.mark.parametrize("labels", ["fixed", "learned"])
@pytest.mark.parametrize("kernel", [FullyConnected(), Convolutional(depth=1)])
def test_a_step_is_adam_on_the_papers_loss(labels: str, kernel: Convolutional) -> None:
    real, method = images(), replace(SMALL, labels=labels, kernel=kernel)
    state = began(method, real)
    few = state.source.images.detach().clone().requires_grad_()
    soft = centred(state.source.template.labels, 3).requires_grad_()
    learned = [few, soft] if labels == "learned" else [few]
    optimizer = torch.optim.Adam(learned, lr=0.04)
    for step in range(3):
        rng = Rng(0).child("step", step)
        draw = real.draw(6, rng.child("real"))
        expected = plain_loss(method, few, soft, real.inputs(draw.indices).double(), centred(real.labels[draw.indices], 3))
        optimizer.zero_grad()
        expected.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        torch.testing.assert_close(method.step(state, real, rng), expected.detach(), rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(state.source.images.detach(), few.detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(values(state.source.snapshot()).double(), soft.detach(), rtol=1e-5, atol=1e-6)


def test_the_gradient_of_the_loss_is_right() -> None:
    real = images(shape=(1, 4, 4))
    state = began(replace(SMALL, labels="learned"), real)
    many, wanted = real.inputs(slice(0, 9)).double(), centred(real.labels[:9], 3)
    few, soft = state.source.images.detach().clone().requires_grad_(), centred(state.source.template.labels, 3).requires_grad_()

    def loss(few: Tensor, soft: Tensor) -> Tensor:
        source = type("Source", (), {"images": few, "values": soft})
        return SMALL._loss(source, many, wanted)  # type: ignore[arg-type]

    assert torch.autograd.gradcheck(loss, [few, soft])


def test_the_set_says_that_its_labels_are_for_the_squared_loss() -> None:
    small = made(SMALL, images())
    assert small.soft_labels is not None
    assert small.soft_labels.loss == "squared"
    torch.testing.assert_close(values(small), centred(small.labels, 3, torch.float32))


def test_learned_labels_move_and_keep_the_classes() -> None:
    small = made(replace(SMALL, labels="learned"), images())
    assert small.counts == {0: 2, 1: 2, 2: 2}
    assert ((values(small) - centred(small.labels, 3, torch.float32)).abs() > 1e-3).all()


def test_the_classes_that_are_not_there_have_labels_too() -> None:
    small = made(SMALL, images(classes=4).select([1, 3]))
    assert values(small).shape == (4, 4)
    torch.testing.assert_close(values(small)[0], torch.tensor([-0.25, 0.75, -0.25, -0.25]))


def test_solved_labels_say_all_real_images_best() -> None:
    """With no steps the images are random real ones: "Label Solve"."""
    real = images()
    small = made(KIP(steps=0, labels="solved", batch=7), real)
    fixed = made(KIP(steps=0), real)
    torch.testing.assert_close(small.images, fixed.images)
    few, many = small.images.double(), real.inputs().double()
    of_set = gram(FullyConnected(), few, few)
    ridge = 1e-6 * of_set.trace() / len(few) * torch.eye(len(few), dtype=torch.float64)
    expected = torch.linalg.pinv(gram(FullyConnected(), many, few) @ torch.linalg.inv(of_set + ridge)) @ centred(real.labels, 3)
    torch.testing.assert_close(values(small).double(), expected, rtol=1e-4, atol=1e-5)


def test_labels_are_solved_once_all_steps_are_done() -> None:
    real, seen = images(), []
    method = replace(SMALL, labels="solved")
    made(method, real, observers=[lambda moment: seen.append(values(moment.snapshot()))])
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[2], seen[3])


def test_it_learns_what_kernel_ridge_regression_needs() -> None:
    real, test = images(per_class=40), images(per_class=30, seed=1)
    losses: list[float] = []
    method = KIP(steps=30, batch=60, start="noise")
    small = made(method, real, 1, observers=[lambda moment: losses.append(moment.loss) if moment.loss else None])
    noise = made(replace(method, steps=0), real, 1)
    before, after = (regress(one, test, kernel=method.kernel, compute=COMPUTE).value for one in (noise, small))
    assert losses[-1] < 0.5 * losses[0]
    assert before < 80
    assert after > 95


def test_real_images_are_whitened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    real = images()
    white = replace(real, preprocessing=Zca.fit([real.images.float() / 255]))
    state = began(SMALL, white)
    assert isinstance(state, kip.KIPState)
    assert torch.equal(state.real.images, white.inputs())
    monkeypatch.setattr(Zca, "__call__", None)
    assert SMALL.step(state, white, Rng(0)).isfinite()


def test_too_many_real_images_are_preprocessed_as_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = images()
    once = made(SMALL, real)
    monkeypatch.setattr(kip, "PREPARED_BYTES", 0)
    assert torch.equal(made(SMALL, real).images, once.images)


def test_images_that_become_the_same_name_the_regularisation() -> None:
    real = images()
    same = replace(real, images=real.images[:1].expand(len(real), -1, -1, -1).clone())
    with pytest.raises(CondensationError, match=r"6 images with reg 0 times its mean diagonal is not positive definite"):
        made(KIP(steps=1, batch=18, reg=0.0), same)


def test_pictures_that_are_lost_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(CondensationError, match="not a finite number at step"):
        made(KIP(steps=9, batch=18, lr=1e200), images(), checkpoint=Checkpoint(tmp_path / "checkpoint", every=0))


def test_a_pair_that_has_no_room_is_refused_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("condensation.core.memory.free_memory", lambda: 10**9)
    real = images(shape=(3, 64, 64))
    with pytest.raises(
        NotEnoughMemory,
        match=r"PooledConvolutional on images of 64x64 \(2\.0 GB per pair\) needs about 4\.0 GB(.|\n)*1\.0 GB are free(.|\n)*=conv",
    ):
        made(KIP(kernel=PooledConvolutional(), batch=18), real)


def test_a_kernel_that_takes_long_says_so(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kip, "SLOW_STEP", 10)
    with caplog.at_level(logging.WARNING):
        began(SMALL, images())
    assert "144 pairs of images with 1 numbers each, which takes long" in caplog.text


def test_a_device_without_float64_is_refused() -> None:
    with pytest.raises(CondensationError, match="float64, which mps does not have"):
        SMALL.init(images(), {0: 1, 1: 1, 2: 1}, Rng(0), replace(COMPUTE, device="mps"))


def test_a_run_broken_off_before_the_labels_are_solved_solves_them(tmp_path: Path) -> None:
    method, real = replace(SMALL, labels="solved"), images()

    def stop(moment: StepInfo) -> None:
        if moment.step == 2:
            raise Stopped("enough")

    whole = made(method, real)
    with pytest.raises(Stopped):
        made(method, real, observers=[stop], checkpoint=Checkpoint(tmp_path / "checkpoint"))
    assert torch.equal(values(made(method, real, checkpoint=Checkpoint(tmp_path / "checkpoint"))), values(whole))
