"""Getting a data set when a person asks for it: checked against its checksum, and gone on with after a cut. Loading never does this."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from condensation.core.errors import CondensationError, MissingExtra, unknown
from condensation.core.memory import readable
from condensation.data.catalogue import DATASETS, known_name
from condensation.data.locate import VARIABLE, find, roots, user_folder
from condensation.data.mirrors import REMOTES, Remote, RemoteFile

BLOCK = 1 << 16  # bytes written at a time
TRIES = 3  # in a row that bring nothing, before it is given up
PAUSE = 1.0  # seconds between two tries
SILENCE = 30.0  # seconds without a byte, after which a transfer counts as cut off

OnProgress = Callable[[str, int, int | None], None]  # file, bytes so far, bytes in all if the server says


@dataclass(frozen=True)
class Order:
    """What is to be got, and where it goes."""

    name: str  # in the catalogue
    remote: Remote
    folder: Path  # of this data set alone
    base: str  # the address that the files lie below

    def path(self, file: RemoteFile) -> Path:
        return self.folder / file.name

    def url(self, file: RemoteFile) -> str:
        return f"{self.base}/{file.name}"


def order(name: str, folder: str | Path | None = None, mirror: str | None = None) -> Order:
    """What getting ``name`` into the data folder means; without a folder, into that of the user.

    Raises:
        CondensationError: if there is no such data set, it cannot be got, or the mirror is no address.
    """
    known = known_name(name)
    if known not in REMOTES:
        if known is not None:
            raise CondensationError(f"{known!r} comes with the package: there is nothing to get.")
        raise unknown("data set to get", name, REMOTES)
    if mirror is not None and not mirror.startswith(("http://", "https://")):
        raise CondensationError(f"The mirror is {mirror!r}; give an address such as https://example.org/data.")
    named = folder or os.environ.get(VARIABLE) or None
    root = Path(named).expanduser() if named else user_folder()
    if root is None:
        raise MissingExtra("Getting data without naming a folder", "data")
    remote = REMOTES[known]
    return Order(known, remote, root / known, (mirror or remote.base).rstrip("/"))


def already(wanted: Order, folder: str | Path | None = None) -> Path | None:
    """Where the data set lies already, in any format; None if anything of what was ordered is to be got."""
    begun = [file for file in wanted.remote.files if wanted.path(file).is_file()]
    if begun:
        return None if len(begun) < len(wanted.remote.files) else wanted.folder
    # Whoever names a folder wants the data there, wherever else they may be.
    places = [Path(folder).expanduser()] if folder else roots(None)
    return next((found for place in places if place.is_dir() and (found := find(wanted.name, place))), None)


def get(wanted: Order, on_progress: OnProgress = lambda file, done, total: None) -> Path:
    """Bring all files of ``wanted`` that are not there, and return their folder. What is there is checked, and never replaced.

    Raises:
        CondensationError: if the server or the network fails, the disk is full, or a file is not the one that was published.
            What has come so far is kept, and the next call goes on from there.
        MissingExtra: if pooch is not installed.
    """
    try:
        import pooch
    except ImportError:
        raise MissingExtra("Getting data", "data") from None
    pooch.get_logger().setLevel("ERROR")  # what there is to say is said by `on_progress`
    _make(wanted.folder)
    try:
        for file in wanted.remote.files:
            path = wanted.path(file)
            if path.is_file():
                _check(path, pooch.file_hash(str(path), "md5"), file.md5)
            else:
                _retrieve(wanted, file, partial(on_progress, file.name))
    finally:
        with suppress(OSError):  # so that nothing is left of a try that brought nothing; it fails if there is anything
            wanted.folder.rmdir()
    return wanted.folder


def _retrieve(wanted: Order, file: RemoteFile, on_progress: Callable[[int, int | None], None]) -> None:
    import pooch

    url, path = wanted.url(file), wanted.path(file)
    transfer = Transfer(path.with_name(path.name + ".part"), on_progress)
    try:
        pooch.retrieve(url, f"md5:{file.md5}", path.name, str(wanted.folder), downloader=transfer)
    except CondensationError:
        raise
    except ValueError as problem:  # the checksums differ, and pooch has removed what came
        raise CondensationError(
            f"{url} is not the file that was published, or came damaged; it was removed. {_sentence(problem)}\n"
            f"Run the same command again, or with --mirror ADDRESS from another place that has {DATASETS[wanted.name].title}."
        ) from problem


@dataclass(frozen=True)
class Transfer:
    """A downloader for pooch that keeps what has come in ``part`` and asks only for the rest."""

    part: Path
    on_progress: Callable[[int, int | None], None]

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        failures = 0
        while True:
            before = self.size()
            try:
                self.go_on(url)
                os.replace(self.part, output_file)
                return
            except (RequestException, HTTPError, Cut) as problem:
                failures = 0 if self.size() > before else failures + 1
                if failures == TRIES:
                    raise self.gave_up(url, problem) from problem
                time.sleep(PAUSE)

    def go_on(self, url: str) -> None:
        """Bring the rest of the file, or all of it from a server that can't give a part."""
        import requests

        have = self.size()
        # Not packed on the way: a packed archive would be unpacked, and then be another file.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=SILENCE) as answer:
            status, ranged = answer.status_code, answer.headers.get("Content-Range", "")
            if status == 416 and ranged == f"bytes */{have}":
                return  # it was whole
            if status == 416 or (status == 206 and not ranged.startswith(f"bytes {have}-")):
                self.part.unlink()
                raise Cut("the server has another file than before")
            if 400 <= status < 500:
                raise CondensationError(
                    f"{url} answers {status} {answer.reason}.\nGive another address with --mirror, which {self.part.stem} lies below."
                )
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
            raise Cut(f"the connection ended after {done:,} of {total:,} bytes")

    def size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def write(self, file: Any, block: bytes) -> None:
        try:
            file.write(block)
        except OSError as problem:
            raise CondensationError(
                f"{self.part} could not be written: {problem.strerror}.\nMake room, or name another --folder; what has come is kept."
            ) from problem

    def require_space(self, needed: int) -> None:
        free = shutil.disk_usage(self.part.parent).free
        if needed > free:
            raise CondensationError(
                f"{self.part.stem} needs {readable(needed)} more, and {readable(free)} are free in {self.part.parent}.\n"
                "Make room, or name another --folder."
            )

    def gave_up(self, url: str, problem: Exception) -> CondensationError:
        kept = f"{readable(self.size())} have come and are kept. " if self.size() else ""
        return CondensationError(
            f"{url} could not be got: {_reason(problem)}.\n{kept}See that the network is there and run the same command again"
            f"{', which goes on from there' if kept else ''}, or give another address with --mirror."
        )


class Cut(Exception):
    """A transfer that ended early, or can't be gone on with."""


def _check(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise CondensationError(
            f"{path} is not the file that was published: its md5 is {found}, and should be {expected}.\n"
            "Move or remove it, and run the same command again."
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise CondensationError(f"{folder} could not be made: {problem.strerror}.\nName another folder with --folder.") from problem


def _reason(problem: Exception) -> str:
    """What went wrong in the network, without the names of the objects that noticed."""
    while problem.args and isinstance(problem.args[0], Exception):
        problem = problem.args[0]
    inner = getattr(problem, "reason", None)
    text = str(inner or problem)
    return text.split(": ", 1)[1] if text.startswith(("HTTPConnection", "HTTPSConnection", "<")) and ": " in text else text


def _sentence(problem: Exception) -> str:
    """What pooch says of the checksums, without its advice."""
    return str(problem).split(" Deleted")[0].strip()
