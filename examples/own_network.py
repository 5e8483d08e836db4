"""Condense with a network of your own, and judge the set on it and on others.

As a command: condense run --data digits --ipc 1 --network examples/own_network.py:small
"""

from dataclasses import dataclass

from torch import nn

from condensation import DM, Classifier, ConvNet, Fresh, NetworkSpec, Recipe, UserModule, condense, evaluate, load


def small(channels: int, num_classes: int, width: int = 32) -> nn.Module:
    """Any function that makes a module: the names of its parameters say what it is told."""
    features = nn.Sequential(nn.Conv2d(channels, width, 5, padding=2), nn.GroupNorm(width, width), nn.ReLU())
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * width, num_classes))


@dataclass(frozen=True)
class Wide(NetworkSpec):
    """The longer way, for a family of networks whose settings have names: ``Wide(width=64)``, or evaluation.network.width=64."""

    width: int = 32

    def layers(self, image_shape: tuple[int, int, int], num_classes: int) -> Classifier:
        return ConvNet(width=self.width, depth=1, norm="none", pooling="max").layers(image_shape, num_classes)


def main() -> None:
    data = load("digits")
    own = UserModule(small)  # embedded in front of the last nn.Linear; Own(small, layer="0") at the layer of that name
    condensed = condense(DM(steps=100, batch_per_class=64, networks=Fresh(own)), data.train, ipc=1)
    recipe = Recipe(epochs=60)
    for name, network in {
        "small": own,
        "of width 64": UserModule(small, options={"width": 64}),
        "Wide": Wide(),
        "ConvNet": ConvNet(32),
    }.items():
        print(f"trained on the set, {name}: {evaluate(condensed, data.test, network=network, recipe=recipe, networks=2)}")


if __name__ == "__main__":  # so that the command can import this file and run nothing
    main()
