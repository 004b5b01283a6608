"""Warm children: how many live, and what ends them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from apps.runs.contract import Limits, LoadError
from tests.runtime.conftest import Bench, python_code, python_source
from tests.runtime.pooling import (
    PID,
    Benches,
    alive,
    looping,
    pid_of,
    until,
)
from workers.runtime.broker import BrokerError
from workers.runtime.pool import Runtime
from workers.runtime.settings import RuntimeSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def benches(runtime_settings: RuntimeSettings) -> AsyncIterator[Benches]:
    made = Benches(runtime_settings)
    yield made
    for runtime in made.runtimes:
        await runtime.close()


async def test_a_child_is_recycled(benches: Benches) -> None:
    bench = await benches.make(recycle_runs=2)
    code = python_code(PID)
    pids = [await pid_of(bench, code) for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]
    await until(lambda: not alive(pids[0]))


async def test_an_idle_child_ends(benches: Benches) -> None:
    bench = await benches.make(idle_s=0.2)
    pid = await pid_of(bench, python_code(PID))
    await until(lambda: not alive(pid))
    assert bench.runtime.stats()["live"] == 0


async def test_the_least_recently_used_gives_way(benches: Benches) -> None:
    bench = await benches.make(max_children=2)
    codes = [python_code(PID) for _ in range(3)]
    first, second = [await pid_of(bench, code) for code in codes[:2]]
    assert await pid_of(bench, codes[0]) == first
    await pid_of(bench, codes[2])
    assert await pid_of(bench, codes[0]) == first
    await until(lambda: not alive(second))
    assert bench.runtime.stats()["live"] == 2


async def test_the_bound_holds_and_nobody_waits_for_ever(benches: Benches) -> None:
    bench = await benches.make(max_children=2)
    body = "import os, time\ntime.sleep(0.05)\nself.emit(os.getpid())"
    codes = [python_code(python_source(body)) for _ in range(12)]
    runs = [asyncio.create_task(pid_of(bench, code)) for code in codes]
    runs[4].cancel()
    while not all(run.done() for run in runs):
        assert bench.runtime.stats()["live"] <= 2
        await asyncio.wait(runs, timeout=0.02)
    assert [run.cancelled() for run in runs] == [n == 4 for n in range(12)]
    assert all(run.result() for n, run in enumerate(runs) if n != 4)


async def test_cancelling_a_run_kills_its_child(bench: Bench) -> None:
    run, pid = await looping(bench)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await until(lambda: not alive(pid))


async def test_describe(bench: Bench) -> None:
    code = python_code(PID)
    before = bench.runtime.stats()["spawned"]
    description = await bench.runtime.describe(code, Limits())
    assert (description.name, description.version) == ("Hostile", "0.0.1")
    await pid_of(bench, code)
    assert await bench.runtime.describe(code, Limits()) == description
    assert bench.runtime.stats()["spawned"] == before + 1


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("while True: pass", "load_timeout", "1 s"),
        ("class A(:\n", "syntax_error", "syntax"),
        ("x = 1", "load_failed", "Source"),
        ("import os\nos._exit(4)", "load_failed", "status 4"),
        ("raise RuntimeError('at the door')", "load_failed", "at the door"),
        ("\ud800", "load_failed", "surrogate"),
    ],
)
async def test_code_that_does_not_load(benches: Benches, text: str, code: str, part: str) -> None:
    bench = await benches.make(load_timeout_s=1.0)
    with pytest.raises(LoadError) as caught:
        await bench.runtime.describe(python_code(text), Limits())
    assert caught.value.error.code == code
    assert part in caught.value.error.message
    outcome = await bench.run(python_code(text))
    assert outcome.error == caught.value.error or code == "load_failed"
    await until(lambda: bench.runtime.stats()["live"] == 0)


async def test_a_dead_zygote_takes_its_children_along_and_is_started_again(
    benches: Benches,
) -> None:
    bench = await benches.make()
    code = python_code(PID)
    pid = await pid_of(bench, code)
    run, other = await looping(bench)
    zygote = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(zygote, signal.SIGKILL)
    outcome = await run
    assert outcome.error is not None
    assert outcome.error.name == "Process Exited"
    await until(lambda: not alive(pid) and not alive(other))
    assert await pid_of(bench, code) != pid
    assert bench.runtime.stats()["zygotes"] == 2


_WORKER = """
import asyncio, sys
from pathlib import Path
from apps.runs.contract import Code, Invocation, Limits
from tests.runtime.pooling import PROPS, answering_source
from workers.runtime.pool import Runtime
from workers.runtime.settings import RuntimeSettings

async def main():
    runtime = Runtime(RuntimeSettings(run_dir=Path(sys.argv[1])))
    await runtime.start()
    code = Code("o", "c", "python", answering_source("while True: pass"))
    say = lambda response: print(response.body.decode(), flush=True)
    await runtime.run(code, Invocation("r", "dc_1", "run", "manual", PROPS), Limits(), say)

asyncio.run(main())
"""


async def test_children_die_with_their_worker(tmp_path: Path) -> None:
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WORKER, str(tmp_path / "run"), stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    pid = int(await worker.stdout.readline())
    assert alive(pid)
    assert os.getsid(pid) == pid
    worker.kill()
    await worker.wait()
    await until(lambda: not alive(pid))
    leftovers = list((tmp_path / "run").iterdir())
    assert len(leftovers) == 1
    runtime = Runtime(RuntimeSettings(run_dir=tmp_path / "run"))
    await runtime.start()
    assert not leftovers[0].exists()
    await runtime.close()
    assert list((tmp_path / "run").iterdir()) == []


async def test_close_leaves_nothing(benches: Benches) -> None:
    bench = await benches.make(max_children=2)
    pid = await pid_of(bench, python_code(PID))
    run, other = await looping(bench)
    more, _ = await looping(bench)
    waits = asyncio.create_task(bench.python("self.emit(1)"))
    await until(lambda: bench.runtime.stats()["waiting"] == 1)
    await bench.runtime.close()
    benches.runtimes.remove(bench.runtime)
    assert not alive(pid)
    assert not alive(other)
    for task in (run, more):
        assert (await task).error is not None
    with pytest.raises(BrokerError):
        await waits
    with pytest.raises(BrokerError):
        await bench.python("self.emit(1)")


async def test_it_refuses_to_start_without_the_wall(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="nonsense"):
        await Runtime(RuntimeSettings(tmp_path, egress_allow=("nonsense",))).start()
    with pytest.raises(BrokerError, match="cannot execute"):
        await Runtime(RuntimeSettings(tmp_path, deno="/no/such/deno")).start()


async def test_without_the_wall_by_request_only(benches: Benches) -> None:
    bench = await benches.make(sandbox="unsafe")
    outcome = await bench.python("self.emit(open('/etc/passwd').readline() != '')")
    assert [emit.payload for emit in outcome.emits] == [b"true"]
    walled = await benches.make()
    outcome = await walled.python("open('/etc/passwd')")
    assert outcome.error is not None
    assert outcome.error.name == "PermissionError"
