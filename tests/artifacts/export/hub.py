"""A small Hugging Face hub on loopback, with its data in memory: creates, uploads and downloads data sets."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Server with ``files`` by repository and path; the token ``allowed`` may write."""

    def __init__(self, allowed="secret"):
        super().__init__(("127.0.0.1", 0), Handler)
        self.allowed = allowed
        self.files = {}
        self.repositories = {}
        self.seen = []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, content=b"", **headers):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
            headers.setdefault("Content-Type", "application/json")
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def do_POST(self):
        body, path = self.body(), self.path.split("?")[0]
        self.server.seen.append(f"POST {path}")
        if path == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if self.headers.get("Authorization") != f"Bearer {self.server.allowed}":
            return self.answer(401, {"error": "Invalid username or password."})
        if path == "/api/repos/create":
            wanted = json.loads(body)
            name = "/".join(part for part in (wanted.get("organization"), wanted["name"]) if part)
            self.server.repositories[name] = wanted
            return self.answer(200, {"url": f"{self.server.address}/datasets/{name}", "name": name, "id": "1"})
        if "/preupload/" in path:
            files = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in json.loads(body)["files"]]
            return self.answer(200, {"files": files, "commitOid": COMMIT})
        if "/commit/" in path:
            name = path.removeprefix("/api/datasets/").split("/commit/")[0]
            for line in body.decode().splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    self.server.files[name, entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            url = f"{self.server.address}/datasets/{name}/commit/{COMMIT}"
            return self.answer(200, {"success": True, "commitUrl": url, "commitOid": COMMIT, "pullRequestUrl": None, "hookOutput": ""})
        return self.answer(404, {"error": "Not found"})

    def do_GET(self):
        path = self.path.split("?")[0]
        self.server.seen.append(f"{self.command} {path}")
        if "/resolve/" in path:
            name, file = path.removeprefix("/datasets/").split("/resolve/")
            content = self.server.files.get((name, file.split("/", 1)[1]))
            if content is not None:
                return self.answer(200, content, ETag=f'"{hashlib.sha1(content).hexdigest()}"', X_Repo_Commit=COMMIT)
            kind = "EntryNotFound" if name in self.server.repositories else "RepoNotFound"
            return self.answer(404, b"", X_Error_Code=kind)
        if path.startswith("/api/datasets/"):
            name = path.removeprefix("/api/datasets/").split("/revision/")[0]
            if name in self.server.repositories:
                siblings = [{"rfilename": file} for owner, file in self.server.files if owner == name]
                return self.answer(200, {"id": name, "sha": COMMIT, "siblings": siblings})
            return self.answer(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        return self.answer(404, {"error": "Not found"})

    do_HEAD = do_GET
