"""A package registry on loopback: real HTTP, packages made by the test, hostile ones among them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


@dataclass(frozen=True)
class Link:
    """A symbolic link in an archive."""

    target: str


Content = str | bytes | Link
Archive = dict[str, Content]


def tarball(files: Archive) -> bytes:
    """A package's archive; names are taken as they are, below `package/`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            if isinstance(content, Link):
                entry.type, entry.linkname = tarfile.SYMTYPE, content.target
                archive.addfile(entry)
                continue
            data = content.encode() if isinstance(content, str) else content
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def wheel(name: str, version: str, files: Archive, requires: tuple[str, ...] = ()) -> bytes:
    """A pure wheel."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {need}\n" for need in requires)
    given = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    given[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*given, f"{info}/RECORD"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in given.items():
            assert not isinstance(content, Link)
            archive.writestr(path, content)
    return buffer.getvalue()


@dataclass
class Registry:
    """`npm` and `pip` say what there is; `asked` what was asked for, in order; `hold` makes an
    answer late."""

    address: str
    asked: list[str] = field(default_factory=list)
    answers: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    packuments: dict[str, dict[str, Any]] = field(default_factory=dict)
    wheels: dict[str, dict[str, str]] = field(default_factory=dict)
    slow: dict[str, threading.Event] = field(default_factory=dict)

    def hold(self, path: str) -> threading.Event:
        """What is asked for there is answered when the event is set."""
        self.slow[path] = threading.Event()
        return self.slow[path]

    def npm(self, name: str, version: str, files: Archive, **manifest: Any) -> None:
        """One more version, which becomes the latest."""
        described = {"name": name, "version": version, "main": "index.js", **manifest}
        data = tarball({"package.json": json.dumps(described), **files})
        path = f"/files/{name}-{version}.tgz"
        digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
        dist = {"tarball": self.address + path, "integrity": f"sha512-{digest}"}
        dist["shasum"] = hashlib.sha1(data).hexdigest()
        document = self.packuments.setdefault(name, {"name": name, "versions": {}})
        document["versions"][version] = {**described, "dist": dist}
        document["dist-tags"] = {"latest": version}
        self.answers[path] = ("application/octet-stream", data)
        self.answers[f"/{name}"] = ("application/json", json.dumps(document).encode())

    def pip(self, name: str, version: str, files: Archive, requires: tuple[str, ...] = ()) -> None:
        self._offer(
            name, f"{name}-{version}-py3-none-any.whl", wheel(name, version, files, requires)
        )

    def sdist(self, name: str, version: str, files: Archive) -> None:
        self._offer(name, f"{name}-{version}.tar.gz", tarball(files))

    def _offer(self, name: str, file: str, data: bytes) -> None:
        self.answers[f"/files/{file}"] = ("application/octet-stream", data)
        known = self.wheels.setdefault(name, {})
        known[file] = hashlib.sha256(data).hexdigest()
        links = "".join(
            f'<a href="/files/{file}#sha256={digest}">{file}</a>\n'
            for file, digest in known.items()
        )
        page = f"<!DOCTYPE html><html><body>{links}</body></html>"
        self.answers[f"/simple/{name}/"] = ("text/html", page.encode())

    def count(self, part: str) -> int:
        return sum(part in path for path in self.asked)


class _Handler(BaseHTTPRequestHandler):
    registry: Registry
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(self.path)
        self.registry.asked.append(path)
        if path in self.registry.slow:
            self.registry.slow[path].wait(60)
        kind, data = self.registry.answers.get(path, ("", b"not found"))
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args: Any) -> None:
        pass


class Serving:
    """`with Serving() as registry:`"""

    def __enter__(self) -> Registry:
        handler = type("Handler", (_Handler,), {})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        port = self._server.server_address[1]
        handler.registry = registry = Registry(f"http://127.0.0.1:{port}")  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return registry

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
