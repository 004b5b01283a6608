"""Code whose run is an error, in both languages: the running rows of the table "Component code" of
docs/bad-inputs.md. What `respond` may not say is in tests/api/test_respond_answers.py.

A row's code never ends well, nothing of the refused call is kept, and the error says what was
wrong.
"""

from __future__ import annotations

import asyncio
import uuid

import pytest

from apps.runs.contract import Code, Outcome
from tests.runtime.conftest import Bench, javascript_source, python_source

pytestmark = pytest.mark.asyncio(loop_scope="module")

VIOLATION = "Protocol Violation"
PYTHON_FRAME = """
import json, os
def frame(header, *parts):
    body = b"\\n".join([json.dumps(header).encode(), *parts])
    os.write(3, len(body).to_bytes(4, "big") + body)
"""
JAVASCRIPT_FRAME = """
const pipe = Deno.openSync("/proc/self/fd/4", { write: true });
const frame = (header, ...parts) => {
  const body = new TextEncoder().encode([JSON.stringify(header), ...parts].join("\\n"));
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, body.length);
  pipe.writeSync(new Uint8Array([...head, ...body]));
};
"""
# Of another run. Code that digs its own run's id out of the harness can say by frames what it could
# say by the API.
FORGED = '{"t": "done", "run": "x", "ok": true, "reuse": true}'

# Row of the table → for each language (body of `run`, name of the error, what its message says).
Case = tuple[str, str, str]
FAILING: dict[str, dict[str, Case]] = {
    "circular": {
        "python": ("x = []\nx.append(x)\nself.emit({'a': x})", "JsonError", "event.a[0]"),
        "javascript": ("const a = {}; a.b = [a]; this.$emit(a);", "TypeError", "event.b[0]"),
    },
    "BigInt": {
        "javascript": ("this.$emit({ a: 1n });", "TypeError", "event.a is a BigInt"),
    },
    "set": {
        "python": ("self.emit({'a': {1}})", "JsonError", "event.a: set"),
        "javascript": ("this.$emit({ a: new Set([1]) });", "TypeError", "event.a is of type Set"),
    },
    "map": {
        "javascript": ("this.$emit({ a: new Map([[1, 2]]) });", "TypeError", "event.a is of type"),
    },
    "bytes": {
        "python": ("self.emit({'a': [b'x']})", "JsonError", "event.a[0]: bytes"),
        "javascript": ("this.$emit([new Uint8Array(3)]);", "TypeError", "event[0] is of type Uint"),
    },
    "function": {
        "python": ("self.emit({'a': print})", "JsonError", "event.a: builtin_function"),
        "javascript": ("this.$emit({ a() {} });", "TypeError", "event.a is a function"),
    },
    "emit id of 10 KB": {
        "python": ("self.emit(1, id='x' * 10240)", "ValueError", "id"),
        "javascript": ("this.$emit(1, { id: 'x'.repeat(10240) });", "RangeError", "id"),
    },
    "emit id that is an object": {
        "python": ("self.emit(1, id={'a': 1})", "TypeError", "id"),
        "javascript": ("this.$emit(1, { id: { a: 1 } });", "TypeError", "id is an object"),
    },
    "emit on a channel of the platform": {
        "python": ("self.emit(1, channel='$errors')", "ValueError", "channel"),
        "javascript": ("this.$emit(1, { name: '$errors' });", "RangeError", "name: channels"),
    },
    "emit after run returned": {
        "python": (
            "import asyncio\ntask = asyncio.create_task(asyncio.sleep(0))\n"
            "task.add_done_callback(lambda _: self.emit(1))",
            "RunOverError",
            "after the run had returned",
        ),
    },
    "state over its quota": {
        "python": ("self.db.set('k', 'x' * 1_100_000)", "Store Limit Exceeded", "store"),
        "javascript": ("this.db.set('k', 'x'.repeat(1_100_000));", "Store Limit Exceeded", "store"),
    },
    "state that is no JSON": {
        "python": ("self.db.set('k', {'a': {1}})", "JsonError", "a: set"),
        "javascript": ("this.db.set('k', { a: new Set() });", "TypeError", "a is of type Set"),
    },
    "rejection that nobody awaits": {
        "python": (
            "import asyncio\nasync def f(): raise OSError('lost')\nasyncio.create_task(f())",
            "OSError",
            "lost",
        ),
        "javascript": ("Promise.reject(new Error('lost'));", "Error", "lost"),
    },
    "exit(0)": {
        "python": ("exit(0)", "SystemExit", "0"),
        "javascript": ("process.exit(0);", "Process Exited", "status 0"),
    },
    "exit(0) behind the harness": {
        "python": ("import os\nos._exit(0)", "Process Exited", "status 0"),
        "javascript": ("Deno.exit(0);", "Process Exited", "status 0"),
    },
    "noise on the protocol descriptor": {
        "python": ("import os\nos.write(3, b'\\xff' * 4)", VIOLATION, "length"),
        "javascript": (JAVASCRIPT_FRAME + "pipe.writeSync(new Uint8Array(4));", VIOLATION, "leng"),
    },
    "text on the protocol descriptor": {
        "python": ("import os\nos.write(3, b'\\0\\0\\0\\4nope')", VIOLATION, "JSON"),
        "javascript": (
            JAVASCRIPT_FRAME + "pipe.writeSync(new Uint8Array([0, 0, 0, 1, 110]));",
            VIOLATION,
            "JSON",
        ),
    },
    "forged result": {
        "python": (PYTHON_FRAME + f"frame(json.loads('{FORGED}'))", VIOLATION, "another run"),
        "javascript": (JAVASCRIPT_FRAME + f"frame({FORGED});", VIOLATION, "another run"),
    },
    "forged event": {
        "python": (
            PYTHON_FRAME + "frame({'t': 'emit', 'run': 'x', 'at': 1}, b'1')", VIOLATION, "another",
        ),
        "javascript": (
            JAVASCRIPT_FRAME + "frame({ t: 'emit', run: 'x', at: 1 }, '1');", VIOLATION, "another",
        ),
    },
    "forged number that no column takes": {
        # Of its own run: what is checked is not only whose frame it is.
        "python": (
            PYTHON_FRAME + "own = {'run': self._hw_run.run_id, 'at': 10**30, 'level': 'info'}\n"
            "frame({'t': 'log', 'msg': '\\ud800', **own})", VIOLATION, "53 bits",
        ),
    },
}  # fmt: skip


