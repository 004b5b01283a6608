"""What component code prints becomes log lines of its run."""

# ruff: noqa: E501 (lines of JavaScript)

from __future__ import annotations

import pytest

from tests.runtime.javascript.driver import Child


@pytest.mark.parametrize(
    ("call", "lines"),
    [
        ("console.log('a', 1, { b: [2] })", [("info", "a 1 { b: [ 2 ] }")]),
        ("console.log('%s is %d', 'x', 3)", [("info", "x is 3")]),
        ("console.info('i')", [("info", "i")]),
        ("console.debug('d')", [("info", "d")]),
        ("console.warn('w')", [("warn", "w")]),
        ("console.error('e')", [("error", "e")]),
        ("console.log('two\\nlines')", [("info", "two\nlines")]),
        ("console.log('')", [("info", "")]),
        ("console.log('\\ud800')", [("info", "\ufffd")]),
        ("console.assert(1 === 2, 'no')", [("error", "Assertion failed: no")]),
        ("console.dir({ a: 1 })", [("info", "{ a: 1 }")]),
        ("process.stdout.write('a\\nb')", [("info", "a"), ("info", "b")]),
        ("process.stdout.write('a'); process.stdout.write('b\\n')", [("info", "ab")]),
        ("process.stderr.write(new TextEncoder().encode('e\\n'))", [("error", "e")]),
        ("require('process').stdout.write('r\\n')", [("info", "r")]),
        ("require('console').log('c')", [("info", "c")]),
    ],
)
def test_printing(child: Child, call: str, lines: list[tuple[str, str]]) -> None:
    child.describe(f"module.exports = {{ run() {{ {call}; }} }};")
    assert child.invoke().printed == lines
    assert child.stdout.read_text() == child.stderr.read_text() == ""


def test_an_error_is_printed_with_its_stack(child: Child) -> None:
    child.describe("module.exports = { run() { console.error(new Error('broken')); } };")
    [(level, text)] = child.invoke().printed
    assert level == "error"
    assert text.startswith("Error: broken\n    at ")


def test_a_callback_of_write_is_called(child: Child) -> None:
    child.describe(
        "module.exports = { async run() {"
        " await new Promise((done) => process.stdout.write('a\\n', 'utf8', done)); this.$emit(1); } };"
    )
    assert child.invoke().emitted == [1]


def test_a_long_line_is_cut_at_16_kib(child: Child) -> None:
    child.describe(
        "module.exports = { run() { console.log('x'.repeat(100_000));"
        " console.log('ü'.repeat(100_000)); } };"
    )
    assert [text for _, text in child.invoke().printed] == ["x" * 16384, "ü" * 8192]


def test_what_is_printed_while_loading_goes_to_the_output_pipes(child: Child) -> None:
    child.describe("console.log('loading'); console.error('bad'); module.exports = { run() {} };")
    assert child.stdout.read_text() == "loading\n"
    assert child.stderr.read_text() == "bad\n"


def test_lines_and_emits_keep_their_order(child: Child) -> None:
    child.describe(
        "module.exports = { run() { console.log(1); this.$emit(2); process.stdout.write('3\\n');"
        " this.$emit(4); } };"
    )
    assert [f.kind for f in child.invoke().frames] == ["log", "emit", "log", "emit", "done"]


@pytest.mark.parametrize("way", ["process.exit(0)", "Deno.exit(0)"])
def test_an_unfinished_line_is_kept_when_the_process_goes(child: Child, way: str) -> None:
    child.describe(f"module.exports = {{ run() {{ process.stdout.write('part'); {way}; }} }};")
    assert child.invoke().printed == [("info", "part")]
