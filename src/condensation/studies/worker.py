"""Start of a worker process. It imports PyTorch only once it watches its parent, with which it ends from its first moment."""

import logging
import os
import threading
from contextlib import suppress
from multiprocessing.connection import Connection


def prepare(threads: int, receiver: Connection) -> None:
    """Prepare a new process, which ends once the other end of ``receiver`` is closed."""
    threading.Thread(target=_end_with, args=(receiver,), daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    logging.getLogger("condensation").setLevel(logging.ERROR)  # the main process has logged the warnings


def _end_with(receiver: Connection) -> None:
    with suppress(EOFError, OSError):
        receiver.recv_bytes()
    os._exit(1)
