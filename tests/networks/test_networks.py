from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from condensation.core.errors import CondensationError
from condensation.core.modules import mixes_images
from condensation.core.rng import Rng
from condensation.networks.alexnet import AlexNet
from condensation.networks.base import initialize
from condensation.networks.convnet import ConvNet
from condensation.networks.lenet import LeNet
from condensation.networks.mlp import MLP
from condensation.networks.registry import NETWORKS
from condensation.networks.resnet import ResNet18, ResNet18AP
from condensation.networks.vgg import VGG11
from condensation.networks.weight_norm import WeightNormConvNet

GREY, COLOUR, LARGE = (1, 28, 28), (3, 32, 32), (3, 64, 64)
VARIANTS = {"resnet18", "resnet18-ap", "resnet18-bn", "vgg11-bn", "alexnet-bn"}  # of large networks; the quick tests have the others


def quick_without_variants(*values):
    """Return the parameters of each network: its name, and those of ``values``."""
    return [
        pytest.param(name, *others, marks=pytest.mark.slow if name in VARIANTS else [])
        for name in NETWORKS
        for others in itertools.product(*values)
    ]


DIMS = {  # of the embedding, for 28 grey pixels and for 32 in colour
    **dict.fromkeys(["convnet", "convnet-bn", "convnet-a-swish-bn"], (2048, 2048)),
    "convnet-wn": (256, 256),
    "mlp": (128, 128),
    "lenet": (84, 84),
    **dict.fromkeys(["alexnet", "alexnet-bn"], (3072, 3072)),
    **dict.fromkeys(["vgg11", "vgg11-bn", "resnet18", "resnet18-bn"], (512, 512)),
    **dict.fromkeys(["resnet18-ap", "resnet18-bn-ap"], (512 * 3 * 3, 512 * 4 * 4)),
    "wide": (1024, 1024),
}


def images(shape, count=3):
    return Rng(7).child("images").normal((count, *shape))


def size(spec, shape=COLOUR, classes=10):
    return sum(parameter.numel() for parameter in spec.build(shape, classes, Rng(0)).parameters())


class Weights:
    """The parameters of a network in sequence, as published weights are copied."""

    def __init__(self, network: nn.Module) -> None:
        self.left = list(network.parameters())

    def take(self, count: int) -> list[Tensor]:
        taken, self.left = self.left[:count], self.left[count:]
        return taken

    def instance_norm(self, x: Tensor) -> Tensor:
        scale, shift = self.take(2)
        centred = x - x.mean((2, 3), keepdim=True)
        normed = centred / (x.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
        return normed * scale[:, None, None] + shift[:, None, None]

    def halve(self, x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, 2)


@pytest.mark.parametrize(("name", "shape"), [*quick_without_variants((GREY, COLOUR)), ("convnet", LARGE)])
def test_networks_embed_and_classify_and_all_weights_get_gradients(name, shape):
    network = NETWORKS[name].build(shape, 7, Rng(0))
    x = images(shape).requires_grad_()
    embedding = network.embed(x)
    logits = network(x)
    assert embedding.shape == (3, network.classifier.in_features)
    assert network.classifier.in_features == (2048 if shape == LARGE else DIMS[name][shape == COLOUR])
    assert logits.shape == (3, 7)
    functional.cross_entropy(logits, torch.tensor([0, 3, 6])).backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("name", quick_without_variants())
def test_logits_are_the_classifier_of_the_embedding(name):
    network = NETWORKS[name].build(GREY, 10, Rng(0)).eval()
    x = images(GREY)
    torch.testing.assert_close(network(x), network.classifier(network.embed(x)), rtol=0, atol=0)


@pytest.mark.parametrize("name", quick_without_variants())
def test_images_need_not_be_square(name):
    shape = (3, 40, 56) if name.startswith("vgg") else (3, 24, 40)
    assert NETWORKS[name].build(shape, 10, Rng(0))(images(shape)).shape == (3, 10)


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 29, 33), (3, 33, 47), (2, 49, 65), (4, 96, 32)])
@pytest.mark.parametrize(
    "name", ["convnet", "lenet", "alexnet", *(pytest.param(name, marks=pytest.mark.slow) for name in ("vgg11", "resnet18-bn-ap"))]
)
def test_the_classifier_fits_images_of_any_size(name, shape):
    network = NETWORKS[name].build(shape, 10, Rng(0))
    assert network.embed(images(shape, 2)).shape == (2, network.classifier.in_features)


