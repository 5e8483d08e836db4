"""Observation of a process by an audit hook: file operations, connections, other processes, files outside its folder."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
ONE_PATH = {"os.mkdir", "os.rmdir", "os.remove", "os.truncate", "os.chmod", "os.utime"}
TWO_PATHS = {"os.rename", "os.link", "os.symlink"}
CALLS = {"os.system", "os.exec", "os.posix_spawn", "os.spawn"}
NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"}
LOCAL = ("127.0.0.1", "localhost")


class Watch:
    """Counter of the changes below ``folder``, which kills the process before number ``kill_at``, and list of forbidden events."""

    def __init__(self, folder: Path, kill_at: int) -> None:
        self.folder = str(folder)
        self.kill_at = kill_at
        self.operations = 0
        self.events: list[str] = []
        self.active = False
        self.process = os.getpid()

    def begin(self) -> None:
        self.process = os.getpid()
        self.active = True
        sync = os.fsync

        def synced(descriptor: int) -> None:
            self.count()
            sync(descriptor)

        os.fsync = synced
        sys.addaudithook(self.audit)

    def end(self) -> None:
        self.active = False

    def count(self) -> None:
        if self.active and os.getpid() == self.process:
            self.operations += 1
            if self.operations == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event == "open":
            if arguments[2] & CHANGING and not isinstance(arguments[0], int):
                self.change(arguments[0])
        elif event in ONE_PATH:
            self.change(arguments[0])
        elif event in TWO_PATHS:
            self.change(arguments[1])
        elif event in NETWORK:
            address = arguments[1] if event == "socket.connect" else arguments
            host = address[0] if isinstance(address, tuple) else address
            if host not in LOCAL:
                self.events.append(f"{event} {address}")
                raise OSError(f"campaigns allow no connection to {host}")
        elif event in CALLS:
            self.events.append(f"{event} {arguments[0]}")

    def change(self, path: Any) -> None:
        if isinstance(path, int):
            return
        name = os.path.abspath(os.fsdecode(path))
        if name.startswith(self.folder):
            self.count()
        elif not name.startswith(("/dev/", "/proc/", os.environ.get("HF_HOME", "/proc/"))) and "__pycache__" not in name:
            self.events.append(f"changed {name}")
