"""Valid values of options, as plain tuples: wrong values are rejected without importing torch."""

import re
from collections.abc import Callable, Collection

from condensation.core.errors import CondensationError, unknown

METHODS = (
    *("random", "herding", "k-center", "forgetting", "pixel-mmd", "gmmn", "dc-vae", "biggan", "gtn", "dc", "dsa", "dm", "kip"),
    "best-of",
)
NETWORKS = (
    *("convnet", "convnet-bn", "convnet-a-swish-bn", "convnet-wn", "mlp", "lenet", "alexnet", "alexnet-bn", "vgg11", "vgg11-bn"),
    *("resnet18", "resnet18-bn", "resnet18-ap", "resnet18-bn-ap", "wide"),
)
KERNELS = ("fc", "conv", "conv-pool")
PRESETS = ("fast", "best", "classic", "long", "paper")
# Evaluations of a set: the number of networks of each recipe of that name; ``none`` is no evaluation.
EVALUATIONS = {"quick": 2, "clean": 3, "paper": 5, "cutmix": 5, "none": 0}
EXPORTS = ("png", "npz", "parquet", "torch", "hub")
PAPER_FORMATS = ("latex", "csv", "md", "pdf", "svg")
TRACKERS = ("tensorboard", "wandb", "mlflow")
FITS = ("crop", "pad")
SMALL_CLASSES = ("error", "all")
DEVICES = ("auto", "cpu", "cuda", "mps")


def one_of(kind: str, names: Collection[str], setting: str = "") -> Callable[[str | None], str | None]:
    """Return an option callback that accepts ``names`` and the names of user code, ``module:name`` or ``file.py:name``."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in names and ":" not in value and not value.endswith(".py"):
            raise unknown(kind, value, names, setting=setting)
        return value

    return check


def check_size(value: str | None) -> str | None:
    """Check that a size is written as ``64`` or ``48x64``."""
    if value is not None and not re.fullmatch(r"\s*[1-9]\d*\s*(x\s*[1-9]\d*\s*)?", value, re.IGNORECASE):
        hint = "Write one number for both sides, or height x width: size=64 or size=48x64."
        raise CondensationError(f"Expected a size in pixels, got {value!r}.", hint=hint, setting="data.size")
    return value