@pytest.mark.parametrize(
    ("spec", "shape", "count"),
    [
        (ConvNet(), COLOUR, 320_010),
        (ConvNet(), GREY, 320_010 - 2 * 9 * 128),
        (ConvNet(norm="none"), COLOUR, 320_010 - 3 * 256),
        (ConvNet(norm="layer"), COLOUR, 320_010 - 3 * 256 + 2 * 128 * (32**2 + 16**2 + 8**2)),
        (ConvNet(), LARGE, 320_010 + 128 * 128 * 9 + 128 + 256),
        (WeightNormConvNet(), GREY, 9 * 64 + 2 * 64 + 9 * 64 * 128 + 2 * 128 + 128 * 49 * 256 + 2 * 256 + 2570),
        (MLP(), GREY, 784 * 128 + 128 + 128 * 128 + 128 + 1290),
        (LeNet(), GREY, 61_706),
        (AlexNet(), COLOUR, 9_728 + 614_592 + 442_624 + 442_560 + 331_968 + 30_730),
        (AlexNet(norm="batch"), COLOUR, 1_872_202 + 2 * (128 + 192 + 256 + 192 + 192)),
        (VGG11(), COLOUR, 9_231_114),
        (ResNet18(), COLOUR, 11_173_962),
        (ResNet18AP(), COLOUR, 11_173_962 + 10 * 512 * 15),
    ],
)
def test_parameter_counts(spec, shape, count):
    assert size(spec, shape) == count


def test_parameters_are_ordered_block_by_block():
    kinds = [tuple(parameter.shape) for parameter in ConvNet().build(COLOUR, 10, Rng(0)).parameters()]
    block = [(128, 128, 3, 3), (128,), (128,), (128,)]
    assert kinds == [(128, 3, 3, 3), (128,), (128,), (128,), *block, *block, (10, 2048), (10,)]


