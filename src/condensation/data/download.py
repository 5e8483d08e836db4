"""Download of data sets: verified by checksum and resumable. Loading does not download them."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from condensation.core.errors import CondensationError, MissingExtra, unknown
from condensation.core.lock import locked_beside
from condensation.core.memory import readable
from condensation.core.storage import put_in_place
from condensation.data.catalogue import DATASETS, known_name
from condensation.data.folders import VARIABLE, search_folders, user_folder
from condensation.data.locate import find_folder
from condensation.data.mirrors import DOWNLOADS, Download, DownloadFile

BLOCK = 1 << 16  # bytes written at a time
TRIES = 3  # consecutive attempts without data before giving up
PAUSE = 1.0  # seconds between two attempts
TIMEOUT = 30.0  # seconds without data before a transfer counts as interrupted

OnTransfer = Callable[[str, int, int | None], None]
"""Called with the file name, the bytes received, and the total bytes if the server states them."""


@dataclass(frozen=True)
class DownloadPlan:
    """Files to download and their destination."""

    name: str  # key in `DATASETS`
    remote: Download
    folder: Path  # of this data set alone
    base: str  # URL of the folder with the files

    def path(self, file: DownloadFile) -> Path:
        return self.folder / file.name


def plan_download(name: str, folder: str | Path | None = None, mirror: str | None = None) -> DownloadPlan:
    """Return the plan for ``name`` in ``folder``, by default CONDENSATION_DATA, else the user's. Raise CondensationError if unknown."""
    known = known_name(name)
    if known not in DOWNLOADS:
        if known is not None:
            raise CondensationError(f"{known!r} is bundled with the package: there is nothing to download.")
        raise unknown("downloadable data set", name, DOWNLOADS)
    if mirror is not None and not mirror.startswith(("http://", "https://")):
        raise CondensationError(f"The mirror is {mirror!r}, expected an http or https URL.", hint='Set mirror="https://example.org".')
    named = folder or os.environ.get(VARIABLE) or None
    root = Path(os.path.expanduser(named)) if named else user_folder()
    if root is None:
        raise MissingExtra("Downloading data without naming a folder", "data")
    remote = DOWNLOADS[known]
    return DownloadPlan(known, remote, root / known, (mirror or remote.base).rstrip("/"))


def local_copy(plan: DownloadPlan, folder: str | Path | None = None) -> Path | None:
    """Return the path of the data set on this machine, in any format; None if it is missing or incomplete."""
    present = [file for file in plan.remote.files if plan.path(file).is_file()]
    if present:
        return None if len(present) < len(plan.remote.files) else plan.folder
    # If a folder is given, only copies in it count.
    roots = [Path(os.path.expanduser(folder))] if folder else search_folders(None)
    return next((path for root in roots if root.is_dir() and (path := find_folder(plan.name, root))), None)


def download_dataset(plan: DownloadPlan, on_progress: OnTransfer = lambda file, done, total: None) -> Path:
    """Download the missing files of ``plan`` and return their folder. Existing files are verified, never replaced.

    Received bytes are kept; the next call resumes from them. If another process downloads the data set, wait for it. Raise
    CondensationError if the server or the network fails, the disk is full, or a checksum differs, and MissingExtra if requests is not
    installed.
    """
    if find_spec("requests") is None:
        raise MissingExtra("Downloading data", "data")
    with ExitStack() as stack:
        try:
            stack.enter_context(locked_beside(plan.folder, wait=True))
            plan.folder.mkdir(exist_ok=True)
        except OSError as problem:
            message = f"Could not create {plan.folder}: {problem.strerror}."
            raise CondensationError(message, hint="Choose another folder (folder=...).", setting="data.folder") from problem
        try:
            for file in plan.remote.files:
                path = plan.path(file)
                if not path.is_file():
                    _retrieve(plan, file, partial(on_progress, file.name))
                elif (actual := _md5(path)) != file.md5:
                    message = f"{path} is not the published file: its md5 is {actual}, expected {file.md5}."
                    raise CondensationError(message, hint="Move or remove it, and try again.")
        finally:
            with suppress(OSError):  # removes the folder only if it is empty
                plan.folder.rmdir()
    return plan.folder


