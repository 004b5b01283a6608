"""A JavaScript child as its parent sees it: the real process, flags, pipes and frames."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from workers.runtime.javascript import cache, flags
from workers.runtime.settings import deno_beside_python

RUN = "0190c6a2-5b1e-5c3d-9f00-0123456789ab"


@dataclass
class Frame:
    """One frame from the child."""

    header: dict[str, Any]
    parts: list[bytes]

    @property
    def kind(self) -> str:
        return str(self.header["t"])

    @property
    def value(self) -> Any:
        """The one part, parsed."""
        [part] = self.parts
        return json.loads(part)


@dataclass
class Result:
    """Every frame of one invocation; `done` is the last."""

    frames: list[Frame] = field(default_factory=list)

    def of(self, kind: str) -> list[Frame]:
        return [frame for frame in self.frames if frame.kind == kind]

    @property
    def done(self) -> dict[str, Any]:
        assert self.frames, "the child died without a frame"
        assert self.frames[-1].kind == "done", self.frames[-1]
        return self.frames[-1].header

    @property
    def ok(self) -> bool:
        return bool(self.done["ok"])

    @property
    def error(self) -> dict[str, Any]:
        assert not self.ok, self.frames
        error: dict[str, Any] = self.done["error"]
        return error

    @property
    def emitted(self) -> list[Any]:
        return [frame.value for frame in self.of("emit")]

    @property
    def page(self) -> Any:
        """The answer to a call for options: `{"items": […], "context": …}`."""
        assert self.ok, self.error
        [frame] = self.of("options")
        return frame.value

    @property
    def printed(self) -> list[tuple[str, str]]:
        return [(f.header["level"], f.header["msg"]) for f in self.of("log")]


class Child:
    """One Deno process under the flags of `flags.command`; a context manager.

    `denied_networks` replaces the refused networks, so that a test can reach its own server.
    `template` is a compiled-code template of `cache.build`.
    """

    def __init__(
        self,
        directory: Path,
        denied_networks: Sequence[str] = flags.DENIED_NETWORKS,
        template: Path | None = None,
    ) -> None:
        self.directory = directory.resolve()
        for name in ("code", "tmp"):
            (self.directory / name).mkdir(exist_ok=True)
        if template is not None:
            cache.seed(template, self.directory / "deno")
        command = flags.command(
            deno_beside_python(), self.directory, denied_networks=denied_networks
        )
        to_child, self._out = _pipe()
        self._in, from_child = _pipe()

        def place() -> None:
            os.dup2(to_child, 3)
            os.dup2(from_child, 4)

        self.stdout = self.directory / "stdout"
        self.stderr = self.directory / "stderr"
        with self.stdout.open("wb") as out, self.stderr.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.directory / "tmp",
                env={
                    "DENO_DIR": str(self.directory / "deno"),
                    "HOME": str(self.directory / "tmp"),
                    "NO_COLOR": "1",
                    "SECRET": "of the parent",
                },
                pass_fds=(3, 4),
                preexec_fn=place,
            )
        os.close(to_child)
        os.close(from_child)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._out)
        self.process.kill()
        self.process.wait()
        os.close(self._in)

    def send(self, header: dict[str, Any], *parts: bytes) -> None:
        body = b"\n".join((json.dumps(header, separators=(",", ":")).encode(), *parts))
        os.write(self._out, len(body).to_bytes(4, "big"))
        while body:
            body = body[os.write(self._out, body) :]

    def close_input(self) -> int:
        """Ends the child's input and returns its exit status."""
        os.close(self._out)
        self._out = os.open(os.devnull, os.O_WRONLY)
        return self.process.wait(10)

    def read(self) -> Frame | None:
        """The next frame; None when the child is gone."""
        head = self._exactly(4)
        if head is None:
            return None
        body = self._exactly(int.from_bytes(head, "big"))
        assert body is not None
        header, *parts = body.split(b"\n")
        return Frame(json.loads(header), parts)

    def _exactly(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            more = os.read(self._in, count - len(data))
            if not more:
                assert not data, "the child died inside a frame"
                return None
            data += more
        return data

    def load(self, code: str, env: dict[str, str] | None = None) -> dict[str, Any]:
        """The header of the answer: `loaded` or `failed`."""
        header: dict[str, Any] = {"t": "load", "language": "javascript"}
        header |= {"component_id": "sc_1", "entry": "component.js", "env": env or {}}
        self.send(header, json.dumps(code).encode())
        answer = self.read()
        assert answer is not None, self.stderr.read_text()
        return answer.header

    def describe(self, code: str) -> dict[str, Any]:
        answer = self.load(code)
        assert answer["t"] == "loaded", answer
        description: dict[str, Any] = answer["description"]
        return description

    def failure(self, code: str) -> dict[str, Any]:
        answer = self.load(code)
        assert answer["t"] == "failed", answer
        error: dict[str, Any] = answer["error"]
        return error

    def invoke(
        self,
        event: Any = None,
        *,
        entry: str = "run",
        props: dict[str, Any] | None = None,
        store: dict[str, Any] | None = None,
        run: str = RUN,
        source_id: str = "dc_1",
    ) -> Result:
        """Runs to `done`, or to the end of the process."""
        self.send(
            {"t": "invoke", "run": run, "entry": entry, "source_id": source_id},
            *(
                json.dumps(part, separators=(",", ":"), ensure_ascii=False).encode()
                for part in (props or {}, event, store or {})
            ),
        )
        return self.rest(run)

    def options(
        self,
        name: str,
        props: dict[str, Any] | None = None,
        *,
        page: int = 0,
        prev_context: dict[str, Any] | None = None,
        query: str | None = None,
    ) -> Result:
        """One call for options; its answer is the frame of that kind."""
        header = {"t": "options", "run": RUN, "name": name, "page": page}
        if query is not None:
            header["query"] = query
        self.send(
            header, *(json.dumps(part).encode() for part in (props or {}, prev_context or {}))
        )
        return self.rest()

    def rest(self, run: str = RUN) -> Result:
        result = Result()
        while (frame := self.read()) is not None:
            assert frame.header["run"] == run, frame
            result.frames.append(frame)
            if frame.kind == "done":
                break
        return result


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are above 4, so that placing one end does not overwrite the other."""
    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 5) for end in ends)
    for end in ends:
        os.close(end)
    return moved[0], moved[1]


def now_ms() -> int:
    return time.time_ns() // 1_000_000
