import pytest
import torch

from condensation.core.errors import CondensationError
from condensation.core.preprocessing import PREPROCESSINGS, Identity, Standardize, Zca


def pictures(count=400, channels=3, side=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    smooth = torch.rand(count, channels, side + 2, side + 2, generator=generator)
    # Neighbours share values, as in pictures, so that the covariance is far from round.
    return torch.nn.functional.avg_pool2d(smooth, 3, 1) * torch.rand(count, 1, 1, 1, generator=generator)


FITTED = [Identity(), Standardize.fit([pictures()]), Zca.fit([pictures()])]


@pytest.mark.parametrize("preprocessing", FITTED, ids=lambda value: type(value).__name__)
def test_inverse(preprocessing):
    images = pictures(seed=1)
    inputs = preprocessing(images)
    assert inputs.shape == images.shape
    if isinstance(preprocessing, Zca):
        back = preprocessing.inverse(inputs, preprocessing.statistics(images))
    else:
        back = preprocessing.inverse(inputs)
    torch.testing.assert_close(back, images, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("preprocessing", FITTED, ids=lambda value: type(value).__name__)
def test_its_tensors_make_an_equal_map(preprocessing):
    assert type(preprocessing) in PREPROCESSINGS.values()
    again = type(preprocessing)(**preprocessing.tensors())
    assert again == preprocessing
    assert hash(again) == hash(preprocessing)


def test_different_ones_are_not_equal():
    assert Standardize(torch.zeros(1), torch.ones(1)) != Standardize(torch.ones(1), torch.ones(1))
    assert Identity() != Standardize(torch.zeros(1), torch.ones(1))


def test_standardize_in_batches_is_standardize_at_once():
    images = pictures()
    fitted = Standardize.fit(images.split(7))
    exact = images.double()
    torch.testing.assert_close(fitted.mean, exact.mean((0, 2, 3)).float())
    torch.testing.assert_close(fitted.std, exact.std((0, 2, 3), correction=0).float())


def test_a_constant_channel_is_not_divided():
    fitted = Standardize.fit([torch.full((4, 1, 3, 3), 0.25)])
    assert torch.equal(fitted.std, torch.ones(1))
    assert fitted(torch.full((1, 1, 3, 3), 0.25)).abs().max() < 1e-6


def whitening_by_svd(images, reg):
    """The formula of KIP's appendix, step by step in float64."""
    exact = images.double()
    standard = (exact - exact.mean((0, 2, 3), keepdim=True)) / exact.std((0, 2, 3), correction=0, keepdim=True)
    flat = standard.flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    flat = flat / flat.norm(dim=1, keepdim=True)
    covariance = flat.T @ flat / len(flat)
    ridge = reg * covariance.trace() / len(covariance)
    left, values, _ = torch.linalg.svd(covariance + ridge * torch.eye(len(covariance), dtype=torch.float64))
    return left @ torch.diag(values**-0.5) @ left.T, flat, covariance, ridge


@pytest.mark.parametrize("reg", [0.1, 1e-3])
def test_zca_follows_the_formula(reg):
    images = pictures()
    whiten, flat, _, _ = whitening_by_svd(images, reg)
    fitted = Zca.fit(images.split(64), reg)
    torch.testing.assert_close(fitted.whiten.double(), whiten, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(fitted(images).flatten(1).double(), flat @ whiten, atol=1e-3, rtol=1e-3)


def test_the_whitened_covariance_is_the_identity_up_to_reg():
    images = pictures()
    _, _, covariance, ridge = whitening_by_svd(images, 0.1)
    inputs = Zca.fit([images])(images).flatten(1).double()
    values = torch.linalg.eigvalsh(covariance)
    torch.testing.assert_close(torch.linalg.eigvalsh(inputs.T @ inputs / len(inputs)), values / (values + ridge), atol=1e-4, rtol=1e-3)
    nearly = Zca.fit([images], 1e-5)(images).flatten(1).double()
    values = torch.linalg.eigvalsh(nearly.T @ nearly / len(nearly))
    torch.testing.assert_close(values[1:], torch.ones(len(values) - 1, dtype=torch.float64), atol=0.05, rtol=0)  # the mean is gone


def test_zca_takes_an_iterator_too():
    images = pictures()
    assert Zca.fit(iter(images.split(64))) == Zca.fit(images.split(64))


def test_a_blank_image_stays_finite():
    fitted = Zca.fit([pictures()])
    assert fitted(torch.zeros(1, 3, 5, 5)).isfinite().all()


def test_zca_refuses_singular_covariances():
    with pytest.raises(CondensationError, match="reg is 0"):
        Zca.fit([pictures()], reg=0)
    with pytest.raises(CondensationError, match="blank"):
        Zca.fit([torch.ones(4, 3, 5, 5)])


def test_the_fingerprint_depends_on_the_constants() -> None:
    first, second = Standardize(torch.zeros(3), torch.ones(3)), Standardize(torch.zeros(3), torch.full((3,), 2.0))
    assert first.fingerprint() == Standardize(torch.zeros(3), torch.ones(3)).fingerprint()
    assert len({first.fingerprint(), second.fingerprint(), Identity().fingerprint()}) == 3
