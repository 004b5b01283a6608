"""Warm children: who gets which, and what makes one unfit for another run."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from apps.runs.contract import Invocation, Limits
from tests.runtime.conftest import Bench, python_code, python_source
from tests.runtime.pooling import (
    PID,
    alive,
    pid_of,
    until,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_child_is_used_again_by_its_component(bench: Bench) -> None:
    code = python_code(PID)
    assert await pid_of(bench, code) == await pid_of(bench, code)


async def test_never_across_owners_components_or_texts(bench: Bench) -> None:
    component = uuid.uuid4().hex
    codes = [
        python_code(PID, "one", component),
        python_code(PID, "two", component),
        python_code(PID, "one"),
        python_code(PID + "\n", "one", component),
    ]
    pids = [await pid_of(bench, code) for code in codes]
    assert len(set(pids)) == len(codes)
    assert await pid_of(bench, codes[0]) == pids[0]


async def test_nothing_survives_in_the_scratch_directory(bench: Bench) -> None:
    code = python_code(
        python_source(
            """
            import os
            self.emit(sorted(os.listdir(".")))
            self.emit(os.getpid())
            open("left", "w").write("x")
            path = "deep"
            for _ in range(600):
                os.mkdir(path)
                path += "/d"
            os.mkdir("locked", 0)
            """
        )
    )
    first, second = await bench.run(code), await bench.run(code)
    assert first.error is None
    assert second.error is None
    assert [emit.payload for emit in second.emits] == [b"[]", first.emits[1].payload]


async def test_runs_of_one_component_go_side_by_side(bench: Bench) -> None:
    code = python_code(python_source("import os, time\ntime.sleep(0.3)\nself.emit(os.getpid())"))
    pids = await asyncio.gather(*(pid_of(bench, code) for _ in range(3)))
    assert len(set(pids)) == 3


async def test_a_child_with_something_left_running_is_not_used_again(bench: Bench) -> None:
    code = python_code(
        python_source(
            "import os, threading, time\n"
            "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
            "self.emit(os.getpid())"
        )
    )
    first = await pid_of(bench, code)
    assert await pid_of(bench, code) != first
    await until(lambda: not alive(first))


async def test_an_idle_child_that_computes_is_ended(bench: Bench) -> None:
    """A component that forges the end of its run cannot live on the time between runs."""
    code = python_code(
        python_source(
            """
            import json, os
            self.emit(os.getpid())
            done = {"t": "done", "run": "r", "ok": True, "reuse": True}
            body = json.dumps(done).encode()
            os.write(3, len(body).to_bytes(4, "big") + body)
            while True: pass
            """
        )
    )
    call = Invocation("r", "dc_1", "run", "manual")
    outcome = await bench.runtime.run(code, call, Limits())
    assert outcome.error is None
    pid = int(outcome.emits[0].payload)
    assert alive(pid)
    await until(lambda: not alive(pid))


async def test_an_error_of_the_component_keeps_the_child_a_limit_does_not(bench: Bench) -> None:
    code = python_code(
        python_source(
            "import os\nself.emit(os.getpid())\n"
            "if event == 'raise': raise ValueError('no')\n"
            "if event == 'loop':\n    while True: pass"
        )
    )
    first = await pid_of(bench, code)
    raised = await bench.run(code, event=b'"raise"')
    assert raised.error is not None
    assert raised.error.name == "ValueError"
    assert await pid_of(bench, code) == first
    looped = await bench.run(code, Limits(wall_s=0.5), event=b'"loop"')
    assert looped.error is not None
    await until(lambda: not alive(first))
    assert await pid_of(bench, code) != first
