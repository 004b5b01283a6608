"""What the wall costs: the same runs behind it and without it, in turns, by the same runtime.

A pair is one run of each kind, the order changing from pair to pair, so that what else the machine
does falls on both alike.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles

from apps.runs.contract import Code, Invocation, Language, Limits, Outcome
from tests.benchmarks.report import Table, milliseconds
from workers.runtime.pool import Runtime
from workers.runtime.settings import RuntimeSettings, Sandbox

_FIRST = 60
_WARM = 400
_CONNECTS = 200
_NOTHING: dict[Language, str] = {
    "python": (
        "from headwater import Source\nclass A(Source):\n    name = 'A'\n    version = '0.0.1'\n"
        "    def run(self, event):\n        self.emit({'n': 1}, id='1')\n"
    ),
    "javascript": (
        "export default { name: 'A', version: '0.0.1',"
        " run() { this.$emit({ n: 1 }, { id: '1' }); } };"
    ),
}
# Emits the median seconds of a connect.
_CONNECTING = """
import socket, statistics, time
from headwater import Source
class A(Source):
    name = 'A'
    version = '0.0.1'
    def run(self, event):
        times = []
        for _ in range({count}):
            began = time.perf_counter()
            socket.create_connection(('127.0.0.1', {port})).close()
            times.append(time.perf_counter() - began)
        self.emit(statistics.median(times))
"""
Pair = tuple[float, float]
Measured = Callable[[Runtime], Awaitable[float]]


def measure(scale: float) -> list[Table]:
    table = Table("The wall, paired", ["What", "Without, ms", "Behind it, ms", "Difference, ms"])
    asyncio.run(_fill(table, scale))
    table.notes.append(
        "Medians; in brackets the quartiles of the differences within pairs. Without:"
        " `SANDBOX=unsafe`, where JavaScript keeps Deno's own permissions."
    )
    return [table]


async def _fill(table: Table, scale: float) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        without, behind = [_runtime(Path(directory), kind, port) for kind in ("unsafe", "on")]
        await without.start()
        await behind.start()
        try:
            for language, code in _NOTHING.items():
                first, warm = _first(language, code), _warm(language, code)
                # Deno's compiled code is made in the background of the first child.
                for runtime in (without, behind):
                    await first(runtime)
                await asyncio.sleep(2)
                title = "Python" if language == "python" else "JavaScript"
                pairs = await _pairs(first, without, behind, max(8, int(_FIRST * scale)))
                _say(table, f"{title}: a new child and its first run", pairs)
                pairs = await _pairs(warm, without, behind, max(40, int(_WARM * scale)))
                _say(table, f"{title}: a warm run", pairs)
            connect = _connect(max(20, int(_CONNECTS * scale)), port)
            _say(table, "Python: a TCP connect", await _pairs(connect, without, behind, 10))
        finally:
            await without.close()
            await behind.close()
            server.close()


def _runtime(directory: Path, sandbox: Sandbox, port: int) -> Runtime:
    allowed = (f"127.0.0.1/32:{port}",)
    return Runtime(RuntimeSettings(directory / sandbox, egress_allow=allowed, sandbox=sandbox))


async def _pairs(what: Measured, without: Runtime, behind: Runtime, count: int) -> list[Pair]:
    """Seconds without and behind. The first pair does not count."""
    pairs = []
    for n in range(count + 1):
        if n % 2:
            second = await what(behind)
            pairs.append((await what(without), second))
        else:
            pairs.append((await what(without), await what(behind)))
    return pairs[1:]


def _say(table: Table, what: str, pairs: list[Pair]) -> None:
    low, middle, high = quantiles([behind - without for without, behind in pairs], n=4)
    sides = [milliseconds(median(side)) for side in zip(*pairs, strict=True)]
    table.add(what, *sides, f"{middle * 1e3:.2f} ({low * 1e3:.2f} to {high * 1e3:.2f})")


def _first(language: Language, text: str) -> Measured:
    async def measured(runtime: Runtime) -> float:
        return await _timed(runtime, Code("o", uuid.uuid4().hex, language, text))

    return measured


def _warm(language: Language, text: str) -> Measured:
    code = Code("o", "warm", language, text)

    async def measured(runtime: Runtime) -> float:
        return await _timed(runtime, code)

    return measured


def _connect(count: int, port: int) -> Measured:
    code = Code("o", "connecting", "python", _CONNECTING.format(count=count, port=port))

    async def measured(runtime: Runtime) -> float:
        return float((await _run(runtime, code)).emits[0].payload)

    return measured


async def _timed(runtime: Runtime, code: Code) -> float:
    began = time.perf_counter()
    await _run(runtime, code)
    return time.perf_counter() - began


async def _run(runtime: Runtime, code: Code) -> Outcome:
    call = Invocation(str(uuid.uuid4()), "dc_1", "run", "timer")
    outcome = await runtime.run(code, call, Limits())
    if outcome.error is not None:
        raise RuntimeError(outcome.error.message)
    return outcome