def _retrieve(plan: DownloadPlan, file: DownloadFile, on_progress: Callable[[int, int | None], None]) -> None:
    url, path = f"{plan.base}/{file.name}", plan.path(file)
    part = path.with_name(path.name + ".part")
    if not part.is_file() or _md5(part) != file.md5:  # it is complete if the process was killed before it renamed it
        Transfer(part, on_progress).fetch(url)
        if (actual := _md5(part)) != file.md5:
            part.unlink()
            message = f"{url} is damaged or not the published file, and was removed: its md5 is {actual}, expected {file.md5}."
            hint = f"Try again, or set mirror=... to another address that has {DATASETS[plan.name].title}."
            raise CondensationError(message, hint=hint)
    put_in_place(part, path)


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


@dataclass(frozen=True)
class Transfer:
    """Transfer that keeps the received bytes in ``part`` and requests only the rest."""

    part: Path
    on_progress: Callable[[int, int | None], None]

    def fetch(self, url: str) -> None:
        """Receive what is missing of the file at ``url``."""
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        failures = 0
        while True:
            before = self.size()
            try:
                return self.resume(url)
            except (RequestException, HTTPError, Interrupted) as problem:
                failures = 0 if self.size() > before else failures + 1
                if failures == TRIES:
                    raise self.failure(url, problem) from problem
                time.sleep(PAUSE)

    def resume(self, url: str) -> None:
        """Request the rest of the file, or all of it from a server without range requests."""
        import requests

        have = self.size()
        # Without "identity" a server may compress the archive, and the checksum would differ.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            status, ranged = answer.status_code, answer.headers.get("Content-Range", "")
            if status == 416 and ranged == f"bytes */{have}":
                return  # complete already
            if status == 416 or (status == 206 and not ranged.startswith(f"bytes {have}-")):
                self.part.unlink()
                raise Interrupted("the file on the server has changed")
            if 400 <= status < 500:
                hint = f"Set mirror=... to the address of another folder that has {self.part.stem}."
                raise CondensationError(f"{url} answers {status} {answer.reason}.", hint=hint)
            answer.raise_for_status()
            done = have if status == 206 else 0
            length = answer.headers.get("Content-Length")
            total = done + int(length) if length else None
            self.require_space((total or 0) - done)
            with self.part.open("ab" if done else "wb") as file:
                self.on_progress(done, total)
                for block in answer.raw.stream(BLOCK, decode_content=False):
                    self.write(file, block)
                    done += len(block)
                    self.on_progress(done, total)
        if total is not None and done < total:
            raise Interrupted(f"the connection ended after {done:,} of {total:,} bytes")

    def size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def write(self, file: Any, block: bytes) -> None:
        try:
            file.write(block)
        except OSError as problem:
            message = f"Could not write {self.part}: {problem.strerror}. The bytes received are kept."
            raise CondensationError(message, hint="Make room, or choose another folder (folder=...).") from problem

    def require_space(self, needed: int) -> None:
        free = shutil.disk_usage(self.part.parent).free
        if needed > free:
            message = f"{self.part.stem} needs {readable(needed)} more, and {readable(free)} are free in {self.part.parent}."
            raise CondensationError(message, hint="Make room, or choose another folder (folder=...).")

    def failure(self, url: str, problem: Exception) -> CondensationError:
        kept = f" {readable(self.size())} were received and are kept; the next download resumes there." if self.size() else ""
        message = f"Could not download {url}: {_reason(problem)}.{kept}"
        return CondensationError(message, hint="Check the network and try again, or choose a mirror (mirror=...).")


class Interrupted(Exception):
    """A transfer that ended early or cannot be resumed."""


def _reason(problem: Exception) -> str:
    """Return the text of a network error without the names of connection objects."""
    while problem.args and isinstance(problem.args[0], Exception):
        problem = problem.args[0]
    text = str(getattr(problem, "reason", None) or problem)
    return text.split(": ", 1)[1] if text.startswith(("HTTPConnection", "HTTPSConnection", "<")) and ": " in text else text