@pytest.mark.parametrize("name", [name for name in NETWORKS if not name.startswith("resnet")])
def test_parameter_names_of_stacks_are_in_order(name):
    names = [parameter for parameter, _ in NETWORKS[name].build(GREY, 10, Rng(0)).named_parameters()]
    places = [int(parameter.split(".")[1]) for parameter in names[:-2]]
    assert places == sorted(places)
    kinds = ["direction", "length", "bias"] if name == "convnet-wn" else ["weight", "bias"]
    assert [parameter.split(".")[-1] for parameter in names[:-2]] == kinds * ((len(names) - 2) // len(kinds))
    assert names[-2:] == ["classifier.weight", "classifier.bias"]


@pytest.mark.parametrize("shape", [GREY, COLOUR])
def test_convnet_matches_its_definition(shape):
    network = ConvNet(width=8).build(shape, 10, Rng(3))
    weights = Weights(network)
    x = images(shape)
    for padding in (3 if shape == GREY else 1, 1, 1):
        x = functional.conv2d(x, *weights.take(2), padding=padding)
        x = weights.halve(weights.instance_norm(x).relu())
    logits = functional.linear(x.flatten(1), *weights.take(2))
    torch.testing.assert_close(network(images(shape)), logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [GREY, COLOUR])
@pytest.mark.parametrize("spec", [ResNet18(), ResNet18AP()])
def test_resnets_match_their_definition_with_parameters_in_published_order(spec, shape):
    pools = isinstance(spec, ResNet18AP)
    network = spec.build(shape, 10, Rng(3))
    weights = Weights(network)
    x = weights.instance_norm(functional.conv2d(images(shape), *weights.take(1), padding=1)).relu()
    for block in range(8):
        halves = block in (2, 4, 6)
        stride = 2 if halves and not pools else 1
        y = weights.instance_norm(functional.conv2d(x, *weights.take(1), stride=stride, padding=1)).relu()
        y = weights.halve(y) if halves and pools else y
        y = weights.instance_norm(functional.conv2d(y, *weights.take(1), padding=1))
        if halves:
            x = functional.conv2d(x, *weights.take(1), stride=stride)
            x = weights.instance_norm(weights.halve(x) if pools else x)
        x = (x + y).relu()
    x = x if pools else functional.avg_pool2d(x, 4)  # what is published; ours averages maps of any size
    logits = functional.linear(x.flatten(1), *weights.take(2))
    assert not weights.left
    torch.testing.assert_close(network(images(shape)), logits, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("side", "depth"), [(8, 1), (16, 2), (28, 3), (32, 3), (64, 4), (96, 5), (128, 5)])
def test_default_convnet_depth_depends_on_the_image_size(side, depth):
    assert size(ConvNet(width=4), (3, side, side)) == size(ConvNet(width=4, depth=depth), (3, side, side))


@pytest.mark.parametrize("pooling", ["none", "max", "avg"])
@pytest.mark.parametrize("activation", ["sigmoid", "relu", "leakyrelu", "swish"])
@pytest.mark.parametrize("norm", ["none", "batch", "layer", "instance", "group"])
def test_every_convnet_setting_gives_finite_gradients(norm, activation, pooling):
    network = ConvNet(width=4, depth=2, norm=norm, activation=activation, pooling=pooling).build((1, 8, 12), 3, Rng(0))
    network(images((1, 8, 12))).square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_layer_norm_normalizes_over_channels_and_pixels():
    norms = [module for module in ConvNet(norm="layer").build(GREY, 10, Rng(0)).modules() if isinstance(module, nn.LayerNorm)]
    assert [norm.normalized_shape for norm in norms] == [(128, 32, 32), (128, 16, 16), (128, 8, 8)]


def test_group_norm_has_four_groups_and_instance_norm_one_per_channel():
    def groups(norm):
        modules = ConvNet(norm=norm).build(COLOUR, 10, Rng(0)).modules()
        return {module.num_groups for module in modules if isinstance(module, nn.GroupNorm)}

    assert (groups("group"), groups("instance")) == ({4}, {128})


@pytest.mark.parametrize("name", quick_without_variants())
def test_only_batch_norm_mixes_images(name):
    network = NETWORKS[name].build(COLOUR, 10, Rng(0))
    assert mixes_images(network) == ("-bn" in name or name == "convnet-wn")


@pytest.mark.parametrize(
    ("make", "setting", "hint"),
    [
        (lambda: ConvNet(norm="bach"), "norm", "none, batch, layer, instance, group"),
        (lambda: ConvNet(activation="gelu"), "activation", "sigmoid, relu, leakyrelu, swish"),
        (lambda: ConvNet(pooling="mean"), "pooling", "none, max, avg"),
        (lambda: ConvNet(width=0), "width", ""),
        (lambda: ConvNet(depth=-1), "depth", ""),
        (lambda: ConvNet(width=6, norm="group"), "width", "width of 8"),
        (lambda: MLP(width=0), "width", ""),
        (lambda: WeightNormConvNet(widths=(4, 0)), "widths", ""),
        (lambda: AlexNet(norm="instance"), "norm", "none, batch"),
        (lambda: VGG11(norm="none"), "norm", "instance, batch"),
        (lambda: ResNet18(norm="layer"), "norm", "instance, batch"),
        (lambda: ResNet18AP(norm="layer"), "norm", "instance, batch"),
    ],
)
def test_invalid_settings_raise_with_their_name_and_the_valid_ones(make, setting, hint):
    with pytest.raises(CondensationError) as caught:
        make()
    assert caught.value.setting == f"network.{setting}"
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("spec", "smallest", "channels"),
    [
        (LeNet(), 16, 3),
        (LeNet(), 12, 1),
        (AlexNet(), 8, 3),
        (AlexNet(), 4, 1),
        (VGG11(), 32, 3),
        (VGG11(), 28, 1),
        (ResNet18(), 9, 3),
        (ResNet18AP(), 16, 3),
        (ResNet18AP(norm="batch"), 8, 1),
        (ConvNet(width=4), 2, 3),
    ],
)
def test_the_smallest_images_work_and_smaller_ones_raise(spec, smallest, channels):
    shape = (channels, smallest, smallest)
    with torch.no_grad():
        embedding = spec.build(shape, 10, Rng(0)).embed(images(shape, 4))
    assert (embedding[0] != embedding[1]).any()
    with pytest.raises(CondensationError, match=f"at least {smallest}x{smallest} pixels, got {smallest}x{smallest - 1}"):
        spec.build((channels, smallest, smallest - 1), 10, Rng(0))


