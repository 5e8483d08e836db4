"""Start functions in several connected processes."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


def in_processes(count: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Return what ``work(team, *arguments)`` returns, or the exception that it raises, in each of ``count`` processes.

    Each process must end well, and its connection with the block: threads of a connection that is left abort a process that ends.
    """
    with tempfile.TemporaryDirectory() as folder:
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=_begin, args=(rank, count, folder, work, arguments)) for rank in range(count)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * count
        return [pickle.loads((Path(folder) / str(rank)).read_bytes()) for rank in range(count)]


def _begin(rank: int, count: int, folder: str, work: Callable[..., Any], arguments: Any) -> None:
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(count), LOCAL_RANK=str(rank))
    import torch

    from condensation.core.team import Team

    torch.set_num_threads(1)
    result: Any
    try:
        with Team.join(f"file://{folder}/store") as team:
            result = work(team, *arguments)
    except Exception as error:
        result = {"error": traceback.format_exc(), "kind": type(error).__name__, **error.__dict__}
        result = {name: value for name, value in result.items() if isinstance(value, str | int | bool | float | None)}
    assert "gloo_tcp_loop" not in [(task / "comm").read_text().strip() for task in Path("/proc/self/task").glob("*")]
    (Path(folder) / str(rank)).write_bytes(pickle.dumps(result))
