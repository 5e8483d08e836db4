"""Processes that work on one run, as torchrun starts them; the only module that imports torch.distributed."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous
from torch.nn.modules.batchnorm import _BatchNorm

from condensation.core.environment import machine, versions
from condensation.core.errors import CondensationError
from condensation.core.lock import set_joined

TIMEOUT = timedelta(minutes=10)  # a step and an evaluated network take less; a process that is lost is noticed after it


class Disconnected(CondensationError):
    """Error for a process of the team that ended or cannot be reached."""


@dataclass(frozen=True)
class Team:
    """The processes of a run. Every process calls the same functions in the same order.

    >>> from condensation import Team
    >>> Team(rank=0, size=1).leads
    True
    """

    rank: int
    """Number of this process, from 0."""
    size: int
    """Number of processes."""
    local_rank: int = 0
    """Number of this process among those of its machine, which chooses its GPU."""

    @classmethod
    @contextmanager
    def join(cls, init_method: str = "env://", timeout: timedelta = TIMEOUT) -> Iterator[Team]:
        """Connect the processes that torchrun started, by its variables RANK, WORLD_SIZE and LOCAL_RANK, for the block.

        Raise Disconnected if the others cannot be reached. Without torchrun, the team is this process. A process group that exists already
        is used, and stays.
        """
        rank, size, local = (int(os.environ.get(name) or default) for name, default in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0)))
        team, own = cls(rank, size, local), size > 1 and not dist.is_initialized()
        if torch.cuda.is_available():
            torch.cuda.set_device(local % torch.cuda.device_count())
        with team._connected():
            if own:
                # Its functions have the present group as their default. Imported later, as by torch.compile, they would keep it, and its
                # threads would abort a process that ends.
                importlib.import_module("torch.distributed.nn.functional")
                backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
                store, _, _ = next(rendezvous(init_method, rank, size, timeout=timeout))
                # The store of torchrun outlives its processes: without a prefix, those that are started again would find the addresses of
                # those that died.
                store = PrefixStore(f"attempt-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
                dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=timeout)
        set_joined(True)
        try:
            yield team
        finally:
            set_joined(False)
            if own:
                dist.destroy_process_group()

    @property
    def leads(self) -> bool:
        """True for the process that writes files and shows progress."""
        return self.rank == 0

    @property
    def device(self) -> str:
        """Device of this process: its GPU, or "cpu"."""
        return f"cuda:{self.local_rank % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all processes of ``values``, which are on the CPU. Of zeros and one other number, it is exact."""
        total = values.clone()
        if self.size > 1:
            with self._connected():
                dist.all_reduce(total)
        return total

    def shared(self, values: Tensor | None, source: int, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return the tensor ``values`` of ``shape`` that the process ``source`` has, on the CPU."""
        tensor = values.detach().cpu().contiguous() if values is not None else torch.empty(tuple(shape), dtype=dtype)
        with self._connected():
            if tensor.numel() and self.size > 1:
                dist.broadcast(tensor, source)
        return tensor

    def texts(self, text: str) -> list[str]:
        """Return the ``text`` of each process."""
        if self.size == 1:
            return [text]
        content = torch.frombuffer(bytearray(text.encode() or b" "), dtype=torch.uint8)
        with self._connected():
            lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
            dist.all_gather(lengths, torch.tensor([len(content)]))
            padded = torch.zeros(int(torch.cat(lengths).max()), dtype=torch.uint8)
            padded[: len(content)] = content
            gathered = [torch.empty_like(padded) for _ in range(self.size)]
            dist.all_gather(gathered, padded)
        return [bytes(part[: int(count)].tolist()).decode().strip() for part, count in zip(gathered, lengths, strict=True)]

    def wait(self) -> None:
        """Wait until all processes have come here."""
        self.sum(torch.zeros(1))

    def raise_any(self, error: Exception | None) -> None:
        """Raise the error of the first process that has one, in all processes; all of them then stop at the same place."""
        if not self.sum(torch.tensor([0.0 if error is None else 1.0])).item():
            return
        described = ""
        if error is not None:
            known = isinstance(error, CondensationError)
            message = getattr(error, "message", "") or f"{type(error).__name__}: {error}"
            described = json.dumps([message, getattr(error, "hint", "") if known else "", getattr(error, "setting", "") if known else ""])
        texts = self.texts(described)
        source = next(rank for rank, text in enumerate(texts) if text)
        if error is not None and source == self.rank:
            if not self.leads:
                error.__dict__["reported"] = True  # by the first process
            raise error
        message, hint, setting = json.loads(texts[source])
        other = CondensationError(f"Process {source} of {self.size}: {message}" if source else message, hint=hint, setting=setting)
        other.__dict__["reported"] = not self.leads
        raise other

    @contextmanager
    def failing_together(self) -> Iterator[None]:
        """Raise an error of the block in all processes. The block must not communicate."""
        error: Exception | None = None
        try:
            yield
        except Exception as raised:
            error = raised
        self.raise_any(error)

    def require_equal(self, facts: Mapping[str, Any]) -> None:
        """Raise CondensationError in all processes if one of ``facts`` is not the same in all of them; the message names it."""
        own = {**versions(), **{f"{name} (processor)": value for name, value in machine().items() if name != "torch"}, **facts}
        every = [json.loads(text) for text in self.texts(json.dumps({name: str(value) for name, value in own.items()}))]
        for rank, others in enumerate(every):
            for name in {**every[0], **others}:
                here, there = every[0].get(name, "unknown"), others.get(name, "unknown")
                if here != there:
                    message = f"Process {rank} has another {name} than process 0: {there}, not {here}. The result would depend on it."
                    error = CondensationError(message, hint="Start all processes with the same program, data and kind of machine.")
                    error.__dict__["reported"] = not self.leads
                    raise error

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, ValueError) as error:  # of gloo, NCCL and the store
            reason = " ".join(str(error).split())[:200]
            message = f"Process {self.rank} of {self.size} lost the connection to another one ({reason})."
            lost = Disconnected(message, hint="Start the run again with resume=True; it continues from the last checkpoint.")
            lost.__dict__["reported"] = not self.leads
            raise lost from error


def assigned(costs: Sequence[int], size: int) -> list[list[int]]:
    """Divide items with ``costs`` among ``size`` processes: the largest first, each to the process with the least so far."""
    loads, parts = [0] * size, [list[int]() for _ in range(size)]
    for item in sorted(range(len(costs)), key=lambda item: -costs[item]):
        rank = loads.index(min(loads))
        loads[rank] += max(1, costs[item])
        parts[rank].append(item)
    return [sorted(part) for part in parts]


class _SumOfAll(torch.autograd.Function):
    """Sum over all processes, with the gradient of the sum of their losses."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


class SynchronizedNorm(_BatchNorm):
    """Batch norm in training mode over the batches of all processes."""

    def forward(self, images: Tensor) -> Tensor:
        axes = [axis for axis in range(images.ndim) if axis != 1]
        shape = [-1 if axis == 1 else 1 for axis in range(images.ndim)]
        values = images.float() if images.dtype in (torch.bfloat16, torch.float16) else images
        count = values.new_full((1,), values.numel() / values.shape[1])
        sums = _SumOfAll.apply(torch.cat([values.sum(axes), count]))  # type: ignore[no-untyped-call]
        total = sums[-1].detach()
        centred = values - (sums[:-1] / total).view(shape)
        # The variance from centred values; the mean of squares minus the square of the mean would cancel.
        variance = _SumOfAll.apply(centred.square().sum(axes)) / total  # type: ignore[no-untyped-call]
        result = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            result = result * self.weight.view(shape) + self.bias.view(shape)
        normalized: Tensor = result.to(images.dtype)
        return normalized


def synchronize_norms(network: nn.Module) -> None:
    """Make the batch norms of ``network`` normalize over the batches of all processes, in place."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = SynchronizedNorm  # the names of its weights stay
