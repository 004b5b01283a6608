"""How a run ends: errors, what nobody awaited, what is left over, a process that goes."""

# ruff: noqa: E501 (lines of JavaScript)

from __future__ import annotations

import pytest

from tests.runtime.javascript.driver import Child, Result


def run(child: Child, body: str, head: str = "") -> Result:
    child.describe(f"{head}\nmodule.exports = {{ async run() {{ {body} }} }};")
    return child.invoke()


def test_a_good_run(child: Child) -> None:
    assert run(child, "return 5;").done == {
        "t": "done",
        "run": "0190c6a2-5b1e-5c3d-9f00-0123456789ab",
        "ok": True,
        "reuse": True,
    }


def test_an_error_has_name_message_and_stack(child: Child) -> None:
    error = run(child, "this.$emit(1);\nthrow new RangeError('too far');").error
    assert error["name"] == "RangeError"
    assert error["message"] == "too far"
    assert error["stack"].splitlines()[:2] == [
        "RangeError: too far",
        "    at Object.run (component.js:3:7)",
    ]
    assert "harness" not in error["stack"]
    assert "code" not in error


def test_causes_are_part_of_the_stack(child: Child) -> None:
    error = run(child, "throw new Error('outer', { cause: new TypeError('inner') });").error
    assert "\nCaused by: TypeError: inner\n" in error["stack"]


def test_memory_that_is_refused_has_the_name_of_the_limit(child: Child) -> None:
    result = run(child, "this.$emit(1); new Uint8Array(2 ** 42);")
    assert result.error["name"] == "Out of Memory"
    assert result.emitted == [1]
    assert not result.done["reuse"]


def test_a_configuration_error_is_told_by_its_name(child: Child) -> None:
    error = run(
        child,
        "throw new ConfigurationError('no token');",
        "class ConfigurationError extends Error { name = 'ConfigurationError'; }",
    ).error
    assert error == {
        "name": "ConfigurationError",
        "message": "no token",
        "code": "configuration_error",
    }


@pytest.mark.parametrize(
    ("thrown", "name", "message"),
    [
        ("'text'", "Error", "text"),
        ("undefined", "Error", "undefined"),
        ("null", "Error", "null"),
        ("5", "Error", "5"),
        ("{ status: 404 }", "Error", "{ status: 404 }"),
        ("{ name: 'Odd', message: 'thing' }", "Odd", "thing"),
        ("Symbol('s')", "Error", "Symbol(s)"),
        ("new Proxy({}, { get() { throw 1 } })", "Error", "{}"),
        ("Object.assign(new Error('m'), { name: 7 })", "Error", "m"),
        ("new Error('\\ud800')", "Error", "\ufffd"),
    ],
)
def test_anything_can_be_thrown(child: Child, thrown: str, name: str, message: str) -> None:
    error = run(child, f"throw {thrown};").error
    assert (error["name"], error["message"]) == (name, message)


def test_a_long_message_is_cut(child: Child) -> None:
    error = run(child, "throw new Error('x'.repeat(1_000_000));").error
    assert len(error["message"]) == 16384


def test_the_process_serves_on_after_an_error(child: Child) -> None:
    child.describe(
        "let n = 0; module.exports = { run() { if (n++ === 0) throw new Error('x'); } };"
    )
    assert not child.invoke().ok
    assert child.invoke().ok


@pytest.mark.parametrize(
    "body",
    [
        "Promise.reject(new Error('lost'));",
        "(async () => { throw new Error('lost'); })();",
        "(async () => { await null; throw new Error('lost'); })();",
        "setTimeout(() => { throw new Error('lost'); }, 1);",
        "queueMicrotask(() => { throw new Error('lost'); });",
        "await new Promise(() => setTimeout(() => { throw new Error('lost'); }, 1));",
        "setInterval(() => {}, 10); await new Promise(() => setTimeout(() => { throw new Error('lost'); }, 1));",
    ],
)
def test_an_error_that_nobody_awaits_fails_the_run(child: Child, body: str) -> None:
    result = run(child, f"this.$emit(1); {body}")
    assert result.error["message"] == "lost"
    assert result.emitted == [1]


