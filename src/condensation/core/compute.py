"""Compute settings: device, precision, batching and compilation, chosen once for the machine."""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cache
from typing import Generic, Literal, ParamSpec

import torch
from torch import Tensor, nn

from condensation.core.errors import CondensationError, require, unknown
from condensation.core.images import Shape
from condensation.core.modules import mixes_images

logger = logging.getLogger(__name__)

P = ParamSpec("P")

# Pixels per forward pass that fit the cache of a CPU core or fill a GPU: 32 and 2,048 images of 32x32.
CHUNK_PIXELS = {"cpu": 32 * 1024, "cuda": 2048 * 1024, "mps": 512 * 1024}
# Compiling takes 3 to 20 s the first time (30 s on a GPU) and then saves 40 to 75 % of the time. On two CPU cores it breaks even
# at 9,000 to 56,000 images of 32x32 (benchmarks/compiling.py). A GPU saves less time per image.
COMPILE_PIXELS = {"cpu": 50_000 * 1024, "cuda": 150_000 * 1024, "mps": 150_000 * 1024}
PRECISIONS = ("auto", "float32", "bfloat16", "float64")
COMPILING = "Compiling the network for this machine, once; this takes up to a minute."  # logged, so that a reporter can show it
KEPT_BLOCK = 2**25 - 2**16  # bytes; the C library adapts to no larger ones
PROGRAMS = 128  # compiled shapes that torch keeps per network


