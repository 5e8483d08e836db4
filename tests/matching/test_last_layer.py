import pytest
import torch
import torch.nn.functional as F

from condensation.core.rng import Rng
from condensation.matching.last_layer import mean_last_layer_gradient, squared_distance
from condensation.networks.convnet import ConvNet
from condensation.networks.registry import NETWORKS

CLASSES, DIMS, COUNT = 5, 7, 11


@pytest.fixture
def parts():
    """Features, the weights of a linear layer, and labels, in float64."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(COUNT, DIMS, generator=generator, dtype=torch.float64)
    weight = torch.randn(CLASSES, DIMS, generator=generator, dtype=torch.float64, requires_grad=True)
    return features, weight, torch.randint(CLASSES, (COUNT,), generator=generator)


def test_the_gradient_of_each_image_equals_autograd(parts):
    features, weight, labels = parts
    logits = features @ weight.T
    for number in range(COUNT):
        image = slice(number, number + 1)
        (theirs,) = torch.autograd.grad(F.cross_entropy(logits[image], labels[image]), weight, retain_graph=True)
        torch.testing.assert_close(mean_last_layer_gradient(features[image], logits[image], labels[image]), theirs)


def test_the_mean_equals_the_gradient_of_the_mean_loss(parts):
    features, weight, labels = parts
    logits = features @ weight.T
    (theirs,) = torch.autograd.grad(F.cross_entropy(logits, labels), weight, retain_graph=True)
    torch.testing.assert_close(mean_last_layer_gradient(features, logits, labels), theirs)


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("name", ["convnet", "resnet18", "mlp"])
def test_with_a_zero_head_the_gradient_distance_is_proportional_to_that_of_mean_features(name, classes):
    """Checked with autograd through a network whose last layer is linear, zero and without bias."""
    spec = ConvNet(width=8) if name == "convnet" else NETWORKS[name]
    network = spec.build((3, 16, 16), classes, Rng(0)).double()
    head = torch.nn.Linear(network.classifier.in_features, classes, bias=False, dtype=torch.float64)
    torch.nn.init.zeros_(head.weight)
    gradients, means = [], []
    for count, seed in ((9, 1), (4, 2)):  # a real and a synthetic batch of one class, of different sizes
        images = torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        features = network.embed(images)
        labels = torch.full((count,), classes - 1)
        gradients += torch.autograd.grad(F.cross_entropy(head(features), labels), head.weight, retain_graph=True)
        means.append(features.mean(0))
    of_gradients, of_means = squared_distance(*gradients), squared_distance(*means)
    assert of_means > 0
    torch.testing.assert_close(of_gradients, (classes - 1) / classes * of_means, rtol=1e-12, atol=0)


def test_with_another_head_the_distances_are_not_proportional(parts):
    features, weight, _ = parts
    labels = torch.zeros(COUNT, dtype=torch.int64)
    logits = features @ weight.T
    gradients = [mean_last_layer_gradient(features[half], logits[half], labels[half]) for half in (slice(0, 5), slice(5, None))]
    means = [features[half].mean(0) for half in (slice(0, 5), slice(5, None))]
    assert abs(squared_distance(*gradients) / squared_distance(*means) * CLASSES / (CLASSES - 1) - 1) > 0.01
