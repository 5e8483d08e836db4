"""White-box audit: it recovers nearly the claimed epsilon, and it fails on mechanisms that are built wrongly.

``pytest -m slow tests/studies/test_audit.py -o junit_family=xunit1 --junit-xml=audit.xml`` writes the recovered bounds to a file.
"""

from dataclasses import replace

import pytest
import torch

from condensation import DM, ConvNet, Fresh, ImageSet, Privacy
from condensation.core.preprocessing import Identity
from condensation.matching import clipped_sums
from condensation.methods import release as release_module
from condensation.methods.released_images import ReleasedImages
from condensation.studies.privacy.audit import audit
from condensation.studies.privacy.intervals import clopper_pearson

TRIALS = 1000
METHOD = DM(
    privacy=Privacy(epsilon=8.0, networks=3, clip=2.0, center=None),
    networks=Fresh(ConvNet(width=2, depth=1, norm="none")),
    augmentation=None,
)
GENERATOR = torch.Generator().manual_seed(0)
REAL = ImageSet.of(torch.rand(6, 1, 6, 6, generator=GENERATOR), torch.arange(6) % 2, ["a", "b"], preprocessing=Identity())
CANARY = ImageSet.of(50 * torch.rand(1, 1, 6, 6, generator=GENERATOR), torch.tensor([1]), ["a", "b"])  # its embedding is far above the clip


@pytest.fixture
def audited(record_property):
    """Return a function that audits the mechanism as the test has built it, and records the result beside its name."""

    def of(trials):
        result = audit(METHOD, REAL, CANARY, trials=trials)
        for name in ("claimed", "measured", "recovered", "at_least", "trials"):
            record_property(name, getattr(result, name))
        return result

    return of


@pytest.mark.slow
def test_the_audit_recovers_nearly_the_claim(audited):
    result = audited(TRIALS)
    assert result.passed
    assert result.measured == pytest.approx(result.claimed, rel=0.2)  # more than 4 standard errors
    assert 0.7 * result.claimed < result.recovered < result.measured
    assert 1.0 < result.at_least < result.claimed


@pytest.mark.slow
def test_the_audit_fails_if_each_step_draws_noise_anew(audited, monkeypatch):
    clean, add_noise, multiplier = [], clipped_sums.add_noise_, []

    def kept(sums, noise_multiplier):
        clean.append(sums.clone())
        multiplier[:] = [noise_multiplier]
        return add_noise(sums, noise_multiplier)

    def target(self, number):
        noisy = add_noise(clean[number - len(self.release.sums)].clone(), multiplier[0])
        return clipped_sums.in_units(noisy, METHOD.privacy.clip) / self.release.counts[:, None]

    monkeypatch.setattr(release_module, "add_noise_", kept)
    monkeypatch.setattr(ReleasedImages, "target", target)
    result = audited(300)
    assert result.recovered > 2 * result.claimed
    assert not result.passed


@pytest.mark.slow
def test_the_audit_fails_if_embeddings_are_not_clipped(audited, monkeypatch):
    monkeypatch.setattr(clipped_sums, "clipped", lambda features, clip: features)
    result = audited(300)
    assert result.recovered > 2 * result.claimed
    assert not result.passed


@pytest.mark.slow
def test_the_audit_fails_if_noise_is_not_scaled_by_the_clip(audited, monkeypatch):
    add_noise = clipped_sums.add_noise_
    monkeypatch.setattr(release_module, "add_noise_", lambda sums, multiplier: add_noise(sums, multiplier / METHOD.privacy.clip))
    result = audited(TRIALS)
    assert result.recovered > 1.5 * result.claimed
    assert not result.passed


def test_a_short_audit_contradicts_no_correct_claim():
    result = audit(replace(METHOD, privacy=replace(METHOD.privacy, networks=1)), REAL, CANARY, trials=20)
    assert result.passed
    assert result.trials == 20


@pytest.mark.parametrize(("count", "total", "interval"), [(0, 10, (0.0, 0.3085)), (5, 10, (0.1871, 0.8129)), (10, 10, (0.6915, 1.0))])
def test_intervals_are_those_of_the_tables(count, total, interval):
    assert clopper_pearson(count, total) == pytest.approx(interval, abs=1e-4)