@dataclass(frozen=True)
class Compute:
    """Device, precision, batching and compilation. `resolve` replaces "auto"; explicit values are used as given, or raise.

    >>> from condensation import Compute
    >>> Compute(device="cpu", precision="float32").resolve().precision
    'float32'
    """

    device: str = "auto"
    """Device: "auto" (the first GPU, else the CPU), "cpu", "cuda", "cuda:1" or "mps"."""
    precision: Literal["auto", "float32", "bfloat16", "float64"] = "auto"
    """Precision of the networks; pixels, weights and sums are float32, or float64 for "float64". "auto": bfloat16 on hardware with it."""
    chunk: int | None = None
    """Real images per forward pass, at least 1; None: as many as suit the device. Not supported for networks with batch norm."""
    compile: Literal["auto", "always", "never"] = "auto"
    """Compile networks with `torch.compile`; "auto": if the work is long enough to pay for compilation."""
    together: int | None = None
    """Number of networks trained together in an evaluation, at least 1; None: as many as fill a GPU, 1 on a CPU."""

    def __post_init__(self) -> None:
        for name, choices in (("precision", PRECISIONS), ("compile", ("auto", "always", "never"))):
            if getattr(self, name) not in choices:
                raise unknown(f"compute.{name}", getattr(self, name), choices, setting=f"compute.{name}")
        require(
            self, "compute", ("chunk", "together"), lambda value: value is None or (isinstance(value, int) and value >= 1), "at least 1"
        )

    def resolve(self) -> Compute:
        """Return these settings with device and precision resolved. Raise CondensationError if the machine does not support them."""
        _keep_freed_memory()
        device = str(torch_device(self.device))
        precision = ("bfloat16" if has_fast_bfloat16(device) else "float32") if self.precision == "auto" else self.precision
        if device.startswith("mps") and precision == "float64":
            hint = 'Use device="cpu", or compute.precision="float32".'
            raise CondensationError("The device mps does not support float64.", hint=hint, setting="compute.precision")
        return replace(self, device=device, precision=precision)

    def describe(self) -> str:
        """Return a one-line summary of the settings on this machine."""
        self = self.resolve()
        threads = torch.get_num_threads()
        hardware = f"{threads} {'thread' if threads == 1 else 'threads'}, {torch.backends.cpu.get_cpu_capability()}"
        if self.device.startswith("cuda"):
            hardware = torch.cuda.get_device_name(self.device)
        compiler = {"auto": "compiled where it pays", "always": "compiled", "never": "not compiled"}[self.compile]
        if self.compile == "auto" and not _has_compiler():
            compiler = "not compiled (no C++ compiler found)"
        # The default chunk depends on the size of the images, which is unknown here.
        chunk = f", chunks of {self.chunk} image{'' if self.chunk == 1 else 's'}" if self.chunk else ""
        return f"{self.device} ({hardware}), {self.precision}, {compiler}{chunk}"

    @property
    def dtype(self) -> torch.dtype:
        """Type of pixels and weights."""
        return torch.float64 if self.precision == "float64" else torch.float32

    def chunk_for(self, network: nn.Module, image_shape: Shape) -> int | None:
        """Return the images per forward pass if only a mean is needed; None (all) with batch norm, where a set ``chunk`` is an error."""
        if not mixes_images(network):
            return self.chunk or self.suitable_chunk(image_shape)
        if self.chunk is not None:
            message = f"compute.chunk is {self.chunk}, but this network has batch norm, which must see the whole batch at once."
            hint = "Remove compute.chunk, or choose a network with instance norm."
            raise CondensationError(message, hint=hint, setting="compute.chunk")
        return None

    def suitable_chunk(self, image_shape: Shape) -> int:
        """Return the number of images of ``image_shape`` per forward pass that suits the device."""
        return max(1, round(CHUNK_PIXELS[torch.device(self.device).type] / (image_shape[1] * image_shape[2])))

    def group_size(self, image_shape: Shape, images: int = 0) -> int:
        """Return the most images of ``image_shape`` of several classes that are embedded as a group; see `ClassPlan`.

        Of many ``images`` in all, a group takes up to four chunks: fewer groups take less time, and eight divide well among processes.
        """
        # On a GPU, whose chunks are large, smaller ones lose little.
        chunk = self.chunk or max(1, self.suitable_chunk(image_shape) // (1 if torch.device(self.device).type == "cpu" else 4))
        return chunk * min(4, max(1, images // (8 * chunk)))

    def multiple_of(self, real: Collection[int], synthetic: Collection[int], image_shape: Shape) -> int:
        """Return the multiple that batches are padded to: above 1 if they are compiled and the images per class differ."""
        differ = len(set(real)) > 1 or len(set(synthetic)) > 1
        return max(1, self.group_size(image_shape) // 4) if differ and self.compile == "always" else 1

    def suitable_together(self, image_shape: Shape, batch: int) -> int:
        """Return the number of networks to train together, each on batches of ``batch`` images."""
        if self.together is not None:
            return self.together
        # A single network uses all cores of a CPU.
        return 1 if torch.device(self.device).type == "cpu" else max(1, self.suitable_chunk(image_shape) // batch)

    def with_compile_decision(self, image_shape: Shape, images: int) -> Compute:
        """Resolve the settings and `compile`: "always" if compiling pays off for ``images`` images and a compiler is installed."""
        resolved = self.resolve()
        if self.compile != "auto":
            return resolved
        pixels = images * image_shape[1] * image_shape[2]
        pays = pixels >= COMPILE_PIXELS[torch.device(resolved.device).type]
        return replace(resolved, compile="always" if pays and _has_compiler() else "never")

    def wrap(self, function: Callable[P, Tensor]) -> Callable[P, Tensor]:
        """Return ``function`` in the chosen precision, compiled if `compile` is "always"."""
        compiled = _Compiled(function) if self.compile == "always" else function
        if self.precision != "bfloat16":
            return compiled

        def in_precision(*args: P.args, **kwargs: P.kwargs) -> Tensor:
            with torch.autocast(torch.device(self.device).type, torch.bfloat16):
                return compiled(*args, **kwargs)

        return in_precision


def _prepare_compiler() -> None:
    """Raise torch's limit of 8 programs per network, beyond which it silently stops compiling, and add the processor to its cache key.

    By default the key of torch's disk cache ignores the processor, so a program from a machine with the same home folder may crash.
    """
    # The compiler reads the gradients of its inputs. Its warning that some are no leaves must not stop it where warnings are errors.
    warnings.filterwarnings("ignore", r"The \.grad attribute of a Tensor", module=r"torch\.")
    logging.getLogger("torch.utils.cpp_extension").addFilter(_is_no_hint_at_cuda)
    config = torch._dynamo.config
    name = "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"
    setattr(config, name, max(PROGRAMS, getattr(config, name)))
    cache = getattr(torch.compiler, "config", None)
    if cache is not None and getattr(cache, "cache_key_tag", None) == "":  # older versions lack it; a tag set by the user is kept
        cache.cache_key_tag = f"{torch.backends.cpu.get_cpu_capability()} {bfloat16_support()}"


def _is_no_hint_at_cuda(record: logging.LogRecord) -> bool:
    """Return False for the warning that a CUDA toolkit is installed without a GPU, which says nothing about a program for the CPU."""
    return not str(record.msg).startswith("No CUDA runtime is found")


class _Compiled(Generic[P]):
    """A function compiled at its first call; if compilation fails, it warns and calls the original function."""

    def __init__(self, function: Callable[P, Tensor]) -> None:
        _prepare_compiler()
        self.plain, self.called = function, False
        self.compiled: Callable[P, Tensor] | None = None
        try:
            # One program per shape, so that the bits of a result depend on its shape alone, not on the shapes seen before.
            self.compiled = torch.compile(function, dynamic=False)
        except RuntimeError as error:  # torch cannot compile on this platform
            self._give_up(error)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        if self.compiled is None:
            return self.plain(*args, **kwargs)
        if not self.called:
            logger.info(COMPILING)
            self.called = True
        try:
            return self.compiled(*args, **kwargs)
        except torch._dynamo.exc.TorchDynamoException as error:
            self._give_up(error)
            return self.plain(*args, **kwargs)

    def _give_up(self, error: Exception) -> None:
        reason = " ".join(str(error).strip().splitlines()[:2])  # the first line alone may only name the compiler
        logger.warning("Compilation failed; continuing without it, which is slower (%s).", reason)
        self.compiled = None


def torch_device(name: str) -> torch.device:
    """Return the device ``name``; "auto" is the first GPU, else the CPU. Raise CondensationError if there is no such device."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise unknown("device", name, ("auto", "cpu", "cuda", "cuda:1", "mps"), setting="compute.device") from None
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}.get(device.type, False)
    count = torch.cuda.device_count()
    if available and device.type == "cuda" and (device.index or 0) >= count:
        message = f"There is no device {name}: this machine has {count} GPU{'' if count == 1 else 's'}, numbered from 0."
        raise CondensationError(message, setting="compute.device")
    if not available:
        hint = 'Use device="auto" or device="cpu".'
        raise CondensationError(f"torch finds no device {name} on this machine.", hint=hint, setting="compute.device")
    return device


@cache
def _keep_freed_memory() -> None:
    """Let malloc keep blocks of up to 32 MB for later use; else it returns them to the system, and a step gets them page by page again.

    The C library of Linux does so for blocks of the size of the largest that was freed. Elsewhere this has no effect.
    """
    torch.empty(KEPT_BLOCK, dtype=torch.uint8)  # freed at once


def _has_compiler() -> bool:
    return any(shutil.which(name) for name in (os.environ.get("CXX") or "g++", "clang++", "g++"))


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
