"""Private distribution matching: the release, its guarantee, and that nothing else touches the images."""

import gc
from dataclasses import replace
from types import SimpleNamespace

import dp_accounting
import pytest
import torch
from dp_accounting.pld import PLDAccountant

from condensation import DM, BestOf, Checkpoint, CondensationError, ConvNet, Fresh, Privacy, Release, Rng, Stopped, Trained, condense, load
from condensation.core.images import ImageSet
from condensation.matching import clipped_sums
from condensation.matching.kernels import KERNELS
from condensation.methods import release as release_module
from condensation.methods.accounting import account, spent
from condensation.methods.public_draws import PublicDraws
from condensation.methods.released_images import ReleasedImages

DIGITS = load("digits", preprocessing="centered")
PRIVATE = DM(steps=3, privacy=Privacy(epsilon=1.0, networks=2), networks=Fresh(ConvNet(width=4)))


@pytest.fixture(scope="module")
def real():
    return DIGITS.train.take(torch.arange(0, len(DIGITS.train), 20))


@pytest.fixture(scope="module")
def made(real):
    return Release.of(PRIVATE, real)


@pytest.mark.parametrize(
    ("epsilon", "networks"),
    [(1.0, 1), (1.0, 500), pytest.param(10.0, 1, marks=pytest.mark.slow), pytest.param(10.0, 500, marks=pytest.mark.slow)],
)
def test_epsilon_is_that_of_dp_accounting(networks, epsilon):
    cost = account(epsilon, 1e-5, networks)
    accountant = PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    accountant.compose(dp_accounting.SelfComposedDpEvent(dp_accounting.GaussianDpEvent(cost.noise_multiplier), networks))
    assert cost.epsilon_pld == pytest.approx(accountant.get_epsilon(1e-5), rel=1e-9)
    assert 0.999 * epsilon < cost.epsilon_pld <= epsilon
    assert cost.epsilon_rdp > cost.epsilon_pld
    assert cost.noise_multiplier == pytest.approx(dp_accounting.get_sigma_gaussian(epsilon, 1e-5) * networks**0.5, rel=1e-3)


def test_less_noise_costs_more():
    assert spent(4.0, 1e-5, 1) < spent(3.0, 1e-5, 1) < spent(3.0, 1e-5, 2)


def clean_sums(method, real):
    """Plain class sums of clipped embeddings, one image at a time in float64."""
    public, sums = PublicDraws(method, real, 0, release_module.Compute(precision="float32").resolve()), []
    for number in range(method.privacy.networks):
        transform = public.draw(number, real)
        total = 0
        for index in range(len(real)):
            rows = real.class_index[index : index + 1]
            with torch.no_grad():
                vector = public.network.embed(transform(real.inputs(slice(index, index + 1)), rows)).double()[0]
            one = torch.zeros(len(real.classes), len(vector), dtype=torch.float64)
            one[rows[0]] = vector * min(1.0, method.privacy.clip / float(vector.norm()))
            total = total + one
        sums.append(total)
    return torch.stack(sums)


@pytest.mark.parametrize("clip", [1.0, 3.0])
def test_released_sums_have_noise_of_the_stated_scale(real, clip):
    method = replace(PRIVATE, privacy=Privacy(epsilon=1.0, networks=2, clip=clip, center=None))
    made = Release.of(method, real, compute=release_module.Compute(precision="float32"))
    noise = made.sums.double() - clean_sums(method, real)
    sigma = account(1.0, 1e-5, 2).noise_multiplier * clip
    assert made.card["privacy"]["sigma"] == pytest.approx(sigma)
    assert float(noise.std()) == pytest.approx(sigma, rel=0.08)  # 6 standard errors of 2,880 numbers
    assert abs(float(noise.mean())) < 0.12 * sigma
    again = Release.of(method, real, compute=release_module.Compute(precision="float32")).sums.double() - clean_sums(method, real)
    assert abs(float((noise * again).mean())) < 0.12 * sigma**2  # the same seed, but other noise


def copies_of(clean):
    """Number of tensors in memory that equal one of the sums, in whole numbers or in units."""
    gc.collect()
    wanted = [torch.tensor(each) for each in clean]
    others = [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor) and not any(each is one for one in wanted)]
    alike = [each.double() for each in others if each.shape == wanted[0].shape]
    return sum(any(torch.allclose(each * scale, one.double()) for one in wanted for scale in (1, clipped_sums.GRID)) for each in alike)


def test_no_clean_sum_is_left_after_a_release(real, monkeypatch):
    clean = []

    def spied(sums, multiplier):
        clean.append(sums.numpy().tolist())
        return clipped_sums.add_noise_(sums, multiplier)

    monkeypatch.setattr(release_module, "add_noise_", spied)
    made = Release.of(PRIVATE, real)
    assert len(clean) == len(made.sums)
    assert copies_of(clean) == 0
    kept = torch.tensor(clean[1]).float() / clipped_sums.GRID
    assert copies_of(clean) == 1, "the search must find a sum that was kept"
    del kept


