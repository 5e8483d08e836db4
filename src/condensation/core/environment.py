"""Package versions and machine properties that a result depends on."""

from importlib.metadata import version

import numpy as np
import torch


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


def bfloat16_support() -> str:
    """Return the bfloat16 support of the processor: ``amx`` (matrix units), ``native`` or ``emulated``."""
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return "emulated" if not has_fast_bfloat16("cpu") else "amx" if capabilities.get("amx_bf16") else "native"


def has_fast_bfloat16(device: str) -> bool:
    """Return whether the hardware supports bfloat16; emulation is ten times slower than float32."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Older versions of torch do not report it; float32 is the safe choice.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    supported = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    # ATEN_CPU_CAPABILITY may disable instructions of the processor; get_cpu_capability returns those that torch uses.
    return device == "cpu" and bool(supported) and torch.backends.cpu.get_cpu_capability() == "AVX512"