def test_a_too_deep_convnet_raises_with_the_largest_depth():
    assert size(ConvNet(width=4, depth=4), (3, 16, 24))
    with pytest.raises(CondensationError) as caught:
        ConvNet(width=4, depth=5).build((3, 16, 24), 10, Rng(0))
    assert caught.value.setting == "network.depth"
    assert "at most 4" in caught.value.hint
    assert size(ConvNet(width=4, depth=5, pooling="none"), (3, 16, 24))


def test_specs_are_values():
    assert ConvNet() == ConvNet()
    assert replace(ConvNet(), width=256) != ConvNet()
    assert len(set(NETWORKS.values())) == len(NETWORKS)


@pytest.mark.parametrize("name", ["convnet", "convnet-bn", "mlp", "lenet"])
def test_the_stream_decides_every_weight(name):
    def weights(seed):
        return torch.cat([parameter.flatten() for parameter in NETWORKS[name].build(GREY, 10, Rng(seed)).parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


class Odd(nn.Module):
    """Layers that `initialize` does not know itself."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 4, 2)
        self.along = nn.Conv1d(3, 4, 2)


def test_other_layers_reset_themselves_under_the_stream():
    first, second = Odd(), Odd()
    initialize(first, Rng(5))
    initialize(second, Rng(5))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    before = first.up.weight.detach().clone()
    initialize(first, Rng(6))
    assert not torch.equal(before, first.up.weight)


def test_subclasses_may_override_the_initialization():
    class Zero(nn.Linear):
        def reset_parameters(self) -> None:
            nn.init.zeros_(self.weight)
            nn.init.zeros_(self.bias)

    network = nn.Sequential(Zero(3, 4), nn.Linear(4, 2))
    nn.init.ones_(network[0].weight)
    initialize(network, Rng(0))
    assert not network[0].weight.any()
    assert network[1].weight.any()


def test_a_layer_without_reset_parameters_raises():
    network = nn.Sequential(nn.Linear(2, 2))
    network.register_parameter("scale", nn.Parameter(torch.ones(1)))
    with pytest.raises(CondensationError) as caught:
        initialize(network, Rng(0))
    assert "reset_parameters(self)" in caught.value.hint


def test_building_and_initialization_leave_the_global_generator_alone():
    odd = Odd()
    before = torch.get_rng_state()
    for spec in NETWORKS.values():
        spec.build(GREY, 10, Rng(0))
    initialize(odd, Rng(0))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("spec", [ConvNet(), AlexNet(), ResNet18(norm="batch")])
def test_weights_have_the_distribution_of_pytorch(spec):
    ours, theirs = spec.build(COLOUR, 10, Rng(0)), spec.layers(COLOUR, 10)
    for (name, drawn), reference in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if drawn.numel() < 1000:  # norms are equal; too few biases to say much, but for their bound
            assert drawn.abs().max() <= reference.abs().max() * 1.5
            continue
        bound = reference.abs().max()  # of at least a thousand uniform numbers: close to the true bound
        torch.testing.assert_close(drawn.abs().max(), bound, rtol=0.01, atol=0, msg=name)
        torch.testing.assert_close(drawn.var(), bound**2 / 3, rtol=0.1, atol=0, msg=name)
        assert drawn.mean().abs() < 5 * bound / (3 * drawn.numel()) ** 0.5, name


def test_initialization_resets_norms():
    network = ConvNet(norm="batch").build(COLOUR, 10, Rng(0))
    norm = network.features[1]
    network(images(COLOUR))
    nn.init.constant_(norm.weight, 3.0)
    initialize(network, Rng(1))
    assert (norm.weight == 1).all()
    assert not norm.bias.any()
    assert not norm.running_mean.any()


@pytest.mark.parametrize("spec", [ConvNet(width=4), AlexNet(), VGG11()])
def test_extra_padding_is_equal_with_learning_and_frozen_weights(spec):
    learning = spec.build((1, 28, 28), 3, Rng(0)).double()
    frozen = spec.build((1, 28, 28), 3, Rng(0)).double().requires_grad_(False)
    both = [
        torch.randn(2, 1, 28, 28, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True) for _ in range(2)
    ]
    features = [network.embed(one) for network, one in zip((learning, frozen), both, strict=True)]
    torch.testing.assert_close(*features)
    for one in features:
        one.square().sum().backward()
    torch.testing.assert_close(both[0].grad, both[1].grad)