def test_steps_see_the_release_and_no_image(real, made):
    noise = torch.randint(0, 256, real.images.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    others = ImageSet.of(noise, real.labels, real.class_names, preprocessing=real.preprocessing, flip_invariant=real.flip_invariant)
    small, again = (condense(PRIVATE, images, 2, release=made) for images in (real, others))
    assert torch.equal(small.images, again.images)
    assert small.counts == dict.fromkeys(range(10), 2)


def test_steps_refuse_real_images(real):
    compute = release_module.Compute(precision="float32", compile="never").resolve()
    state = PRIVATE.init(real, dict.fromkeys(range(10), 1), Rng(0), compute)
    with pytest.raises(CondensationError) as error:
        PRIVATE.step(state, real, Rng(0))
    assert error.value.setting == "method.privacy"


def test_several_processes_are_refused(real):
    with pytest.raises(CondensationError) as error:
        condense(PRIVATE, real, 1, team=SimpleNamespace(size=2))
    assert error.value.setting == "method.privacy"


def test_every_step_sees_the_same_noise(real, made):
    images = ReleasedImages.of_release(real, made)
    assert torch.equal(images.target(1), images.target(1))
    assert not images.images.any()
    assert torch.equal(images.target(0), made.sums[0] / made.counts[:, None])


def test_one_release_serves_any_number_of_images_steps_and_forms(real, made):
    for method, ipc in ((replace(PRIVATE, steps=1), 30), (replace(PRIVATE, averaging=0.9, lr=0.1), 1)):
        assert len(condense(method, real, ipc, seed=5, release=made)) == 10 * ipc


def test_a_release_is_read_as_it_was_saved(made, tmp_path):
    made.save(tmp_path / "release.safetensors")
    read = Release.load(tmp_path / "release.safetensors")
    assert read.digest == made.digest
    assert torch.equal(read.sums, made.sums)


def test_a_resumed_run_uses_the_release_that_was_kept(real, tmp_path):
    def stop(info):
        if info.step == 1:
            raise Stopped("enough")

    checkpoint = Checkpoint(tmp_path / "a" / "checkpoint.safetensors", every=0)
    checkpoint.path.parent.mkdir()
    with pytest.raises(Stopped):
        condense(PRIVATE, real, 1, checkpoint=checkpoint, observers=[stop])
    resumed = condense(PRIVATE, real, 1, checkpoint=checkpoint)
    kept = Release.load(tmp_path / "a" / "release.safetensors")
    assert torch.equal(resumed.images, condense(PRIVATE, real, 1, release=kept).images)


def test_noised_counts_cost_one_more_release(real):
    made = Release.of(replace(PRIVATE, privacy=Privacy(epsilon=1.0, networks=2, counts="noised")), real)
    assert made.card["privacy"]["noise_multiplier"] == account(1.0, 1e-5, 3).noise_multiplier
    assert "images" not in made.card["data"]
    assert made.counts.tolist() != [real.counts[label] for label in real.classes]
    assert made.counts.min() >= 1


def test_a_projection_and_public_images_as_centre_are_possible(real):
    privacy = Privacy(epsilon=1.0, networks=1, projection=6, center="digits")
    made = Release.of(replace(PRIVATE, privacy=privacy), real)
    assert made.sums.shape == (1, 10, 6)
    assert condense(replace(PRIVATE, privacy=privacy), real, 1, release=made).images.isfinite().all()


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"start": "real"}, "method.start"),
        ({"start": "kmeans"}, "method.start"),
        ({"networks": Trained()}, "method.networks"),
        ({"kernel": KERNELS["rbf"]}, "method.kernel"),
    ],
)
def test_settings_that_look_at_the_images_are_refused(changes, setting):
    with pytest.raises(CondensationError) as error:
        replace(PRIVATE, **changes)
    assert error.value.setting == setting
    assert error.value.hint


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"epsilon": 0.0}, "epsilon"),
        ({"epsilon": 101.0}, "epsilon"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"delta": 0.0}, "delta"),
        ({"delta": 1.0}, "delta"),
        ({"clip": 0.0}, "clip"),
        ({"networks": 0}, "networks"),
        ({"counts": "secret"}, "counts"),
    ],
)
def test_budgets_out_of_range_are_refused(changes, setting):
    with pytest.raises(CondensationError) as error:
        Privacy(**{"epsilon": 1.0, **changes})
    assert error.value.setting == f"method.privacy.{setting}"


class Mixing(torch.nn.Module):
    def embed(self, images):
        return images.flatten(1) - images.flatten(1).mean(0)


@pytest.mark.parametrize("spec", [ConvNet(width=4, norm="batch"), "alexnet-like dropout", "mixing"])
def test_networks_that_mix_images_or_draw_numbers_are_refused(real, spec, monkeypatch):
    method = PRIVATE
    if isinstance(spec, ConvNet):
        method = replace(method, networks=Fresh(spec))
    else:
        network = torch.nn.Sequential(torch.nn.Dropout()) if "dropout" in spec else Mixing()
        monkeypatch.setattr(Fresh, "network", lambda *_: network)
        monkeypatch.setattr(Fresh, "redraw", lambda *_: None)
    with pytest.raises(CondensationError) as error:
        condense(method, real, 1)
    assert error.value.setting == "method.networks.spec"


@pytest.mark.parametrize("kind", ["standardize", "published"])
def test_fitted_preprocessing_is_refused(kind):
    train = load("fashion-mini", preprocessing=kind).train
    with pytest.raises(CondensationError) as error:
        condense(PRIVATE, train, 1)
    assert error.value.setting == "data.preprocessing"


def test_the_best_of_private_sets_is_refused():
    with pytest.raises(CondensationError) as error:
        BestOf(PRIVATE)
    assert error.value.setting == "method.of"


@pytest.mark.parametrize(
    "change",
    [
        lambda method, real: (replace(method, privacy=replace(method.privacy, epsilon=2.0)), real),
        lambda method, real: (replace(method, networks=Fresh(ConvNet(width=5))), real),
        lambda method, real: (replace(method, augmentation=None), real),
        lambda method, real: (method, real.select(range(9))),
        lambda method, real: (method, real.take(torch.arange(len(real) - 1))),
    ],
)
def test_a_release_of_other_data_or_settings_is_refused(real, made, change):
    method, images = change(PRIVATE, real)
    with pytest.raises(CondensationError) as error:
        condense(method, images, 1, release=made)
    assert error.value.setting == "release"
    assert " there, " in error.value.message
