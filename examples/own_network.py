"""Condense with your own network, and evaluate the set on it and on others.

As a command: condense run --data digits --ipc 1 --network examples/own_network.py:small
"""

from dataclasses import dataclass

from torch import nn

from condensation import DM, Classifier, ConvNet, Fresh, NetworkSpec, Recipe, UserModule, condense, evaluate, load


def small(channels: int, num_classes: int, width: int = 32) -> nn.Module:
    """Return a module. The parameter names decide which properties of the data are passed."""
    features = nn.Sequential(nn.Conv2d(channels, width, 5, padding=2), nn.GroupNorm(width, width), nn.ReLU())
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * width, num_classes))


@dataclass(frozen=True)
class Wide(NetworkSpec):
    """A family of networks with settings, for ``Wide(width=64)`` or evaluation.network.width=64."""

    width: int = 32

    def layers(self, image_shape: tuple[int, int, int], num_classes: int) -> Classifier:
        return ConvNet(width=self.width, depth=1, norm="none", pooling="max").layers(image_shape, num_classes)


def main() -> None:
    data = load("digits")
    network = UserModule(small)  # the embedding is the input of the last nn.Linear; UserModule(small, layer="0") sets another layer
    condensed = condense(DM(steps=100, batch_per_class=64, networks=Fresh(network)), data.train, ipc=1)
    recipe = Recipe(epochs=60)
    for name, spec in {
        "small": network,
        "small of width 64": UserModule(small, options={"width": 64}),
        "Wide": Wide(),
        "ConvNet": ConvNet(32),
    }.items():
        print(f"{name}, trained on the set: {evaluate(condensed, data.test, network=spec, recipe=recipe, networks=2)}")


if __name__ == "__main__":  # the command imports this file without running it
    main()
