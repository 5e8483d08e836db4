"""Package versions and machine properties that a result depends on."""

from importlib.metadata import version

import numpy as np
import torch

from condensation.core.compute import bfloat16_support


def versions() -> dict[str, str]:
    """Return the package versions that a result depends on."""
    return {"condensation": version("condensation"), "torch": torch.__version__, "numpy": np.__version__}


def machine() -> dict[str, str | int]:
    """Return the properties of this machine that a timing or a result depends on."""
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": bfloat16_support(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }
