"""`load`: which texts are components, and what is said of those that are not."""

from __future__ import annotations

import json

import pytest

from tests.runtime.javascript.driver import Child

RUN = "run() { this.$emit(1) }"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(f"module.exports = {{ name: 'x', {RUN} }};", id="commonjs"),
        pytest.param(
            f"exports.default = {{}}; module.exports = {{ {RUN} }}", id="commonjs-default"
        ),
        pytest.param(f"export default {{ name: 'x', {RUN} }};", id="module"),
        pytest.param(
            f"const n: string = 'x'; export default {{ name: n, {RUN} }};", id="typescript-module"
        ),
        pytest.param(
            f"const n: string = 'x'; module.exports = {{ name: n, {RUN} }};",
            id="typescript-commonjs",
        ),
        pytest.param(
            "'use strict'; Object.defineProperty(exports, '__esModule', {value: true});"
            f"exports.default = {{ name: 'x', {RUN} }};",
            id="transpiled",
        ),
        pytest.param(
            f"with (Math) {{ var m = max(1, 2) }}; module.exports = {{ name: 'x', {RUN} }};",
            id="sloppy-commonjs",
        ),
        pytest.param(
            f"const m = await Promise.resolve('x'); export default {{ name: m, {RUN} }};",
            id="top-level-await",
        ),
    ],
)
def test_every_form_of_module_loads_and_runs(child: Child, code: str) -> None:
    assert child.load(code)["t"] == "loaded"
    assert child.invoke().emitted == [1]


def test_built_in_modules_of_node_work_in_commonjs(child: Child) -> None:
    child.describe(
        """
        const crypto = require("crypto");
        const querystring = require("querystring");
        const { promisify } = require("util");
        module.exports = { async run() {
          await promisify(setTimeout)(1);
          this.$emit({
            hmac: crypto.createHmac("sha256", "k").update("text").digest("hex"),
            query: querystring.stringify({ a: "1 2" }),
          });
        } };
        """
    )
    [value] = child.invoke().emitted
    assert value == {
        "hmac": "c1a9bf454b10dfe16515829275ce8fd6e5c7a5df851245037730352a6046f1a5",
        "query": "a=1%202",
    }


@pytest.mark.parametrize("prefix", ["", "node:"])
def test_built_in_modules_of_node_work_in_a_module(child: Child, prefix: str) -> None:
    child.describe(
        f"""
        import crypto from "{prefix}crypto";
        import {{ inherits }} from "{prefix}util";
        export default {{ run() {{ this.$emit([typeof crypto.createHmac, typeof inherits]) }} }};
        """
    )
    assert child.invoke().emitted == [["function", "function"]]


@pytest.mark.parametrize(
    ("code", "line", "column"),
    [
        ('const a = 1;\nexport default { name: "x" run() {} };\n', 2, 28),
        ('const a = 1;\nmodule.exports = { name: "x" run() {} };\n', 2, 30),
        ("export default {\n  run() { let a; let a; },\n};\n", 2, 22),
        ("module.exports = {\n  run() { let a; let a; },\n};\n", 2, 22),
        ("const a: string = 1;\nexport default { run( };\n", 2, 23),
    ],
)
def test_a_syntax_error_has_its_place(child: Child, code: str, line: int, column: int) -> None:
    error = child.failure(code)
    assert error["name"] == "SyntaxError"
    assert error["code"] == "syntax_error"
    assert (error["line"], error["column"]) == (line, column)
    assert "file://" not in error["message"]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ('import _ from "lodash";\nexport default { run() {} };', "lodash"),
        ('const get = require("lodash.get");\nmodule.exports = { run() {} };', "lodash.get"),
        ('import axios from "npm:axios@1";\nexport default { run() {} };', "npm:axios@1"),
        (
            'const a = require("@scope/pkg/part");\nmodule.exports = { run() {} };',
            "@scope/pkg/part",
        ),
        ('import x from "https://esm.sh/x@1";\nexport default { run() {} };', "https://esm.sh/x@1"),
        ('import x from "./other.js";\nexport default { run() {} };', "other.js"),
    ],
)
def test_an_unknown_import_is_named(child: Child, code: str, name: str) -> None:
    error = child.failure(code)
    assert error["code"] == "load_failed"
    assert f'cannot import "{name}"' in error["message"]


def test_an_error_while_loading_keeps_name_message_and_place(child: Child) -> None:
    error = child.failure("const a = 1;\nnull.field;\nmodule.exports = { run() {} };")
    assert error["name"] == "TypeError"
    assert error["code"] == "load_failed"
    assert "Cannot read properties of null" in error["message"]
    assert "component.js:2:6" in error["stack"]
    assert "harness" not in error["stack"]


@pytest.mark.parametrize("code", ["module.exports = [1];", "export default { name: 'A' };"])
def test_what_loads_and_is_no_component_is_told_apart(child: Child, code: str) -> None:
    error = child.failure(code)
    assert (error["name"], error["code"]) == ("NoComponent", "load_failed")


def test_text_that_parses_as_json_of_a_broken_kind_is_no_syntax_error(child: Child) -> None:
    error = child.failure('JSON.parse("{");\nmodule.exports = { run() {} };')
    assert error["name"] == "SyntaxError"
    assert error["code"] == "load_failed"


def test_a_rejection_nobody_awaits_fails_the_load(child: Child) -> None:
    error = child.failure("Promise.reject(new Error('lost')); module.exports = { run() {} };")
    assert error["message"] == "lost"


def test_a_module_that_never_finishes_loading_ends_the_process(child: Child) -> None:
    """Deno ends it before the harness could answer: the platform names a process that went."""
    header: dict[str, object] = {"t": "load", "language": "javascript"}
    header |= {"component_id": "sc_1", "entry": "component.js", "env": {}}
    code = "await new Promise(() => {}); export default { run() {} };"
    child.send(header, json.dumps(code).encode())
    assert child.read() is None
    assert child.process.wait(10) == 1
    assert "Top-level await promise never resolved" in child.stderr.read_text()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "no run function"),
        ("module.exports = 1;", "must be an object"),
        ("module.exports = function () {};", "must be an object"),
        ("export const name = 'x';", "must be an object"),
        ("module.exports = { name: 'x' };", "no run function"),
        ("module.exports = { props: [], run() {} };", "props must be an object"),
        ("module.exports = { props: { a: 1 }, run() {} };", 'prop "a"'),
        (
            "module.exports = { props: { a: 'string' }, methods: { a() {} }, run() {} };",
            '"a" is both',
        ),
    ],
)
def test_what_is_no_component_is_told_why(child: Child, code: str, said: str) -> None:
    error = child.failure(code)
    assert error["code"] == "load_failed"
    assert said in error["message"]
