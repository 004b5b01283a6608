"""The same from JavaScript."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from apps.runs.contract import Limits
from tests.runtime.conftest import Bench, javascript_source, python_code

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORGE = """
const channel = Deno.openSync("/proc/self/fd/4", {write: true});
function frame(header) {
  const body = new TextEncoder().encode(JSON.stringify(header));
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, body.length);
  channel.writeSync(head); channel.writeSync(body);
}
"""


@pytest.mark.parametrize(
    ("body", "limits", "name"),
    [
        (
            "const x = []; for (;;) x.push(new Array(1000).fill({}));",
            Limits(wall_s=60, memory_bytes=128 << 20),
            "Out of Memory",
        ),
        (FORGE + "frame({t: 'what'});", Limits(wall_s=30), "Protocol Violation"),
    ],
)
async def test_a_failing_component_gets_its_own_named_error(
    bench: Bench, body: str, limits: Limits, name: str
) -> None:
    outcome = await bench.javascript("this.$emit('before');" + body, limits)
    assert outcome.error is not None
    assert outcome.error.name == name
    assert [emit.payload for emit in outcome.emits] == [b'"before"']
    assert (await bench.javascript("this.$emit(1);")).error is None


async def test_leaving_the_process_ends_the_run_with_what_was_done(bench: Bench) -> None:
    outcome = await bench.javascript("this.$emit(1); Deno.exit(0); this.$emit(2);")
    assert [emit.payload for emit in outcome.emits][:1] == [b"1"]
    assert outcome.error is not None


async def test_a_warm_child_starts_with_an_empty_scratch_directory(bench: Bench) -> None:
    code = replace(
        python_code(
            javascript_source(
                "const dir = process.env.TMPDIR;"
                "this.$emit([...Deno.readDirSync(dir)].length); this.$emit(Deno.pid ?? 0);"
                "Deno.writeTextFileSync(dir + '/left', 'x');"
            )
        ),
        language="javascript",
    )
    first, second = await bench.run(code), await bench.run(code)
    assert first.error is None, first.error
    assert [first.emits[0].payload, second.emits[0].payload] == [b"0", b"0"]
    assert first.emits[1].payload == second.emits[1].payload


async def test_typescript_and_common_js_load(bench: Bench) -> None:
    typescript = (
        "interface A { n: number }\nexport default { name: 'T', version: '0.0.1', props: {},\n"
        "  async run(event: A) { const a: A = {n: 1}; this.$emit(a); } };\n"
    )
    common = "module.exports = { name: 'C', version: '0.0.1', run() { this.$emit(1); } };\n"
    for text in (typescript, common):
        outcome = await bench.run(replace(python_code(text), language="javascript"))
        assert outcome.error is None, outcome.error
        assert len(outcome.emits) == 1
        assert outcome.logs == []


async def test_new_processes_start_with_compiled_code_of_their_own(bench: Bench) -> None:
    """The template is made in the background of the first one, and no component can write it."""
    run_dir = bench.settings.run_dir
    body = "this.$emit([...Deno.readDirSync(process.env.HOME + '/../deno')].map(e => e.name));"
    await bench.javascript("this.$emit(1);")
    for _ in range(600):
        if any(run_dir.glob("deno-*")):
            break
        await asyncio.sleep(0.05)
    (template,) = run_dir.glob("deno-*")
    before = {path.name: path.read_bytes() for path in template.iterdir()}
    assert before
    outcome = await bench.javascript(body)
    assert outcome.error is None, outcome.error
    assert set(before) <= set(json.loads(outcome.emits[0].payload))
    victim = str(template / next(iter(before)))
    outcome = await bench.javascript(f"Deno.writeTextFileSync({victim!r}, 'x');")
    assert outcome.error is not None
    outcome = await bench.python(f"open({victim!r}, 'r+')")
    assert outcome.error is not None
    assert before == {path.name: path.read_bytes() for path in template.iterdir()}
