"""Contract of all methods. Add a new method to `SMALL_METHODS` to test it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from condensation import (
    DCVAE,
    KIP,
    METHODS,
    BestOf,
    BigGAN,
    Checkpoint,
    Compute,
    CondensationError,
    ConvNet,
    Forgetting,
    Fresh,
    Herding,
    ImageSet,
    KCenter,
    Method,
    PixelMMD,
    Random,
    Recipe,
    StepInfo,
    Stopped,
    condense,
    evaluate,
)
from condensation.core import stored_images
from condensation.core.form import Frequencies, Tiles
from condensation.core.image_files import Block, ImageFiles
from condensation.core.stored_images import StoredImages
from condensation.generators.autoencoder import Autoencoder
from condensation.matching.kernels import RBF, Laplacian
from condensation.methods.trained_selection import TrainedSelection
from condensation.networks.ntk.convolutional import Convolutional
from condensation.networks.user_module import UserModule
from condensation.networks.weight_norm import WeightNormConvNet
from tests.small import CPU, TRAINED, biggan, dc, dc_vae, dm, dsa, gmmn, gtn, images

SMALL_METHODS: dict[str, Method] = {
    "random": Random(),
    "random-tiles": Random(form=Tiles(2)),
    "random-frequencies": Random(form=Frequencies(4)),
    "herding": Herding(**TRAINED),  # type: ignore[arg-type]
    "herding-tiles": Herding(**TRAINED, form=Tiles(2)),  # type: ignore[arg-type]
    "k-center": KCenter(**TRAINED),  # type: ignore[arg-type]
    "forgetting": Forgetting(**TRAINED),  # type: ignore[arg-type]
    "pixel-mmd": PixelMMD(steps=4),
    "pixel-mmd-rbf": PixelMMD(steps=4, kernel=RBF(), batch_per_class=6),
    "pixel-mmd-tiles": PixelMMD(steps=4, form=Tiles(2)),
    "pixel-mmd-frequencies": PixelMMD(steps=4, kernel=RBF(), batch_per_class=6, form=Frequencies(4)),
    "gmmn": gmmn(),
    "gmmn-conditional": gmmn(networks="conditional", optimizer="sgd", lr_drop_step=2),
    "gmmn-codes": gmmn(autoencoder=Autoencoder(hidden=8, code=4, steps=1)),
    "dc-vae": dc_vae(),
    "dc-vae-one-a-class": dc_vae(networks="one-a-class", averaging_from=1, critic_steps=1, steps=3, batch=4, samples=4),
    "biggan": biggan(),
    "biggan-plain": biggan(augmentation=None, mirror=False, critic_steps=1),
    "gtn": gtn(),
    "gtn-weight-norm": gtn(learner=WeightNormConvNet(widths=(3, 4), hidden=5), passes=2, intermediate=0.0),
    "dm": dm(),
    "dm-tiles": dm(form=Tiles(2)),
    "dm-frequencies": dm(form=Frequencies(8)),
    "dm-tiles-groups": dm(form=Tiles(2), classes_at_a_time=2, kernel=Laplacian(), start="noise", averaging=0.9),
    "dm-kernel": dm(kernel=Laplacian()),
    "dm-noise": dm(start="noise"),
    "dm-kmeans": dm(start="kmeans"),
    "dm-groups": dm(classes_at_a_time=2),
    "dm-plain": dm(augmentation=None),
    "dm-averaged": dm(averaging=0.9, schedule="cosine"),
    "dc": dc(),
    "dc-groups": dc(classes_at_a_time=2, start="real"),
    "dc-loops": dc(outer_loops=3, inner_loops=2, averaging=0.9),
    "dc-tiles": dc(form=Tiles(2), outer_loops=2, inner_loops=1, start="real"),
    "dc-frequencies": dc(form=Frequencies(4), classes_at_a_time=2),
    "dsa": dsa(),
    "dsa-tiles": dsa(form=Tiles(2)),
    "kip": KIP(steps=4, batch=18),
    "kip-labels": KIP(steps=4, batch=18, labels="learned", start="noise"),
    "kip-solved": KIP(steps=4, batch=18, labels="solved"),
    "label-solve": KIP(steps=0, labels="solved"),
    "kip-conv": KIP(steps=4, batch=9, kernel=Convolutional(depth=2)),
    "best-of": BestOf(dm(steps=1), sets=2, mixtures=4, eval_per_class=5, eval_network=ConvNet(width=8), recipe=Recipe(epochs=4, batch=16)),
    "best-of-tiles": BestOf(
        dm(steps=1, form=Tiles(2)), sets=2, mixtures=2, eval_per_class=5, eval_network=ConvNet(width=8), recipe=Recipe(epochs=2, batch=16)
    ),
    "dsa-batch-norm": dsa(outer_loops=2, networks=Fresh(ConvNet(width=4, norm="batch"))),
}
# They train on all classes together, so a class depends on the others.
ON_ALL_CLASSES = {
    "dc-loops",
    "dc-tiles",
    "dsa-batch-norm",
    "gmmn-conditional",
    "gmmn-codes",
    "dc-vae",
    "biggan",
    "biggan-plain",
    "gtn",
    "gtn-weight-norm",
    "best-of",
    "best-of-tiles",
} | {name for name, method in SMALL_METHODS.items() if isinstance(method, TrainedSelection | KIP)}
# They support square images of 28 pixels, or of 16 and its doublings.
OF_SOME_SIZES = (DCVAE, BigGAN)
COMPUTE = Compute(**CPU)  # type: ignore[arg-type]


# The first settings of each method; of the others, the quick tests try what differs between settings.
FIRST = {type(method): name for name, method in reversed(SMALL_METHODS.items())}.values()
EVERY_SETTINGS = pytest.mark.parametrize("method", SMALL_METHODS, indirect=True)


def first_quick(names: Iterable[str]) -> list[object]:
    return [pytest.param(name, marks=[] if name in FIRST else pytest.mark.slow) for name in names]


@pytest.fixture(scope="module", params=first_quick(SMALL_METHODS))
def method(request: pytest.FixtureRequest) -> Method:
    return SMALL_METHODS[request.param]


@pytest.fixture(scope="module")
def real() -> ImageSet:
    return images()


@pytest.fixture(scope="module")
def unbroken(method: Method, real: ImageSet) -> ImageSet:
    """The result with two images per class, seed 0, no observer and no interruption."""
    return run(method, real)


def run(method: Method, real: ImageSet, ipc: int | dict[int, int] = 2, **more: object) -> ImageSet:
    return condense(method, real, ipc, compute=COMPUTE, **more)  # type: ignore[arg-type]


def same(one: ImageSet, other: ImageSet) -> bool:
    return torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


def test_images_that_stay_in_files_give_the_same(
    method: Method, real: ImageSet, unbroken: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_images, "IN_MEMORY", 0)
    monkeypatch.setattr(StoredImages, "whole", lambda images: pytest.fail("all images were read at once"))
    (tmp_path / "images").write_bytes(real.images.numpy().tobytes())
    block = Block(str(tmp_path / "images"), 0, len(real), real.shape[0])
    stored = replace(real, images=StoredImages.of(ImageFiles([block], real.shape)))
    assert same(run(method, stored), unbroken)


def test_the_contract_covers_every_method() -> None:
    assert {type(method) for method in SMALL_METHODS.values()} == set(METHODS.values())


@EVERY_SETTINGS
def test_output_is_balanced_and_like_the_input(unbroken: ImageSet, real: ImageSet) -> None:
    small = unbroken
    assert small.counts == {0: 2, 1: 2, 2: 2}
    assert small.shape == real.shape
    assert small.class_names == real.class_names
    assert small.preprocessing == real.preprocessing
    assert small.images.dtype == torch.float32
    assert small.images.isfinite().all()


def test_the_seed_decides_everything_and_the_global_random_state_is_unchanged(method: Method, unbroken: ImageSet, real: ImageSet) -> None:
    assert not same(unbroken, run(method, real, seed=2))
    torch.manual_seed(5)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    assert same(unbroken, run(method, real))
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])  # type: ignore[index]


def test_observers_do_not_change_the_result(method: Method, unbroken: ImageSet, real: ImageSet) -> None:
    def judge(info: StepInfo) -> None:
        evaluate(info.snapshot(), real, network=ConvNet(width=4), recipe=Recipe(epochs=1), networks=1, compute=COMPUTE)
        info.snapshot().images.zero_()  # a snapshot is the observer's own
        torch.rand(3)

    assert same(unbroken, run(method, real, observers=[judge]))


@EVERY_SETTINGS
@pytest.mark.parametrize("stop_at", [1, *(pytest.param(step, marks=pytest.mark.slow) for step in (0, 3))])
def test_resume_is_exact(method: Method, unbroken: ImageSet, real: ImageSet, stop_at: int, tmp_path: Path) -> None:
    def stop(info: StepInfo) -> None:
        if info.step == min(stop_at, method.steps):
            raise Stopped("enough")

    with pytest.raises(Stopped):
        run(method, real, observers=[stop], checkpoint=Checkpoint(tmp_path / "checkpoint"))
    seen: list[int] = []
    resumed = run(method, real, checkpoint=Checkpoint(tmp_path / "checkpoint"), observers=[lambda info: seen.append(info.step)])
    assert seen[0] == min(stop_at, method.steps)
    assert same(unbroken, resumed)


@pytest.mark.parametrize("name", first_quick(sorted(SMALL_METHODS.keys() - ON_ALL_CLASSES)))
def test_a_class_does_not_depend_on_the_other_classes(name: str) -> None:
    method = SMALL_METHODS[name]
    real = images(classes=4)
    whole, part = run(method, real), run(method, real.select([1, 3]))
    assert part.counts == {1: 2, 3: 2}
    # Draws are the same to the bit; sums over batches of another size may round differently.
    torch.testing.assert_close(part.images, whole.select([1, 3]).images, rtol=1e-4, atol=1e-5)


def test_methods_that_train_on_all_classes_are_not_classwise() -> None:
    assert not [name for name in ON_ALL_CLASSES if SMALL_METHODS[name].is_classwise(images())]


def test_dm_is_classwise_without_batch_norm_and_dropout() -> None:
    assert dm().is_classwise(images())
    assert not dm(networks=Fresh(ConvNet(width=4, norm="batch"))).is_classwise(images())
    assert not dm(networks=Fresh(UserModule("tests.networks.user_nets:dropout"))).is_classwise(images())


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 12, 20)])
def test_any_image_shape(method: Method, shape: tuple[int, int, int]) -> None:
    real = images(shape=shape)
    if isinstance(method, OF_SOME_SIZES) and shape[1:] not in {(28, 28), (32, 32)}:
        with pytest.raises(CondensationError, match=f"{shape[1]}x{shape[2]}"):
            run(method, real)
    else:
        assert run(method, real).shape == shape


def test_uneven_classes(method: Method) -> None:
    small = run(method, images(per_class=[3, 12, 7]), 3)
    assert small.counts == {0: 3, 1: 3, 2: 3}


def test_small_classes_contribute_all_images_on_request(method: Method) -> None:
    real = images(per_class=[3, 12, 7])
    small = run(method, real, 5, small_classes="all")
    assert small.counts == {0: 3, 1: 5, 2: 5}
    assert same(small, run(method, real, {0: 3, 1: 5, 2: 5}))


def test_resume_requires_the_same_counts_of_small_classes(tmp_path: Path) -> None:
    method = dm()

    def stop(info: StepInfo) -> None:
        if info.step == min(1, method.steps):
            raise Stopped("enough")

    real = images(per_class=[3, 12, 7])
    with pytest.raises(Stopped):
        run(method, real, 5, small_classes="all", observers=[stop], checkpoint=Checkpoint(tmp_path / "checkpoint"))
    with pytest.raises(CondensationError, match=r"ipc\.0 is 3 there, 2 here"):
        run(method, real, {0: 2, 1: 5, 2: 5}, checkpoint=Checkpoint(tmp_path / "checkpoint"))
    unbroken = run(method, real, 5, small_classes="all")
    assert same(unbroken, run(method, real, 5, small_classes="all", checkpoint=Checkpoint(tmp_path / "checkpoint")))


def test_a_different_number_for_each_class(method: Method, real: ImageSet) -> None:
    assert run(method, real, {0: 1, 1: 4, 2: 2}).counts == {0: 1, 1: 4, 2: 2}


def test_one_image_per_class(method: Method, real: ImageSet) -> None:
    assert run(method, real, 1).counts == {0: 1, 1: 1, 2: 1}


@pytest.mark.parametrize("ipc", [0, -2, 13, {0: 1, 1: 1}, {0: 1, 1: 1, 2: 1, 9: 1}])
def test_invalid_counts_raise(real: ImageSet, ipc: int | dict[int, int]) -> None:
    with pytest.raises(CondensationError) as raised:
        run(Random(), real, ipc)  # the loop checks them before any method
    assert raised.value.setting == "ipc"


def test_a_single_class_raises(real: ImageSet) -> None:
    with pytest.raises(CondensationError):
        run(Random(), real.select([1]))


@pytest.fixture(autouse=True)
def no_grad_is_not_left_off() -> Iterator[None]:
    yield
    assert torch.is_grad_enabled()


GROWING = {name: method for name, method in SMALL_METHODS.items() if method.growing_setting}


@pytest.mark.parametrize("name", first_quick(GROWING))
def test_a_run_that_is_made_longer_equals_a_long_run(name: str, tmp_path: Path) -> None:
    method, setting = GROWING[name], GROWING[name].growing_setting
    short: Method = replace(method, **{setting: 2})
    whole: Method = replace(method, **{setting: 3})
    checkpoint = Checkpoint(tmp_path / "state", every=0)
    condense(short, images(), 2, compute=COMPUTE, checkpoint=checkpoint)
    longer = condense(whole, images(), 2, compute=COMPUTE, checkpoint=checkpoint)
    assert torch.equal(longer.images, condense(whole, images(), 2, compute=COMPUTE).images)


def test_methods_whose_steps_depend_on_their_number_do_not_grow() -> None:
    fixed = {"dm-averaged", "kip-solved", "label-solve", "gtn", "gtn-weight-norm", "herding", "random"}
    assert not fixed & GROWING.keys()
    assert {"dm", "dc", "kip", "pixel-mmd", "biggan", "dc-vae", "gmmn"} <= GROWING.keys()
