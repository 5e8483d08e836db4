"""Networks of BigGAN and DC-VAE: shapes, classes, initialization and published parameter counts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from condensation import CondensationError, Rng
from condensation.generators.big_gan import BigGenerator, ClassNorm, ProjectionCritic
from condensation.generators.dc_vae_decoder import Decoder, Encoder
from condensation.generators.dc_vae_encoder import DualEncoder
from condensation.generators.sizes import upsampling_plan

SIDES = [16, 28, 32, 64]


def latents(count: int = 4, dims: int = 6) -> Tensor:
    return Rng(0).normal((count, dims))


def big(channels: int = 3, side: int = 32, width: int = 4, classes: int = 3, seed: int = 0) -> BigGenerator:
    return BigGenerator(channels, *upsampling_plan((channels, side, side), "biggan"), width, 6, classes, Rng(seed))


def critic(channels: int = 3, side: int = 32, width: int = 4, classes: int = 3, seed: int = 0) -> ProjectionCritic:
    return ProjectionCritic(channels, side, width, 2, classes, Rng(seed))


def decoder(channels: int = 3, side: int = 32, classes: int = 3) -> Decoder:
    return Decoder(channels, *upsampling_plan((channels, side, side), "dc-vae"), 4, 6, classes, Rng(0))


def dual(channels: int = 3, side: int = 32, classes: int = 3) -> DualEncoder:
    return DualEncoder(channels, side, 4, 2, classes, Rng(0))


def sizes_of(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_have_the_requested_size(side: int, channels: int) -> None:
    rows = torch.tensor([0, 1, 2, 0])
    for made in (big(channels, side)(latents(), rows), decoder(channels, side)(latents(), rows)):
        assert made.shape == (4, channels, side, side)
        assert 0 <= made.min() <= made.max() <= 1


@pytest.mark.parametrize("side", SIDES)
def test_critics_and_encoders_accept_each_size(side: int) -> None:
    images, rows = torch.rand(4, 1, side, side), torch.tensor([0, 1, 2, 0])
    assert critic(1, side)(images, rows).shape == (4,)
    assert dual(1, side)(images, rows).shape == (4,)
    assert dual(1, side).views(images).shape == (2, 4, 16)
    assert Encoder(1, side, 4, 2, 6, Rng(0))(images).shape == (4, 12)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 24, 24), (3, 32, 16), (3, 33, 33), (1, 56, 56)])
def test_unsupported_sizes_raise(shape: tuple[int, int, int]) -> None:
    with pytest.raises(CondensationError, match=f"biggan .* {shape[1]}x{shape[2]} pixels") as caught:
        upsampling_plan(shape, "biggan")
    assert caught.value.setting == "data.size"


def test_pictures_depend_on_the_class() -> None:
    same = latents(1).expand(2, -1)
    for network in (big().eval(), decoder().eval()):
        one, other = network(same, torch.tensor([0, 1]))
        assert not torch.allclose(one, other)


def test_the_critic_adds_the_product_of_class_vector_and_features() -> None:
    network = critic().double().eval()
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    rows = torch.tensor([0, 2])
    _, features = network.trunk(images)
    own = network.of_class.weight[rows]
    torch.testing.assert_close(network(images, rows), network.linear(features).squeeze(1) + (own * features).sum(1))


def test_a_single_class_has_no_class_vector() -> None:
    assert decoder(classes=1).of_class is None
    assert dual(classes=1).of_class is None
    rows = torch.zeros(4, dtype=torch.long)
    assert decoder(classes=1)(latents(), rows).shape == (4, 3, 32, 32)
    assert dual(classes=1)(torch.rand(4, 3, 32, 32), rows).shape == (4,)


def test_class_norm_is_batch_norm_with_class_scale_and_shift() -> None:
    norm = ClassNorm(3, 2).double()
    features, rows = torch.randn(4, 3, 5, 5, dtype=torch.float64), torch.tensor([0, 1, 1, 0])
    mean, variance = features.mean((0, 2, 3), keepdim=True), features.var((0, 2, 3), unbiased=False, keepdim=True)
    expected = (features - mean) / (variance + 1e-5).sqrt()
    scale, shift = norm.scale.weight[rows], norm.shift.weight[rows]
    torch.testing.assert_close(norm(features, rows), expected * (1 + scale[:, :, None, None]) + shift[:, :, None, None])


def test_gradients_of_the_critic_are_exact() -> None:
    network = ProjectionCritic(1, 8, 2, 1, 2, Rng(0)).double().eval()
    images = torch.rand(2, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda seen: network(seen, torch.tensor([0, 1])), (images,))


def test_weights_depend_on_the_stream_only() -> None:
    for make in (big, critic):
        first, same, other = make(seed=1), make(seed=1), make(seed=2)
        assert all(torch.equal(one, two) for one, two in zip(first.state_dict().values(), same.state_dict().values(), strict=True))
        assert any(not torch.equal(one, two) for one, two in zip(first.parameters(), other.parameters(), strict=True))


def test_the_global_generator_is_not_used() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for make in (big, critic, decoder, dual):
        make()
    Encoder(1, 16, 4, 2, 6, Rng(0))
    assert torch.equal(before, torch.get_rng_state())


def test_latents_are_standard_normal_and_a_smaller_count_gives_the_first_of_them() -> None:
    for network in (big(), decoder()):
        drawn = network.draw(2_000, Rng(1))
        assert drawn.shape == (2_000, 6)
        torch.testing.assert_close(torch.stack([drawn.mean(), drawn.std()]), torch.tensor([0.0, 1.0]), atol=0.03, rtol=0)
        assert torch.equal(drawn[:3], network.draw(3, Rng(1)))


def test_big_gan_has_the_published_parameter_counts() -> None:
    # By hand, for CIFAR10: linear, three blocks (two norms of 10 classes, two 3x3, one 1x1), norm and last convolution.
    block = 2 * 2 * 10 * 256 + 2 * (256 * 256 * 9 + 256) + 256 * 256 + 256
    assert sizes_of(big(width=256, classes=10)) == (6 + 1) * 256 * 16 + 3 * block + 2 * 256 + 256 * 3 * 9 + 3
    # The first block, one that halves, two that keep the size, the linear layer and the class vectors.
    conv = 256 * 256 * 9 + 256
    first, halving, flat = 3 * 256 * 9 + 256 + conv + 3 * 256 + 256, 2 * conv + 256 * 256 + 256, 2 * conv
    assert sizes_of(critic(width=256, classes=10)) == first + halving + 2 * flat + 257 + 2_560
