"""A data server on this machine, with its faults."""

import hashlib
import http.server
import os
import random
import re
import signal
import time
from types import TracebackType

FILES = {"a.bin": random.Random(0).randbytes(300_000), "b.bin": random.Random(1).randbytes(50_000)}
BLOCK, PAUSE = 10_000, 0.004  # seconds between blocks, so that kills meet a transfer


def small_mnist() -> None:
    """Replace the files of MNIST by those of the server, and shorten the pauses."""
    from condensation.data import download, mirrors

    files = tuple(mirrors.DownloadFile(name, len(content), hashlib.md5(content).hexdigest()) for name, content in FILES.items())
    mirrors.DOWNLOADS["mnist"] = mirrors.Download("http://127.0.0.1", files)
    download.PAUSE = 0.05


class Serving:
    """A server process; ``way``: whole, without ranges, or flaky (every second answer is an error)."""

    def __init__(self, way: str) -> None:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.way, server.requests = way, 0  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.process = os.fork()
        if not self.process:
            server.serve_forever()
        server.socket.close()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None) -> None:
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with `FILES`."""

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        server.requests += 1  # type: ignore[attr-defined]
        content = FILES.get(self.path.rsplit("/", 1)[-1])
        if content is None or (server.way == "flaky" and server.requests % 2):  # type: ignore[attr-defined]
            return self.send_error(503 if content else 404)
        ranged = re.search(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(ranged[1]) if ranged and server.way != "without ranges" else None  # type: ignore[attr-defined]
        if begin is not None and begin >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
        else:
            self.send_response(200 if begin is None else 206)
            if begin is not None:
                self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        body = content[begin or 0 :]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for at in range(0, len(body), BLOCK):
            try:
                self.wfile.write(body[at : at + BLOCK])
            except OSError:
                return
            time.sleep(PAUSE)
