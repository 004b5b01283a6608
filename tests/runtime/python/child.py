"""A real process that runs the Python harness, driven over its protocol descriptor."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[3]
RUNTIME = ROOT / "workers" / "runtime" / "python"
FEEDS = ROOT / "tests" / "fixtures" / "feeds"
RUN = "0190c6a2-5b1e-5c3d-9f00-0123456789ab"
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); import harness; harness.serve(int(sys.argv[2]))"
)


@dataclass
class Frame:
    """One message of the child; parts as they came."""

    header: dict[str, Any]
    parts: list[bytes]

    @property
    def kind(self) -> str:
        return str(self.header["t"])

    @property
    def value(self) -> Any:
        return json.loads(self.parts[0])


@dataclass
class Ran:
    """What one invocation sent, in order; `done` is None when the process ended before it."""

    frames: list[Frame] = field(default_factory=list)
    done: dict[str, Any] | None = None

    def of(self, kind: str) -> list[Frame]:
        return [frame for frame in self.frames if frame.kind == kind]

    @property
    def events(self) -> list[Any]:
        return [frame.value for frame in self.of("emit")]

    @property
    def logs(self) -> list[tuple[str, str]]:
        return [(frame.header["level"], frame.header["msg"]) for frame in self.of("log")]

    @property
    def error(self) -> dict[str, Any]:
        assert self.done is not None
        assert self.done["ok"] is False, f"the run succeeded: {self.frames}"
        error: dict[str, Any] = self.done["error"]
        return error

    def ok(self) -> Self:
        assert self.done is not None
        assert self.done["ok"], self.done["error"]
        return self

    @property
    def reuse(self) -> bool:
        assert self.done is not None
        return bool(self.done["reuse"])

    @property
    def page(self) -> Any:
        """The answer to a call for options: `{"items": […], "context": …}`."""
        [frame] = self.ok().of("options")
        return frame.value

    def store(self, before: dict[str, Any] | None = None) -> dict[str, Any]:
        """The store after the run."""
        after = dict(before or {})
        for frame in self.of("set"):
            after.pop(frame.header["key"], None)
            if frame.parts:
                after[frame.header["key"]] = frame.value
        return after


def pack(header: dict[str, Any], *parts: bytes) -> bytes:
    body = b"\n".join((json.dumps(header).encode(), *parts))
    return struct.pack(">I", len(body)) + body


class Child:
    """Starts the process and loads `code`; `loaded` or `failed` holds the answer."""

    def __init__(self, code: str | None, env: dict[str, str] | None = None) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-c", _START, str(RUNTIME), str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                env={"TZ": "UTC", "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        ours.settimeout(60)
        self.socket = ours
        self._stream = ours.makefile("rb")
        self.loaded: dict[str, Any] | None = None
        self.failed: dict[str, Any] | None = None
        self._output: tuple[str, str] | None = None
        if code is not None:
            self.load(code, env or {})

    def load(self, code: str, env: dict[str, str]) -> None:
        header = {"t": "load", "language": "python", "component_id": "sc_test1", "env": env}
        self.socket.sendall(pack(header, json.dumps(code).encode()))
        answer = self.read()
        if answer is None:
            raise AssertionError(f"no answer to load: {self.output()}")
        if answer.kind == "loaded":
            self.loaded = answer.header["description"]
        else:
            self.failed = answer.header["error"]

    def read(self) -> Frame | None:
        head = self._stream.read(4)
        if len(head) < 4:
            return None
        body = self._stream.read(struct.unpack(">I", head)[0])
        header, *parts = body.split(b"\n")
        return Frame(json.loads(header), parts)

    def invoke(
        self,
        entry: str = "run",
        *,
        props: dict[str, Any] | None = None,
        event: Any = None,
        store: dict[str, Any] | None = None,
        source_id: str = "dc_test1",
    ) -> Ran:
        """One invocation to its `done`, or to the end of the process."""
        header = {"t": "invoke", "run": RUN, "entry": entry, "source_id": source_id}
        parts = [
            json.dumps(part, separators=(",", ":")).encode()
            for part in (props or {}, event, store or {})
        ]
        self.socket.sendall(pack(header, *parts))
        return self._ran()

    def options(
        self,
        name: str,
        props: dict[str, Any] | None = None,
        *,
        page: int = 0,
        prev_context: dict[str, Any] | None = None,
        query: str | None = None,
    ) -> Ran:
        """One call for options; its answer is the frame of that kind."""
        header = {"t": "options", "run": RUN, "name": name, "page": page}
        if query is not None:
            header["query"] = query
        parts = [json.dumps(part).encode() for part in (props or {}, prev_context or {})]
        self.socket.sendall(pack(header, *parts))
        return self._ran()

    def _ran(self) -> Ran:
        ran = Ran()
        while (frame := self.read()) is not None:
            assert frame.header["run"] == RUN
            if frame.kind == "done":
                ran.done = frame.header
                break
            ran.frames.append(frame)
        return ran

    def output(self) -> tuple[str, str]:
        """What reached the real output descriptors, after the process has ended."""
        if self._output is None:
            self.socket.shutdown(socket.SHUT_WR)
            out, err = self.process.communicate(timeout=30)
            self._output = out.decode(), err.decode()
        return self._output

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()
        self.socket.close()
        try:
            self.process.communicate(timeout=1)
        except subprocess.TimeoutExpired:
            os.kill(self.process.pid, 9)
            self.process.communicate(timeout=10)


def component(body: str, *, head: str = "", attributes: str = "") -> str:
    """A component's text around the body of its class, which is indented already."""
    lines = ["from headwater import *", head, "class C(Source):", '    name = "c"']
    return "\n".join([*lines, *(f"    {line}" for line in attributes.splitlines()), body])


def run_body(body: str, *, head: str = "", attributes: str = "") -> str:
    """A component whose `run(self, event)` is these statements."""
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return component(f"    def run(self, event):\n{lines}\n", head=head, attributes=attributes)
