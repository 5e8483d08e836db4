"""DM against the plain algorithm, in float64."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from condensation import (
    DSA,
    NETWORKS,
    Checkpoint,
    Compute,
    CondensationError,
    ConvNet,
    Diverged,
    Fresh,
    ImageSet,
    Pool,
    Recipe,
    Rng,
    StepInfo,
    condense,
)
from condensation.core.form import Tiles
from condensation.core.tensor_files import read_tensors
from condensation.matching.class_means import CHUNKS_PER_BLOCK, matching_loss, mean_embeddings
from condensation.methods.base import Method
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.base import NetworkSpec
from condensation.networks.layers import Stack
from condensation.networks.samplers import Pooled
from condensation.training.make_pool import PoolRecipe, make_pool
from tests.plain_dm import loss_all_in_one_batch, loss_class_by_class
from tests.small import CPU, dm, images

COUNTS = [10, 4, 7]
IPC = {0: 2, 1: 3, 2: 1}
DOUBLE = Compute(device="cpu", precision="float64", compile="never")


def setting(network: NetworkSpec, augmentation: DSA | None = DSA()):  # type: ignore[no-untyped-def]
    """A frozen network, real and synthetic images of uneven classes, and a transform."""
    real = images(per_class=COUNTS, shape=(3, 16, 16))
    rng = Rng(3)
    module = network.build(real.shape, real.num_classes, rng.child("network")).double().train().requires_grad_(False)
    start = condense(dm(steps=0), real, IPC, seed=4, compute=DOUBLE)
    transform = augmentation.per_class(real.classes, rng.child("augment")) if augmentation else (lambda images, rows: images)
    return real, module, SyntheticImages(replace(start, images=start.images.double())), transform


def plain(loss, real: ImageSet, module, source: SyntheticImages, transform):  # type: ignore[no-untyped-def]
    """Loss and pixel gradient of the plain algorithm on all real images."""
    pixels = [images.clone().requires_grad_() for images in source.images.detach().split(list(IPC.values()))]

    def augment(of_class: Tensor, label: int) -> Tensor:
        return transform(of_class, torch.full((len(of_class),), label))

    value = loss(module.embed, list(real.inputs().double().split(COUNTS)), pixels, augment)
    return value.detach(), torch.cat(torch.autograd.grad(value, pixels))


def fast(real: ImageSet, module, source: SyntheticImages, transform, chunk: int | None):  # type: ignore[no-untyped-def]
    draw = real.draw(100, Rng(0))  # all there are
    target = mean_embeddings(module.embed, real, draw, transform, chunk, torch.float64)
    rows = source.template.class_index
    value = matching_loss(target, module.embed(transform(source.images, rows)), rows)
    return value.detach(), torch.autograd.grad(value, source.images)[0]


@pytest.mark.parametrize("seed", range(6))
def test_one_pass_equals_the_class_loop(seed: int) -> None:
    # A seed draws one of six operations for each class: six of them meet every pair of neighbours somewhere.
    augmentation = DSA(operations=tuple(DSA().operations[seed:] + DSA().operations[:seed]))
    real, module, source, transform = setting(ConvNet(width=6), augmentation)
    expected = plain(loss_class_by_class, real, module, source, transform)
    torch.testing.assert_close(fast(real, module, source, transform, chunk=None), expected)


@pytest.mark.parametrize("name", ["convnet-bn", "alexnet-bn"])
def test_one_pass_equals_the_batch_norm_branch(name: str) -> None:
    network = ConvNet(width=6, norm="batch") if name == "convnet-bn" else NETWORKS[name]
    real, module, source, transform = setting(network)
    expected = plain(loss_all_in_one_batch, real, module, source, transform)
    torch.testing.assert_close(fast(real, module, source, transform, chunk=None), expected)


@pytest.mark.parametrize("chunk", [1, 2, 5, 20, 21, 1000])
def test_chunked_means_equal_whole_means(chunk: int) -> None:
    assert sum(COUNTS) > 2 * CHUNKS_PER_BLOCK  # so that there is more than one block
    real, module, source, transform = setting(ConvNet(width=6))
    whole = fast(real, module, source, transform, chunk=None)
    torch.testing.assert_close(fast(real, module, source, transform, chunk=chunk), whole)


def test_at_most_a_chunk_is_embedded_at_once() -> None:
    real, module, _, transform = setting(ConvNet(width=6))
    seen: list[int] = []

    def embed(images: Tensor) -> Tensor:
        seen.append(len(images))
        features: Tensor = module.embed(images)
        return features

    mean_embeddings(embed, real, real.draw(100, Rng(0)), transform, 4, torch.float64)
    assert max(seen) == 4
    assert sum(seen) == sum(COUNTS)


@pytest.mark.parametrize("classes_at_a_time", [1, 2, 3, 9])
def test_groups_of_classes_give_the_same_run(classes_at_a_time: int) -> None:
    real = images(per_class=COUNTS)
    whole = condense(dm(), real, IPC, compute=DOUBLE)
    groups = condense(dm(classes_at_a_time=classes_at_a_time), real, IPC, compute=DOUBLE)
    torch.testing.assert_close(groups.images, whole.images)


def test_a_step_is_sgd_with_momentum_on_the_plain_loss() -> None:
    real, network = images(per_class=COUNTS), ConvNet(width=6)
    method = dm(steps=3, batch_per_class=100, lr=0.7, momentum=0.5, networks=Fresh(network))
    pixels = condense(replace(method, steps=0), real, IPC, seed=9, compute=DOUBLE).images.double()
    velocity = torch.zeros_like(pixels)
    for step in range(3):
        rng = Rng(9).child("step", step)
        module = network.build(real.shape, 3, rng.child("network")).double().requires_grad_(False)
        transform = DSA().per_class(real.classes, rng.child("augment"))
        start = condense(replace(method, steps=0), real, IPC, seed=9, compute=DOUBLE)
        _, gradient = plain(loss_class_by_class, real, module, SyntheticImages(replace(start, images=pixels)), transform)
        velocity = 0.5 * velocity + gradient
        pixels = pixels - 0.7 * velocity
    learned = condense(method, real, IPC, seed=9, compute=DOUBLE)
    torch.testing.assert_close(learned.images.double(), pixels)


def iterates(method: Method, real: ImageSet) -> list[Tensor]:
    """The images before the first step and after each."""
    kept: list[Tensor] = []

    def keep(info: StepInfo) -> None:
        source = info.state.source
        assert isinstance(source, SyntheticImages)
        kept.append(source.images.detach().clone())

    condense(method, real, 2, compute=DOUBLE, observers=[keep])
    return kept


def test_the_learning_rate_falls_as_a_cosine() -> None:
    method = dm(steps=6, lr=0.5, momentum=0.0)
    constant, falling = iterates(method, images()), iterates(replace(method, schedule="cosine"), images())
    # The first step is the same; to see the later rates, each gradient is taken where the falling run stood.
    torch.testing.assert_close(falling[1], constant[1])
    for step in range(1, 6):
        factor = (1 + math.cos(math.pi * step / 6)) / 2
        source = SyntheticImages(replace(images(2), images=falling[step]))
        state = method.init(images(), {0: 2, 1: 2, 2: 2}, Rng(0).child("init"), DOUBLE)
        state.source.images.data.copy_(source.images.detach())
        method.step(state, images(), Rng(0).child("step", step))
        full = state.source.images.detach() - falling[step]
        torch.testing.assert_close(falling[step + 1] - falling[step], factor * full, rtol=1e-6, atol=1e-12)


def test_the_result_is_the_running_average() -> None:
    method = dm(steps=15, averaging=0.5)
    kept = iterates(method, images())
    average = kept[0]
    for step in range(1, 16):
        part = min(0.5, step / (step + 9))
        average = part * average + (1 - part) * kept[step]
    torch.testing.assert_close(condense(method, images(), 2, compute=DOUBLE).images.double(), average, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(iterates(replace(method, averaging=0.0), images())[-1], kept[-1])


def test_the_loss_falls() -> None:
    losses: list[float] = []
    method = dm(steps=60, batch_per_class=40, lr=2.0, networks=Fresh(ConvNet(width=16)), start="noise", augmentation=None)
    condense(method, images(40), 2, compute=Compute(**CPU), observers=[lambda m: losses.append(m.loss or 0)])  # type: ignore[arg-type]
    assert max(losses[-5:]) < 0.5 * losses[1]


def test_real_initialization_uses_real_images() -> None:
    real = images()
    start = condense(dm(steps=0), real, 2, compute=Compute(**CPU))  # type: ignore[arg-type]
    every = {tuple(image.flatten().tolist()) for image in real.inputs()}
    assert all(tuple(image.flatten().tolist()) in every for image in start.images)


def test_noise_initialization_is_standard_normal() -> None:
    start = condense(dm(steps=0, start="noise"), images(shape=(3, 32, 32)), 10, compute=Compute(**CPU))  # type: ignore[arg-type]
    assert abs(float(start.images.mean())) < 0.01
    assert abs(float(start.images.std()) - 1) < 0.01


@pytest.mark.parametrize("setting", ["compute.chunk", "method.classes_at_a_time"])
def test_batch_norm_must_see_the_whole_batch(setting: str) -> None:
    kind, name = setting.split(".")
    method = dm(networks=Fresh(ConvNet(width=8, norm="batch")), **({name: 1} if kind == "method" else {}))
    with pytest.raises(CondensationError) as caught:
        condense(method, images(), 1, compute=Compute(device="cpu", **({name: 1} if kind == "compute" else {})))  # type: ignore[arg-type]
    assert caught.value.setting == setting


def test_divergence_stops_the_run_and_keeps_the_last_good_state(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint", every=0)
    with pytest.raises(Diverged) as raised:
        condense(dm(lr=1e30, steps=9), images(), 2, compute=Compute(**CPU), checkpoint=checkpoint)  # type: ignore[arg-type]
    assert (raised.value.step, raised.value.setting) == (2, "method.lr")
    tensors, card = read_tensors(tmp_path / "checkpoint", "checkpoint")
    assert card["step"] == raised.value.kept
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_microbatches_of_synthetic_images_give_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    real, counts, embed = images(), [], Stack.embed

    def counted(self: Stack, batch: Tensor) -> Tensor:
        counts.append((len(batch), torch.is_grad_enabled()))
        return embed(self, batch)

    def learned(pieces: tuple[int, int]) -> Tensor:
        monkeypatch.setattr("condensation.core.microbatch.LEARNED_PIXELS", tuple(256 * size for size in pieces))
        return condense(dm(steps=2), real, 4, compute=DOUBLE).images

    monkeypatch.setattr(Stack, "embed", counted)
    whole, ours = learned((16, 63)), learned((2, 5))
    assert torch.allclose(ours, whole, rtol=1e-10, atol=1e-12)
    assert [count for count, learning in counts if learning] == [12] * 2 + [4] * 6


def test_a_step_with_tiles_is_the_plain_step_on_decoded_images() -> None:
    real = images(per_class=8)
    method = dm(form=Tiles(2), steps=1, momentum=0.0)
    start = condense(replace(method, steps=0), real, 2, compute=DOUBLE)
    made = condense(method, real, 2, compute=DOUBLE)

    stored = start.images.clone().requires_grad_()
    network = method.networks.network(real.shape, 3, "cpu").double()
    rng = Rng(0).child("step", 0)
    network.redraw(rng.child("network"))
    transform = DSA().fit(real).per_class(real.classes, rng.child("augment"))
    draw = real.draw(method.batch_per_class, rng.child("real"))
    loss = torch.zeros((), dtype=torch.float64)
    decoded = Tiles(2).decode(stored)  # 8 per class
    for label in range(3):
        chosen = draw.indices[draw.class_index == label]
        features = network.embed(transform(real.inputs(chosen).double(), torch.full((len(chosen),), label)))
        others = network.embed(transform(decoded[8 * label : 8 * label + 8], torch.full((8,), label)))
        loss = loss + (features.mean(0) - others.mean(0)).square().sum()
    loss.backward()
    torch.testing.assert_close(made.images, start.images - method.lr * stored.grad, rtol=1e-9, atol=1e-9)


def test_tiles_start_from_as_many_real_images_as_they_show() -> None:
    real = images(per_class=9)
    start = condense(dm(form=Tiles(2), steps=0), real, 2, compute=DOUBLE)
    shrunk = torch.nn.functional.avg_pool2d(real.inputs(), 2)
    tiles = start.images.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
    places = [[index for index, image in enumerate(shrunk.double()) if torch.allclose(image, tile)] for tile in tiles]
    assert all(len(found) == 1 for found in places)
    assert len({found[0] for found in places}) == 24  # all distinct: 8 per class
    assert [real.labels[found[0]].item() for found in places] == [0] * 8 + [1] * 8 + [2] * 8


def test_a_class_with_few_images_repeats_them_in_its_tiles() -> None:
    start = condense(dm(form=Tiles(2), steps=0), images(per_class=3), 2, compute=DOUBLE)
    assert start.counts == {0: 2, 1: 2, 2: 2}


def test_tiles_that_do_not_fit_are_refused_before_the_first_step() -> None:
    with pytest.raises(CondensationError) as raised:
        condense(dm(form=Tiles(3)), images(), 2, compute=DOUBLE)
    assert raised.value.setting == "method.form.factor"


# -- calibration


@pytest.fixture
def pooled(tmp_path: Path) -> Pool:
    """A pool of one network that was trained a little."""
    recipe = PoolRecipe(networks=1, recipe=Recipe(epochs=1, batch=9, augmentation=None), bounds=(0,))
    make_pool(ConvNet(width=6), images(per_class=9), tmp_path / "pool", recipe, compute=Compute(**CPU))  # type: ignore[arg-type]
    return Pool(str(tmp_path / "pool"), "0+", ConvNet(width=6))


def test_calibration_adds_the_cross_entropy_of_seen_images_by_class(pooled: Pool) -> None:
    real = images(per_class=9)
    plain = dm(steps=1, momentum=0.0, networks=pooled, form=Tiles(2), augmentation=None)
    start, without, calibrated = (
        condense(method, real, {0: 1, 1: 2, 2: 1}, compute=DOUBLE).images
        for method in (replace(plain, steps=0), plain, replace(plain, calibration=3.0))
    )
    network = pooled.network(real.shape, 3, "cpu").double()
    pooled.redraw(network, Rng(0).child("step", 0).child("network"))
    stored = start.clone().requires_grad_()
    entropy = torch.zeros((), dtype=torch.float64)
    for label, place in enumerate((slice(0, 4), slice(4, 12), slice(12, 16))):
        logits = network(Tiles(2).decode(stored)[place])
        entropy = entropy + torch.nn.functional.cross_entropy(logits, torch.full((len(logits),), label))
    entropy.backward()
    torch.testing.assert_close(calibrated - without, -plain.lr * 3.0 * stored.grad, rtol=1e-7, atol=1e-9)


def test_calibration_of_a_network_without_a_linear_head_is_that_of_its_logits(pooled: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a network, which a user may have, needs a second pass."""
    method = dm(networks=pooled, calibration=1.0, steps=2, augmentation=None)
    with_head = condense(method, images(per_class=9), 2, compute=DOUBLE).images
    monkeypatch.setattr(Pooled, "head", None)
    torch.testing.assert_close(condense(method, images(per_class=9), 2, compute=DOUBLE).images, with_head)


def test_calibration_by_groups_of_classes_gives_the_same(pooled: Pool) -> None:
    whole, groups = (
        condense(dm(networks=pooled, calibration=1.0, classes_at_a_time=count), images(per_class=9), 2, compute=DOUBLE).images
        for count in (None, 1)
    )
    torch.testing.assert_close(whole, groups)


def test_calibration_uses_the_labels_of_a_part_of_the_classes(pooled: Pool) -> None:
    real = images(per_class=9)
    method = dm(networks=pooled, calibration=1.0, steps=2)
    whole, part = (condense(method, chosen, 2, compute=DOUBLE) for chosen in (real, real.select([2, 1])))
    torch.testing.assert_close(part.images, whole.select([1, 2]).images)


@pytest.mark.parametrize("networks", [Fresh(), Pool("a", "random"), Pool("a", "all")])
def test_calibration_with_untrained_networks_is_refused(networks: Fresh | Pool) -> None:
    with pytest.raises(CondensationError) as raised:
        dm(networks=networks, calibration=1.0)
    assert raised.value.setting == "method.networks"


def test_a_negative_calibration_is_refused() -> None:
    with pytest.raises(CondensationError) as raised:
        dm(calibration=-1.0)
    assert raised.value.setting == "method.calibration"
