"""Settings of DM for each preset, by name; all values were chosen on images held out from training, see docs/notes/tiles.md."""

import math
from typing import Any

from condensation.core.form import Frequencies, Tiles
from condensation.networks.convnet import ConvNet
from condensation.networks.samplers import Fresh
from condensation.training.trained import Trained

WHOLE_GREY = 50  # greyscale images per class from which on `fast` has no tiles
Settings = dict[str, Any]


def fast(ipc: int, classes: int, channels: int) -> Settings:
    """Return the settings of `DM.fast`."""
    steps = min(1_000, max(300, 300_000 // max(1, ipc * classes)))
    tiles = {"steps": steps, "averaging": 0.99, "batch_per_class": max(16 if classes > 10 else 32, ipc), "form": Tiles(2)}
    if channels == 1 and ipc > 1:  # trained networks lose accuracy here
        return classic(ipc, classes, channels) | (tiles if ipc < WHOLE_GREY else {})
    trained = {"lr": 2 * max(1.0, ipc / 10), "networks": Trained(spec=ConvNet(width=64)), "calibration": 1.0}
    return tiles | trained | ({"form": Frequencies(16)} if ipc == 1 else {})


def best(ipc: int, classes: int, channels: int) -> Settings:
    """Return the settings of `DM.best`."""
    settings = fast(ipc, classes, channels)
    if "form" not in settings:
        return long(ipc, classes, channels)
    networks = {"networks": Trained(5, 6, spec=ConvNet(width=64))} if settings["networks"].is_trained else {}
    return settings | {"steps": 3 * settings["steps"], "averaging": 0.998, **networks}


def classic(ipc: int, classes: int, channels: int) -> Settings:
    """Return the settings of `DM.classic`."""
    return {
        "steps": min(3_000, max(300, 1_500_000 // max(1, ipc * classes))),
        "lr": max(math.sqrt(ipc / 10), ipc / 10) * (4 if channels == 1 else 1),
        "averaging": 0.998,
        "batch_per_class": max(16, ipc),
        "start": "kmeans" if channels == 1 and ipc > 1 else "real",  # one cluster center would be the same for every seed
        "networks": Fresh(ConvNet(width=64)),
    }


def long(ipc: int, classes: int, channels: int) -> Settings:
    """Return the settings of `DM.long`."""
    settings = classic(ipc, classes, channels)
    return settings | {"steps": 10 * settings["steps"], "averaging": 0.999}
