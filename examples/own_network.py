"""Condense with a network of your own, and judge the set on it and on another one."""

from dataclasses import dataclass

from torch import Tensor, nn

from condensation import DM, Classifier, ConvNet, Fresh, NetworkSpec, Recipe, condense, evaluate, load


class Wide(Classifier):
    """One convolution with a large kernel. Any module will do that embeds images and ends in a linear ``classifier``."""

    def __init__(self, channels: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, width, 5, padding=2),
            nn.GroupNorm(width, width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
        )
        self.classifier = nn.Linear(16 * width, num_classes)

    def embed(self, images: Tensor) -> Tensor:
        features: Tensor = self.features(images)
        return features


@dataclass(frozen=True)
class WideNet(NetworkSpec):
    """The architecture as a value: its settings, and the module for images of a given shape."""

    width: int = 32

    def layers(self, image_shape: tuple[int, int, int], num_classes: int) -> Wide:
        return Wide(image_shape[0], self.width, num_classes)


data = load("digits")
method = DM(steps=100, batch_per_class=64, networks=Fresh(WideNet()))
small = condense(method, data.train, ipc=1)
for spec in (WideNet(), WideNet(width=64), ConvNet(width=32)):
    print(f"trained on the set: {spec}: {evaluate(small, data.test, network=spec, recipe=Recipe(epochs=60), networks=2)}")
