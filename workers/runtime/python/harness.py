"""The child side of the protocol for Python components (`docs/protocol.md`).

A broker calls `preload()` once, forks, puts up the walls and calls `serve(fd)` in the child. The
folder of this file is what component code may import from the project: the package `headwater`.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

_HERE = str(Path(__file__).resolve().parent)
if _HERE not in sys.path:
    sys.path.insert(0, _HERE)

from headwater._ask import answer, call  # noqa: E402
from headwater._capture import Capture  # noqa: E402
from headwater._channel import Channel  # noqa: E402
from headwater._describe import describe  # noqa: E402
from headwater._events import wrap  # noqa: E402
from headwater._json import decode, encode  # noqa: E402
from headwater._load import Entry, add_packages, entries, lay_out, load  # noqa: E402
from headwater._report import report, syntax_report  # noqa: E402
from headwater._run import Run  # noqa: E402
from headwater._source import Source  # noqa: E402
from headwater._tasks import Tasks  # noqa: E402

# What components commonly use: shared by every child that is forked after `preload`.
_COMMON = (
    "asyncio",
    "calendar",
    "csv",
    "dateutil.parser",
    "encodings.cp1252",
    "encodings.idna",
    "encodings.iso8859_1",
    "encodings.latin_1",
    "feedparser",
    "hashlib",
    "headwater",
    "headwater.http",
    "hmac",
    "html",
    "httpx",
    "random",
    "urllib.parse",
    "uuid",
    "xml.sax",
    "zoneinfo",
)


def preload() -> None:
    """Import what components commonly use and read the certificates, before forking."""
    for name in _COMMON:
        importlib.import_module(name)
    sys.modules["headwater.http"].tls_context()


def serve(fd: int) -> None:
    """Speak the protocol on `fd` until the platform closes it: one `load`, then `invoke`s and
    `options`.

    Returns at the end of the stream, or after `failed`. A broken frame raises: the stream
    cannot be trusted after it.
    """
    channel = Channel(fd)
    frame = channel.read()
    if frame is None:
        return
    header = decode(frame[0])
    if header["t"] != "load":
        raise ValueError(f"the first message is {header['t']!r}, not load")
    os.environ.update(header.get("env", {}))
    time.tzset()
    filename = f"{header['component_id']}.py"
    lay_out(header.get("entry", ""), decode(frame[2]) if len(frame) > 2 else {})
    if "packages" in header:
        add_packages(header["packages"])
    tasks, capture = Tasks(), Capture()
    component = _load(channel, decode(frame[1]), filename)
    if component is None:
        return
    child = _Child(channel, component, filename, tasks, capture)
    while (frame := channel.read()) is not None:
        child.serve(frame)


def _load(channel: Channel, text: str, filename: str) -> type[Source] | None:
    """The component, after `loaded` was sent; None after `failed`."""
    try:
        component = load(text, filename)
        answer: dict[str, Any] = {"t": "loaded", "description": describe(component)}
        entries(component)
        channel.write(answer)
        return component
    except SyntaxError as error:
        # One inside a module that the component imports is not the component's own.
        own = error.filename == filename
        failure = syntax_report(error) if own else report(error, filename, "load_failed")
    except BaseException as error:  # SystemExit and KeyboardInterrupt are failures here
        failure = report(error, filename, "load_failed")
    channel.write({"t": "failed", "error": failure})
    return None


class _Child:
    """One loaded component, invoked any number of times."""

    def __init__(
        self,
        channel: Channel,
        component: type[Source],
        filename: str,
        tasks: Tasks,
        capture: Capture,
    ) -> None:
        self._channel = channel
        self._component = component
        self._filename = filename
        self._entries = entries(component)
        self._tasks = tasks
        self._capture = capture
        self._source_id = ""

    def serve(self, frame: list[bytes]) -> None:
        """Run one entry, or answer one call for options; exactly one `done` follows."""
        header = decode(frame[0])
        if header["t"] == "options":
            self._options(header, *frame[1:])
        else:
            self._invoke(header, *frame[1:])

    def _invoke(self, header: dict[str, Any], props: bytes, event: bytes, snapshot: bytes) -> None:
        run = Run(self._channel, header["run"], header["source_id"], snapshot)
        if self._source_id != run.source_id:
            self._source_id = os.environ["PD_COMPONENT"] = run.source_id
        entry = self._entries.get(header["entry"])

        def work() -> None:
            if entry is not None:
                self._call(entry, run, decode(props), event)

        self._carry_out(run, work)

    def _options(self, header: dict[str, Any], props: bytes, prev_context: bytes) -> None:
        run = Run(self._channel, header["run"], "", b"{}", asked_options=True)
        self._source_id = ""
        os.environ.pop("PD_COMPONENT", None)

        def work() -> None:
            instance = self._component._hw_create(run, decode(props))
            given = header["name"], header["page"], decode(prev_context), header.get("query")
            returned = call(instance, *given)
            if inspect.isawaitable(returned):
                returned = self._awaited(returned, run)
            page = encode(answer(returned), "answer")
            self._channel.write({"t": "options", "run": run.run_id}, page)

        self._carry_out(run, work)

    def _awaited(self, awaitable: Awaitable[Any], run: Run) -> Any:
        results: list[Any] = []

        async def keep() -> None:
            results.append(await awaitable)

        self._tasks.run(keep(), run.close)
        return results[0]

    def _carry_out(self, run: Run, work: Callable[[], None]) -> None:
        """Whatever the work does, one `done` follows."""
        self._capture.begin(run)
        done: dict[str, Any] = {"t": "done", "run": run.run_id, "ok": True}
        fit = True
        try:
            work()
        except BaseException as error:  # SystemExit included: a run that exits has failed
            fit = not isinstance(error, (MemoryError, KeyboardInterrupt))
            done |= {"ok": False, "error": report(error, self._filename)}
            del error
        run.close()
        left = self._tasks.leftovers()
        if left:
            run.log("warn", f"still alive after the run, and ended: {', '.join(left)}")
        self._capture.end()
        run.mute()
        self._channel.write({**done, "reuse": fit and not left})

    def _call(self, entry: Entry, run: Run, props: dict[str, Any], event: bytes) -> None:
        instance = self._component._hw_create(run, props)
        if entry.takes_event:
            result = entry.function(instance, wrap(decode(event)))
        else:
            result = entry.function(instance)
        if result is not None and inspect.isawaitable(result):
            self._tasks.run(result, run.close)
