"""Named architectures."""

from condensation.networks.alexnet import AlexNet
from condensation.networks.base import NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.networks.lenet import LeNet
from condensation.networks.mlp import MLP
from condensation.networks.ntk_wide import Wide
from condensation.networks.resnet import ResNet18, ResNet18AP
from condensation.networks.vgg import VGG11
from condensation.networks.weight_norm import WeightNormConvNet

NETWORKS: dict[str, NetworkSpec] = {
    "convnet": ConvNet(),
    "convnet-bn": ConvNet(norm="batch"),
    "convnet-a-swish-bn": ConvNet(norm="batch", activation="swish"),
    "convnet-wn": WeightNormConvNet(),
    "mlp": MLP(),
    "lenet": LeNet(),
    "alexnet": AlexNet(),
    "alexnet-bn": AlexNet(norm="batch"),
    "vgg11": VGG11(),
    "vgg11-bn": VGG11(norm="batch"),
    "resnet18": ResNet18(),
    "resnet18-bn": ResNet18(norm="batch"),
    "resnet18-ap": ResNet18AP(),
    "resnet18-bn-ap": ResNet18AP(norm="batch"),
    "wide": Wide(),
}
"""Named architectures.

>>> from condensation import NETWORKS, Rng
>>> NETWORKS["mlp"].build((1, 8, 8), num_classes=10, rng=Rng(0)).head.out_features
10
"""
