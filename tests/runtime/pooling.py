"""What the tests of warm children share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from apps.runs.contract import Code, Invocation, Limits, Outcome, Respond
from tests.runtime.conftest import Bench, python_code, python_source
from workers.runtime.pool import Runtime
from workers.runtime.settings import RuntimeSettings

PID = python_source("import os\nself.emit(os.getpid())")


async def pid_of(bench: Bench, code: Code, limits: Limits | None = None) -> int:
    outcome = await bench.run(code, limits)
    assert outcome.error is None, outcome.error
    return int(outcome.emits[0].payload)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.02)


def answering_source(rest: str) -> str:
    """Answers with its process id at once, then does `rest`."""
    body = f"import os, time\nself.http.respond(status=200, body=str(os.getpid()))\n{rest}"
    return "from headwater import Http\n" + python_source(body).replace(
        "    async def", "    http = Http(custom_response=True)\n    async def"
    )


PROPS = b'{"http":{"endpoint":"http://x","custom_response":true}}'


async def looping(bench: Bench) -> tuple[asyncio.Task[Outcome], int]:
    """A run that loops for ever, and the process that it surely runs in by now."""
    answers: asyncio.Queue[Respond] = asyncio.Queue()
    call = Invocation("r", "dc_1", "run", "manual", props=PROPS)
    code = python_code(answering_source("while True: pass"))
    run = asyncio.create_task(bench.runtime.run(code, call, Limits(), answers.put_nowait))
    return run, int((await answers.get()).body)


class Benches:
    """Makes runtimes with the settings of a test."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self.settings = settings
        self.runtimes: list[Runtime] = []

    async def make(self, **given: object) -> Bench:
        settings = replace(self.settings, **given)  # type: ignore[arg-type]
        runtime = Runtime(settings)
        await runtime.start()
        self.runtimes.append(runtime)
        return Bench(runtime, settings)
