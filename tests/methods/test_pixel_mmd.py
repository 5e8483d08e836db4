"""Pixel MMD, and DM with other kernels."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from condensation import Compute, CondensationError, ConvNet, Fresh, ImageSet, Method, PixelMMD, Rng, RunSettings, StepInfo, condense
from condensation.config.build import from_dict
from condensation.config.toml import apply_override
from condensation.core.form import Form, Frequencies, Tiles
from condensation.core.plain import to_dict
from condensation.matching.kernels import KERNELS, RBF, Kernel, Laplacian, Linear, Polynomial, Scale, Scaled, Sum
from condensation.methods.base import State
from tests.small import dm, images

DOUBLE = Compute(device="cpu", precision="float64", compile="never")
IPC = {0: 2, 1: 3, 2: 1}


def class_means(of: ImageSet) -> Tensor:
    return torch.stack([of.select([label]).inputs().double().mean(0) for label in of.classes])


@pytest.mark.parametrize("kernel", [Linear(), 7 * Linear(), Linear() + 0.5 * Linear()], ids=str)
def test_linear_pixel_mmd_of_one_image_is_the_class_mean(kernel: Kernel) -> None:
    real = images(per_class=[30, 12, 7])
    small = condense(PixelMMD(kernel=kernel), real, 1, compute=DOUBLE)
    torch.testing.assert_close(small.images, class_means(real), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("ipc", [5, IPC])
def test_linear_pixel_mmd_shifts_all_images_of_a_class_alike(ipc: int | dict[int, int]) -> None:
    real = images(per_class=[30, 12, 7])
    method = PixelMMD(steps=1, averaging=0.0)
    start, small = (condense(one, real, ipc, compute=DOUBLE) for one in (replace(method, steps=0), method))
    torch.testing.assert_close(class_means(small), class_means(real), rtol=1e-12, atol=1e-12)
    for label in real.classes:
        moved = small.select([label]).images - start.select([label]).images
        torch.testing.assert_close(moved, moved[:1].expand_as(moved), rtol=1e-12, atol=1e-12)


def test_linear_pixel_mmd_uses_all_real_images() -> None:
    real = images(40)
    small = condense(PixelMMD(batch_per_class=2), real, 1, compute=DOUBLE)
    torch.testing.assert_close(small.images, class_means(real), rtol=1e-12, atol=1e-12)


def plain_loss(kernel: Kernel, real: ImageSet, synthetic: list[Tensor]) -> list[Tensor]:
    """The squared MMD of each class from whole Gram matrices."""
    losses = []
    for label, y in zip(real.classes, synthetic, strict=True):
        x = real.select([label]).inputs().double().flatten(1)
        scale = Scale.from_features(x)
        losses.append(kernel(x, x, scale).mean() - 2 * kernel(x, y, scale).mean() + kernel(y, y, scale).mean())
    return losses


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_a_step_is_sgd_on_the_mmd_of_pixels(kernel: Kernel) -> None:
    real = images(per_class=[10, 4, 7], shape=(1, 6, 6))
    method = PixelMMD(steps=3, kernel=kernel, averaging=0.0, lr=0.3)
    losses: list[float] = []
    small = condense(method, real, IPC, compute=DOUBLE, observers=[lambda info: losses.append(info.loss or 0.0)])
    start = condense(replace(method, steps=0), real, IPC, compute=DOUBLE)
    pixels = [start.select([label]).images.flatten(1) for label in real.classes]
    for step in range(3):
        pixels = [one.detach().requires_grad_() for one in pixels]
        by_class = plain_loss(kernel, real, pixels)
        assert losses[step + 1] == pytest.approx(float(torch.stack(by_class).sum().detach()), abs=1e-9)
        for row, label in enumerate(real.classes):
            gradient = torch.autograd.grad(by_class[row], pixels[row])[0]
            curvature = kernel.curvature(Scale.from_features(real.select([label]).inputs().double().flatten(1)))
            pixels[row] = pixels[row] - 0.3 * IPC[label] / curvature * gradient
    torch.testing.assert_close(small.images.flatten(1), torch.cat(pixels))


@pytest.mark.parametrize("form", [Tiles(2), Frequencies(4)])
def test_images_with_a_form_have_the_class_mean_nearest_to_the_real_one(form: Form) -> None:
    real = images(per_class=[30, 12, 7])
    small = condense(PixelMMD(steps=300, averaging=0.0, form=form), real, 1, compute=DOUBLE)
    assert small.form == form
    # Images of the form that are all alike can have any mean of the form; the rest of the real mean is orthogonal to it.
    rest = class_means(real) - torch.stack([small.decoded().select([label]).images.mean(0) for label in real.classes])
    stored = torch.zeros_like(small.images).requires_grad_()
    means = form.decode(stored).unflatten(0, (3, -1)).mean(1)
    (left,) = torch.autograd.grad((means * rest).sum(), stored)
    assert left.abs().max() < 1e-3 * class_means(real).abs().max()


@pytest.mark.parametrize("ipc", [1, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "kernel",
    [RBF(), *(pytest.param(each, marks=pytest.mark.slow) for each in (Linear(), Polynomial(), Linear() + RBF(), 9 * RBF()))],
    ids=str,
)
def test_the_default_learning_rate_converges_for_every_smooth_kernel(kernel: Kernel, ipc: int) -> None:
    """With all real images in each step, the loss never rises and converges."""
    losses = losses_of(PixelMMD(kernel=kernel, steps=200), ipc)
    assert all(later <= earlier * (1 + 1e-9) + 1e-12 for earlier, later in itertools.pairwise(losses))
    assert losses[-1] < 0.9 * losses[0]
    assert losses[-21] - losses[-1] < 0.02 * (losses[0] - losses[-1])


@pytest.mark.parametrize("form", [Tiles(3), Frequencies(3)])
@pytest.mark.parametrize("kernel", [Linear(), RBF()], ids=str)
def test_the_default_learning_rate_suits_every_form(kernel: Kernel, form: Form) -> None:
    losses = losses_of(PixelMMD(kernel=kernel, steps=50, form=form), 1)
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in itertools.pairwise(losses))
    assert losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize("ipc", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_the_loss_falls_with_a_laplacian_kernel(ipc: int) -> None:
    losses = losses_of(PixelMMD(kernel=Laplacian(), steps=200), ipc)
    assert max(losses) == losses[0]
    assert losses[-1] < 0.95 * losses[0]


def losses_of(method: Method, ipc: int) -> list[float]:
    """The loss before each step on small images, with all real images in each step."""
    losses: list[float] = []
    condense(method, images(40, shape=(1, 9, 9)), ipc, compute=DOUBLE, observers=[lambda info: losses.append(info.loss or 0.0)])
    return losses[1:]


def test_initial_images_are_real_and_batches_have_their_own_stream() -> None:
    real = images(30)
    start = condense(PixelMMD(steps=0), real, 2, compute=DOUBLE)
    assert all(any(torch.equal(image, one) for one in real.inputs().double()) for image in start.images)
    few = PixelMMD(steps=3, kernel=RBF(), batch_per_class=4)
    assert not torch.equal(condense(few, real, 2, seed=0).images, condense(replace(few, batch_per_class=30), real, 2, seed=0).images)


def losses_and_images(method: Method, compute: Compute = DOUBLE) -> tuple[list[float], Tensor]:
    losses: list[float] = []

    def note(info: StepInfo) -> None:
        losses.append(info.loss or 0.0)

    small = condense(method, images(per_class=[10, 4, 7]), IPC, compute=compute, observers=[note])
    return losses, small.images


@pytest.mark.parametrize("classes_at_a_time", [None, 2])
@pytest.mark.parametrize("kernel", [Polynomial(), RBF(), Laplacian(), Linear() + RBF()], ids=str)
def test_dm_with_a_kernel_is_the_mmd_of_embeddings_by_class(kernel: Kernel, classes_at_a_time: int | None) -> None:
    real, network = images(per_class=[10, 4, 7]), ConvNet(width=6)
    method = dm(kernel=kernel, batch_per_class=100, networks=Fresh(network), augmentation=None, classes_at_a_time=classes_at_a_time)
    state: State = method.init(real, IPC, Rng(0).child("init"), DOUBLE)
    before = state.source.images.detach().clone()
    rng = Rng(0).child("step", 0)
    loss = method.step(state, real, rng)
    module = network.build(real.shape, 3, rng.child("network")).double().requires_grad_(False)
    pixels = [one.requires_grad_() for one in before.split(list(IPC.values()))]
    draw = real.draw(100, rng.child("real"))
    expected = torch.zeros((), dtype=torch.float64)
    for row, y in enumerate(pixels):
        x, y = module.embed(real.inputs(draw.indices[draw.class_index == row]).double()), module.embed(y)
        scale = Scale.from_features(x)
        expected = expected + kernel(x, x, scale).mean() - 2 * kernel(x, y, scale).mean() + kernel(y, y, scale).mean()
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(before - state.source.images.detach(), torch.cat(torch.autograd.grad(expected, pixels)))


@pytest.mark.parametrize("settings", [{}, {"classes_at_a_time": 1}, {"augmentation": None}])
def test_dm_from_pairs_with_the_linear_kernel_equals_dm_from_means(settings: dict[str, object]) -> None:
    class Pairs(Linear):
        mean_factor = None  # type: ignore[assignment]

    by_means, by_pairs = losses_and_images(dm(**settings)), losses_and_images(dm(kernel=Pairs(), **settings))
    torch.testing.assert_close(torch.tensor(by_pairs[0]), torch.tensor(by_means[0]))
    torch.testing.assert_close(by_pairs[1], by_means[1])


def test_chunks_do_not_change_dm_with_a_kernel() -> None:
    whole = losses_and_images(dm(kernel=RBF()))
    chunks = losses_and_images(dm(kernel=RBF()), replace(DOUBLE, chunk=2))
    torch.testing.assert_close(chunks, whole)


def test_pairs_and_means_agree_with_batch_norm() -> None:
    network = Fresh(ConvNet(width=6, norm="batch"))

    class Pairs(Linear):
        mean_factor = None  # type: ignore[assignment]

    by_means = losses_and_images(dm(networks=network))
    torch.testing.assert_close(losses_and_images(dm(kernel=Pairs(), networks=network)), by_means)


@pytest.mark.parametrize("method", ["dm", "pixel-mmd"])
def test_kernels_are_named_in_settings(method: str) -> None:
    def built(*overrides: str) -> Method:
        content: dict[str, object] = {"method": {"name": method}}
        for override in overrides:
            content = apply_override(content, override)
        return from_dict(RunSettings, content, RunSettings()).method

    def kernel(*overrides: str) -> Kernel:
        return built(*overrides).kernel  # type: ignore[attr-defined,no-any-return]

    assert kernel() == Linear()
    assert kernel("method.kernel=rbf") == RBF()
    assert kernel("method.kernel=laplacian", "method.kernel.bandwidths=[1, 2]") == Laplacian((1.0, 2.0))
    assert kernel('method.kernel={name="polynomial", degree=3}') == Polynomial(3)
    assert kernel('method.kernel={name="sum", kernels=["linear", {name="rbf", bandwidths=[1]}]}') == Sum((Linear(), RBF((1.0,))))
    assert kernel("method.kernel=scaled", "method.kernel.factor=2", "method.kernel.kernel=laplacian") == Scaled(2.0, Laplacian())
    with pytest.raises(CondensationError, match="'gauss'"):
        kernel("method.kernel=gauss")


CAUCHY = """
from dataclasses import dataclass
import torch
from condensation.matching.kernels import Kernel
from condensation.matching.kernels import squared_distances

@dataclass(frozen=True)
class Cauchy(Kernel):
    width: float = 1.0
    def __call__(self, x, y, scale):
        return 1 / (1 + squared_distances(x, y) / (self.width * scale.median).square())
    def curvature(self, scale):
        return 2 / (self.width * scale.median).square()
"""


def test_a_user_kernel_is_named_in_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(CAUCHY)
    content = apply_override({"method": {"name": "pixel-mmd", "steps": 3, "kernel": "own.py:Cauchy"}}, "method.kernel.width=0.5")
    method = from_dict(RunSettings, content, RunSettings()).method
    losses, _ = losses_and_images(method)
    assert losses[3] < losses[1]
    assert from_dict(Method, to_dict(method)) == method  # type: ignore[type-abstract]


@pytest.mark.parametrize("kernel", [*KERNELS.values(), 2 * Linear() + 3 * (RBF((1.0,)) + Laplacian())], ids=str)
def test_kernels_come_back_from_plain_settings(kernel: Kernel) -> None:
    method = PixelMMD(kernel=kernel)
    assert from_dict(Method, to_dict(method)) == method  # type: ignore[type-abstract]
