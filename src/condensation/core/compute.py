"""On what, and how, the arithmetic is done: device, precision, chunk, compilation; chosen once by what the machine can do."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Generic, Literal, ParamSpec

import torch
from torch import Tensor, nn

from condensation.core.environment import bfloat16_support, has_fast_bfloat16
from condensation.core.errors import CondensationError
from condensation.core.images import Shape
from condensation.core.modules import mixes_images

logger = logging.getLogger(__name__)

P = ParamSpec("P")

# What fits the cache of a CPU core, and what fills a GPU, in pixels: 32 and 2,048 images of 32x32.
CHUNK_PIXELS = {"cpu": 32 * 1024, "cuda": 2048 * 1024, "mps": 512 * 1024}
# Compiling takes 3 to 20 s the first time (a GPU's programs: 30) and then saves 40 to 75 % of the time: on two cores it
# is even at 9,000 to 56,000 images of 32x32 (benchmarks/compiling.py). A GPU saves less time an image.
COMPILE_PIXELS = {"cpu": 50_000 * 1024, "cuda": 150_000 * 1024, "mps": 150_000 * 1024}
PROGRAMS = 128


@dataclass(frozen=True)
class Compute:
    """What is left at "auto" is chosen by `resolve`; what is set is obeyed, or refused with the reason."""

    device: str = "auto"  # auto, cpu, cuda, cuda:1, mps
    precision: Literal["auto", "float32", "bfloat16", "float64"] = "auto"  # of the networks; pixels and sums are float32
    chunk: int | None = None  # real images embedded at a time; None: by the cache. Batch norm sees the whole batch
    compile: Literal["auto", "always", "never"] = "auto"
    together: int | None = None  # networks trained at a time when a set is judged; None: as many as fill a GPU, 1 on a CPU

    def __post_init__(self) -> None:
        for name in ("chunk", "together"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise CondensationError(f"compute.{name} is {value}; it must be at least 1, or none for what suits the machine.")

    def resolve(self) -> Compute:
        """With device and precision decided for this machine."""
        device = str(torch_device(self.device))
        precision = ("bfloat16" if has_fast_bfloat16(device) else "float32") if self.precision == "auto" else self.precision
        if device.startswith("mps") and precision == "float64":
            raise CondensationError("Asked for float64 on mps, which has none.\nUse --device cpu, or compute.precision=float32.")
        return replace(self, device=device, precision=precision)

    def describe(self) -> str:
        """One line for people: what is chosen."""
        self = self.resolve()
        threads = torch.get_num_threads()
        kind = f"{threads} thread{'' if threads == 1 else 's'}, {torch.backends.cpu.get_cpu_capability()}"
        if self.device.startswith("cuda"):
            kind = torch.cuda.get_device_name(self.device)
        compiler = {"auto": "compiled where it pays", "always": "compiled", "never": "not compiled"}[self.compile]
        if self.compile == "auto" and not _has_compiler():
            compiler = "not compiled (no C++ compiler found)"
        # What suits the device follows from the size of the images, which is not known here.
        chunk = f", chunks of {self.chunk:,} image{'' if self.chunk == 1 else 's'}" if self.chunk else ""
        return f"{self.device} ({kind}), {self.precision}, {compiler}{chunk}"

    @property
    def dtype(self) -> torch.dtype:
        """Of pixels and weights."""
        return torch.float64 if self.precision == "float64" else torch.float32

    def _autocast(self) -> AbstractContextManager[None]:
        """Where networks compute in a lower precision than their weights."""
        if self.precision != "bfloat16":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)

    def chunk_for(self, network: nn.Module, image_shape: Shape) -> int | None:
        """How many images ``network`` may be given at a time when only a mean is wanted; None for all at once.

        Raises:
            CondensationError: if a chunk was asked for and the network has batch norm.
        """
        if mixes_images(network):
            if self.chunk is not None:
                raise CondensationError(
                    f"compute.chunk is {self.chunk}, but this network has batch norm, which must see the whole batch at once.\n"
                    "Leave compute.chunk out, or choose a network with instance norm."
                )
            return None
        return self.chunk if self.chunk is not None else self.suitable_chunk(image_shape)

    def suitable_chunk(self, image_shape: Shape) -> int:
        """How many images of ``image_shape`` suit the device."""
        return max(1, round(CHUNK_PIXELS[torch.device(self.device).type] / (image_shape[1] * image_shape[2])))

    def suitable_together(self, image_shape: Shape, batch: int) -> int:
        """How many networks, each with batches of ``batch`` images, suit the device at a time."""
        if self.together is not None:
            return self.together
        # A CPU is filled by one network.
        return 1 if torch.device(self.device).type == "cpu" else max(1, self.suitable_chunk(image_shape) // batch)

    def with_compile_decision(self, image_shape: Shape, images: int) -> Compute:
        """With compiling decided: whether it pays for ``images`` in all, and this machine can."""
        if self.compile != "auto":
            return self
        pixels = images * image_shape[1] * image_shape[2]
        pays = pixels >= COMPILE_PIXELS[torch.device(self.device).type]
        return replace(self, compile="always" if pays and _has_compiler() else "never")

    def wrap(self, function: Callable[P, Tensor]) -> Callable[P, Tensor]:
        """``function`` in the precision chosen, and compiled if that is `settled`."""
        fast = _Compiled(function) if self.compile == "always" else function

        def in_precision(*args: P.args, **kwargs: P.kwargs) -> Tensor:
            with self._autocast():
                return fast(*args, **kwargs)

        return in_precision


def _prepare_compiler() -> None:
    """Let torch keep a program for each shape of each network, and for this kind of processor.

    Beyond 8 programs it would silently go on uncompiled. Its cache on disk does not tell processors apart: a program that was
    made for another one, which shares the home folder, crashes or gives nonsense.
    """
    config = torch._dynamo.config
    name = "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"
    setattr(config, name, max(PROGRAMS, getattr(config, name)))
    cache = getattr(torch.compiler, "config", None)
    if cache is not None and getattr(cache, "cache_key_tag", None) == "":  # older versions have none; a person's own tag stays
        cache.cache_key_tag = f"{torch.backends.cpu.get_cpu_capability()} {bfloat16_support()}"


class _Compiled(Generic[P]):
    """A function compiled at its first call; should that fail, the function itself from then on, and a warning."""

    def __init__(self, function: Callable[P, Tensor]) -> None:
        _prepare_compiler()
        self.plain = function
        self.fast: Callable[P, Tensor] | None = None
        try:
            # One program for each shape: the bits of a result then depend on the shape alone, not on the shapes seen before.
            self.fast = torch.compile(function, dynamic=False)
        except RuntimeError as error:  # torch knows that it cannot here
            self._give_up(error)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        if self.fast is None:
            return self.plain(*args, **kwargs)
        try:
            return self.fast(*args, **kwargs)
        except torch._dynamo.exc.TorchDynamoException as error:
            self._give_up(error)
            return self.plain(*args, **kwargs)

    def _give_up(self, error: Exception) -> None:
        reason = " ".join(str(error).strip().splitlines()[:2])  # torch's first line may name no more than the compiler
        logger.warning("Going on without compiling, which is slower (%s).", reason)
        self.fast = None


def torch_device(name: str) -> torch.device:
    """The device called ``name``; "auto" is the first GPU, else the CPU.

    Raises:
        CondensationError: if this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise CondensationError(f"There is no kind of device {name!r}.\nThere is: auto, cpu, cuda, cuda:1, mps.") from None
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}.get(device.type, False)
    if there and device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise CondensationError(f"Asked for {name}, but this machine has {torch.cuda.device_count()} GPUs, counted from 0.")
    if not there:
        raise CondensationError(f"Asked for {name}, but torch finds no such device here.\nUse --device auto or --device cpu.")
    return device


def _has_compiler() -> bool:
    return any(shutil.which(name) for name in (os.environ.get("CXX") or "g++", "clang++", "g++"))
