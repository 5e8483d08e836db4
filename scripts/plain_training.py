"""Train on an export in plain PyTorch with the code of its card; neither imports the package.

    python scripts/plain_training.py EXPORT TEST.npz --networks 3

TEST.npz holds the test images as `pictures` (n, c, h, w) uint8 and `labels` (n,). Prints the accuracies as JSON.
"""

import argparse
import hashlib
import json
import math
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn


def convnet(shape: tuple[int, int, int], classes: int, width: int) -> nn.Module:
    """Return the ConvNet of the condensation papers: blocks of convolution, instance norm, ReLU and average pooling."""
    channels, height, side = shape
    blocks: list[nn.Module] = []
    for number in range(max(1, round(math.log2(min(height, side))) - 2)):
        padding = 3 if number == 0 and channels == 1 else 1
        blocks += [nn.Conv2d(channels, width, 3, padding=padding), nn.GroupNorm(width, width), nn.ReLU(), nn.AvgPool2d(2)]
        channels = width
    network = nn.Sequential(*blocks, nn.Flatten(), nn.LazyLinear(classes))
    network(torch.zeros(1, *shape))  # sets the size of the last layer
    return network


def accuracy(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the accuracy in percent."""
    network.eval()
    with torch.no_grad():
        batches = zip(images.split(500), labels.split(500), strict=True)
        correct = sum(int((network(batch).argmax(1) == truth).sum()) for batch, truth in batches)
    return 100 * correct / len(labels)


def digest(tensor: torch.Tensor) -> str:
    """Return a digest of the bytes of a tensor."""
    return hashlib.blake2b(tensor.contiguous().numpy().tobytes(), digest_size=16).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path, help="folder of the export")
    parser.add_argument("test", type=Path, help="file of the test images")
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--width", type=int, default=128, help="channels of the ConvNet")
    arguments = parser.parse_args()
    test = np.load(arguments.test)
    os.chdir(arguments.export)
    # The three blocks of the card: load the set, preprocess test images, train.
    loading, preprocessing, training = re.findall(r"^```python\n(.*?)^```", Path("README.md").read_text(encoding="utf-8"), re.M | re.S)
    names: dict[str, Any] = {"torch": torch, "pictures": torch.from_numpy(test["pictures"]) / 255}
    exec(loading, names)
    exec(preprocessing, names)
    images = names["dataset"].tensors[0]
    truth = torch.from_numpy(test["labels"])
    accuracies = []
    for seed in range(arguments.networks):
        torch.manual_seed(seed)
        names["network"] = convnet(tuple(images.shape[1:]), int(truth.max()) + 1, arguments.width)
        exec(training, names)
        accuracies.append(round(accuracy(names["network"], names["test_images"], truth), 3))
    assert not any(name.split(".")[0] == "condensation" for name in sys.modules)
    print(json.dumps({"values": accuracies, "images": digest(images)}))


if __name__ == "__main__":
    main()
