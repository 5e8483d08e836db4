"""Generators of BigGAN and DC-VAE, saved and read again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from condensation import Compute, KeepGenerator, TrainedGenerator, condense
from condensation.methods.generative import GenerativeMethod
from tests.small import CPU, biggan, dc_vae, images

COMPUTE = Compute(**CPU)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", [biggan(), dc_vae(), dc_vae(networks="one-a-class")], ids=["biggan", "dc-vae", "dc-vae-one-a-class"])
def test_a_saved_generator_draws_the_same_images(method: GenerativeMethod, tmp_path: Path) -> None:
    kept = []
    condense(
        method,
        images(),
        2,
        compute=COMPUTE,
        observers=[KeepGenerator(method, tmp_path / "generator"), lambda moment: kept.append(moment.state.source)],
    )
    again = TrainedGenerator.load(tmp_path / "generator")
    assert again.method == method
    expected = TrainedGenerator.of(method, kept[-1]).images({0: 1, 2: 3}, seed=4, compute=COMPUTE)
    drawn = again.images({0: 1, 2: 3}, seed=4, compute=COMPUTE)
    assert torch.equal(drawn.images, expected.images)
    assert drawn.counts == {0: 1, 2: 3}