async def run(bench: Bench, language: str, body: str) -> Outcome:
    """One run of a new component that has a store."""
    name = uuid.uuid4().hex
    if language == "javascript":
        text = javascript_source(body).replace("props: {}", "props: { db: '$.service.db' }")
        return await bench.run(Code("owner", name, "javascript", text))
    text = "from headwater import Store\n" + python_source(body)
    text = text.replace("    async def", "    db = Store()\n    async def", 1)
    return await bench.run(Code("owner", name, "python", text))


@pytest.mark.parametrize(
    ("row", "language"), [(row, language) for row, cases in FAILING.items() for language in cases]
)
async def test_the_run_fails_and_nothing_is_kept(bench: Bench, row: str, language: str) -> None:
    body, name, says = FAILING[row][language]
    outcome = await run(bench, language, body)
    assert outcome.error is not None
    assert outcome.error.name == name
    assert says in outcome.error.message
    assert outcome.emits == []
    assert outcome.store == []


@pytest.mark.parametrize(
    ("language", "body"),
    [
        (
            "python",
            "import threading, time\ndef late():\n    time.sleep(0.3)\n    self.emit('late')\n"
            "threading.Thread(target=late).start()\nself.emit('in time')",
        ),
        ("python", "import asyncio\nasyncio.get_running_loop().call_later(0.3, self.emit, 'late')\n"
         "self.emit('in time')"),
        ("javascript", "setTimeout(() => this.$emit('late'), 300); this.$emit('in time');"),
    ],
    ids=["thread", "python timer", "javascript timer"],
)  # fmt: skip
async def test_what_would_emit_after_the_end_does_not(
    bench: Bench, language: str, body: str
) -> None:
    """The run is over when `run` has returned and nothing is about to happen: what was left behind
    stands still or is ended, and speaks neither for this run nor for the next."""
    outcome = await run(bench, language, body)
    assert outcome.error is None
    assert [emit.payload for emit in outcome.emits] == [b'"in time"']
    await asyncio.sleep(0.5)
    after = await run(bench, language, "self.emit(1)" if language == "python" else "this.$emit(1);")
    assert [emit.payload for emit in after.emits] == [b"1"]