def test_the_run_goes_on_after_an_unawaited_rejection(child: Child) -> None:
    result = run(
        child,
        "Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 5)); this.$emit(1);",
    )
    assert result.error["message"] == "lost"
    assert result.emitted == [1]


def test_a_rejection_that_is_handled_late_is_no_error(child: Child) -> None:
    assert run(
        child,
        "const p = Promise.reject(new Error('late')); await new Promise((r) => setTimeout(r, 5));"
        " await p.catch(() => {});",
    ).ok


def test_a_failure_is_of_its_own_run_only(child: Child) -> None:
    child.describe("let n = 0; module.exports = { run() { if (n++ === 0) Promise.reject(1); } };")
    assert not child.invoke().ok
    result = child.invoke()
    assert result.ok
    assert result.done["reuse"]


def test_a_run_that_waits_for_nothing_fails_at_once(child: Child) -> None:
    result = run(child, "this.$emit(1); await new Promise(() => {});")
    assert "can no longer happen" in result.error["message"]
    assert result.emitted == [1]
    assert child.invoke().frames, "the process serves on"


@pytest.mark.parametrize(
    "body",
    [
        "setTimeout(() => {}, 60_000);",
        "setInterval(() => {}, 60_000);",
        "require('timers').setTimeout(() => {}, 60_000);",
        "setInterval(() => {}, 1);",
        "(function again() { setImmediate(again); })();",
    ],
)
def test_what_is_left_over_makes_the_process_unfit(child: Child, body: str) -> None:
    done = run(child, body).done
    assert done["ok"]
    assert not done["reuse"]


def test_what_is_over_in_a_moment_leaves_the_process_fit(child: Child) -> None:
    assert run(child, "setTimeout(() => {}, 1); Promise.resolve().then(() => {});").done["reuse"]


def test_timers_that_hold_nobody_leave_the_process_fit(child: Child) -> None:
    assert run(child, "require('timers').setTimeout(() => {}, 60_000).unref();").done["reuse"]


def test_calls_after_the_end_are_refused(child: Child) -> None:
    """Code of an ended run that a later run of the same process wakes cannot speak for it."""
    child.describe(
        """
        let old;
        module.exports = { props: { db: "$.service.db", http: "$.interface.http" }, run() {
          const refused = [];
          for (const call of old || []) try { call(); } catch (error) { refused.push(error.message); }
          old = [() => this.$emit("late"), () => this.db.set("late", 1), () => this.http.respond({})];
          this.$emit(refused);
        } };
        """
    )
    assert child.invoke().emitted == [[]]
    result = child.invoke(run="second")
    assert [frame.kind for frame in result.frames] == ["emit", "done"]
    assert result.emitted == [
        [f"the run has ended: {kind} comes too late" for kind in ("emit", "set", "respond")]
    ]


def test_left_over_code_stands_still_after_the_end(child: Child) -> None:
    child.describe("module.exports = { run() { setInterval(() => console.log('alive'), 1); } };")
    assert not child.invoke().done["reuse"]
    assert child.close_input() == 0
    assert child.read() is None, "nothing was said after done"
    assert child.stdout.read_text() == ""


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("process.exit(0)", 0),
        ("process.exit(7)", 7),
        ("Deno.exit(3)", 3),
        ("process.abort()", -6),
    ],
)
def test_a_process_that_goes_leaves_what_it_did(child: Child, call: str, status: int) -> None:
    result = run(child, f"this.$emit(1); {call};")
    assert [frame.kind for frame in result.frames] == ["emit"]
    assert child.process.wait(10) == status


def test_the_end_of_input_ends_the_process(child: Child) -> None:
    child.describe("module.exports = { run() {} };")
    assert child.invoke().ok
    assert child.close_input() == 0


def test_an_event_of_another_run_does_not_mix(child: Child) -> None:
    child.describe("module.exports = { async run(e) { await null; this.$emit(e); } };")
    for number in range(50):
        result = child.invoke(number, run=f"run-{number}")
        assert result.emitted == [number]
        assert result.done["reuse"]
