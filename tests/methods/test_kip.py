"""KIP: loss, labels and errors."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from condensation import (
    KIP,
    Checkpoint,
    Compute,
    CondensationError,
    Diverged,
    ImageSet,
    NotEnoughMemory,
    Rng,
    StepInfo,
    Stopped,
    Zca,
    condense,
)
from condensation.core.ipc import images_per_class
from condensation.core.soft_labels import centred
from condensation.evaluation.kernel_ridge import regress
from condensation.methods import kip
from condensation.methods.base import State
from condensation.networks.ntk.convolutional import Convolutional, PooledConvolutional
from condensation.networks.ntk.fully_connected import FullyConnected
from condensation.networks.ntk.gram import gram
from condensation.networks.ntk.ridge import NotPositiveDefinite
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
    """The published loss, with an explicit inverse."""
    of_set = gram(method.kernel, few, few)
    ridge = method.reg * of_set.trace() / len(few) * torch.eye(len(few), dtype=torch.float64)
    said = gram(method.kernel, many, few) @ torch.linalg.inv(of_set + ridge) @ labels
    return ((said - wanted) ** 2).mean() / 2


@pytest.mark.parametrize("labels", ["fixed", "learned"])
@pytest.mark.parametrize("kernel", [FullyConnected(), Convolutional(depth=1)])
def test_a_step_is_adam_on_the_published_loss(labels: str, kernel: Convolutional) -> None:
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


def test_soft_labels_are_for_the_squared_loss() -> None:
    small = made(SMALL, images())
    assert small.soft_labels is not None
    assert small.soft_labels.loss == "squared"
    torch.testing.assert_close(values(small), centred(small.labels, 3, torch.float32))


def test_learned_labels_move_and_keep_the_classes() -> None:
    small = made(replace(SMALL, labels="learned"), images())
    assert small.counts == {0: 2, 1: 2, 2: 2}
    assert ((values(small) - centred(small.labels, 3, torch.float32)).abs() > 1e-3).all()


def test_absent_classes_have_label_entries() -> None:
    small = made(SMALL, images(classes=4).select([1, 3]))
    assert values(small).shape == (4, 4)
    torch.testing.assert_close(values(small)[0], torch.tensor([-0.25, 0.75, -0.25, -0.25]))


def test_solved_labels_minimize_the_error_on_all_real_images() -> None:
    """Label Solve: without steps, the images are random real ones."""
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
    made(method, real, observers=[lambda info: seen.append(values(info.snapshot()))])
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[2], seen[3])


def test_kip_improves_kernel_ridge_regression() -> None:
    real, test = images(per_class=40), images(per_class=30, seed=1)
    losses: list[float] = []
    method = KIP(steps=30, batch=60, start="noise")
    small = made(method, real, 1, observers=[lambda info: losses.append(info.loss) if info.loss else None])
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


def test_large_sets_are_preprocessed_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    real = images()
    once = made(SMALL, real)
    monkeypatch.setattr(kip, "PREPARED_BYTES", 0)
    assert torch.equal(made(SMALL, real).images, once.images)


def test_a_singular_kernel_matrix_names_the_regularization() -> None:
    real = images()
    same = replace(real, images=real.images[:1].expand(len(real), -1, -1, -1).clone())
    with pytest.raises(NotPositiveDefinite):
        made(KIP(steps=1, batch=18, reg=0.0), same)


def test_divergence_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(Diverged):
        made(KIP(steps=9, batch=18, lr=1e36), images(), checkpoint=Checkpoint(tmp_path / "checkpoint", every=0))


def test_a_pair_that_exceeds_memory_raises_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("condensation.core.memory.free_memory", lambda: 10**9)
    real = images(shape=(3, 64, 64))
    with pytest.raises(
        NotEnoughMemory,
        match=r"PooledConvolutional on images of 64x64 \(2\.0 GB per pair\) needs about 4\.0 GB(.|\n)*1\.0 GB are free(.|\n)*=conv",
    ):
        made(KIP(kernel=PooledConvolutional(), batch=18), real)


def test_a_slow_kernel_logs_a_warning(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kip, "SLOW_STEP", 10)
    with caplog.at_level(logging.WARNING):
        began(SMALL, images())
    assert "144 pairs of images with 1 numbers per pair" in caplog.text


def test_a_device_without_float64_raises() -> None:
    with pytest.raises(CondensationError) as raised:
        SMALL.init(images(), {0: 1, 1: 1, 2: 1}, Rng(0), replace(COMPUTE, device="mps"))
    assert raised.value.setting == "compute.device"


def test_a_resumed_run_solves_the_labels(tmp_path: Path) -> None:
    method, real = replace(SMALL, labels="solved"), images()

    def stop(info: StepInfo) -> None:
        if info.step == 2:
            raise Stopped("enough")

    whole = made(method, real)
    with pytest.raises(Stopped):
        made(method, real, observers=[stop], checkpoint=Checkpoint(tmp_path / "checkpoint"))
    assert torch.equal(values(made(method, real, checkpoint=Checkpoint(tmp_path / "checkpoint"))), values(whole))
