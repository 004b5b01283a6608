"""Each way in which a component can fail ends its run with a named error, and only its run.

More of them are in the catalogue of attacks (`hostile/test_attacks.py`)."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from apps.runs.contract import Limits, Outcome
from tests.runtime.conftest import Bench, python_code, python_source

pytestmark = pytest.mark.asyncio(loop_scope="module")

VIOLATION = "Protocol Violation"
FORGE = """
import os, json
self.emit({"before": 1})
def frame(header, *parts):
    body = b"\\n".join([json.dumps(header).encode(), *parts])
    os.write(3, len(body).to_bytes(4, "big") + body)
"""


def name_of(outcome: Outcome) -> str | None:
    return outcome.error.name if outcome.error else None


@pytest.mark.parametrize(
    ("body", "limits", "name"),
    [
        ("import os, time\nos.close(3)\ntime.sleep(60)", Limits(wall_s=20), "Process Exited"),
        ("import os\nos.kill(os.getpid(), 9)", Limits(wall_s=20), "Process Exited"),
        ("for _ in range(1 << 20): print('x' * 1024)", Limits(), "Function Payload Limit Exceeded"),
        ("while True: self.emit('x' * 1000)", Limits(), "Function Payload Limit Exceeded"),
        (FORGE + 'frame({"t": "done", "run": "x", "ok": True, "reuse": 1})', Limits(), VIOLATION),
        (FORGE + 'os.write(3, b"\\xff" * 4)', Limits(), VIOLATION),
        (FORGE + 'os.write(3, b"\\0" * 4)', Limits(), VIOLATION),
        (FORGE + 'os.write(3, b"\\0\\0\\0\\4nope")', Limits(), VIOLATION),
        (FORGE + 'os.write(3, b"\\0\\0\\0\\1")\nos._exit(0)', Limits(), "Process Exited"),
    ],
)  # fmt: skip
async def test_a_failing_component_gets_its_own_named_error(
    bench: Bench, body: str, limits: Limits, name: str
) -> None:
    """Another source's run goes on meanwhile, in a time that the failing one does not touch."""
    neighbour = python_code(python_source("self.emit(1)"))
    failing = asyncio.create_task(bench.python(body, limits))
    while not failing.done():
        other = await bench.run(neighbour)
        assert other.error is None
        assert [emit.payload for emit in other.emits] == [b"1"]
        await asyncio.wait([failing], timeout=0.2)
    outcome = await failing
    assert name_of(outcome) == name


async def test_what_was_done_before_death_is_kept(bench: Bench) -> None:
    outcome = await bench.python(
        """
        import os
        self.emit({"n": 1})
        self.emit({"n": 2}, id="two")
        print("said")
        os.write(2, b"raw words, no newline")
        os._exit(3)
        """
    )
    assert [emit.payload for emit in outcome.emits] == [b'{"n":1}', b'{"n":2}']
    assert [(line.level, line.message) for line in outcome.logs] == [
        ("info", "said"),
        ("error", "raw words, no newline"),
    ]
    assert outcome.error is not None
    assert outcome.error.message == "the process exited with status 3"


async def test_the_signal_is_named(bench: Bench) -> None:
    outcome = await bench.python("import ctypes\nctypes.string_at(0)")
    assert outcome.error is not None
    assert outcome.error.message == "the process was ended by SIGSEGV"
    assert signal.SIGSEGV.name in outcome.error.message


async def test_emits_before_a_timeout_are_kept(bench: Bench) -> None:
    """C3."""
    outcome = await bench.python("self.emit(7)\nwhile True: pass", Limits(wall_s=0.5))
    assert name_of(outcome) == "Timeout"
    assert [emit.payload for emit in outcome.emits] == [b"7"]


async def test_a_frame_after_done_ends_the_child_but_not_the_run(bench: Bench) -> None:
    """A thread of a component cannot speak in the name of the next run."""
    code = python_code(
        python_source(
            """
            import os, json, threading, time
            def late():
                time.sleep(0.3)
                body = json.dumps({"t": "log", "run": "x", "at": 1, "level": "info", "msg": "m"})
                os.write(3, len(body).to_bytes(4, "big") + body.encode())
            threading.Thread(target=late, daemon=True).start()
            self.emit(os.getpid())
            """
        )
    )
    first = await bench.run(code)
    assert first.error is None
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        second = await bench.run(code)
        if second.emits[0].payload != first.emits[0].payload:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the child that spoke out of turn is still in use")


async def test_long_lines_are_cut_and_secrets_masked(bench: Bench) -> None:
    outcome = await bench.python(
        """
        import os
        print("token s3cret-value in a line")
        os.write(1, b"raw s3cret-value\\n" + b"y" * 40000 + b"\\nshort\\n")
        print("z" * 40000)
        raise RuntimeError("failed with s3cret-value")
        """,
        masked=("s3cret-value",),
    )
    texts = [line.message for line in outcome.logs]
    assert "token *** in a line" in texts
    assert "raw ***" in texts
    assert "short" in texts
    assert max(len(text) for text in texts) == 16 * 1024
    assert outcome.error is not None
    assert outcome.error.message == "failed with ***"
    assert "s3cret" not in str(outcome)


async def test_the_store_has_a_limit(bench: Bench) -> None:
    body = 'for i in range(3): self.db.set(f"k{i}", "x" * 500_000)'
    text = python_source(body).replace("Source\n", "Source, Store\n", 1)
    text = text.replace("    async def", "    db = Store()\n    async def")
    outcome = await bench.run(python_code(text))
    assert name_of(outcome) == "Store Limit Exceeded"
    assert [change.key for change in outcome.store] == ["k0", "k1"]
    again = await bench.run(python_code(text.replace("range(3)", "range(2)")))
    assert again.error is None
    over = await bench.run(
        python_code(text.replace("range(3)", "range(2)")),
        store=b'{"old":"' + b"y" * 100_000 + b'"}',
    )
    assert name_of(over) == "Store Limit Exceeded"


async def test_nesting_has_a_limit(bench: Bench) -> None:
    deep = "x = 1\nfor _ in range({}): x = [x]\nself.emit(x)"
    assert name_of(await bench.python(deep.format(255))) is None
    assert name_of(await bench.python(deep.format(300))) == "JSON Nested Property Limit Exceeded"


async def test_an_event_above_its_limit(bench: Bench) -> None:
    outcome = await bench.python('self.emit("x" * (1 << 20))')
    assert name_of(outcome) == "Function Payload Limit Exceeded"
