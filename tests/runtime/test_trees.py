"""Components of several files: what is beside the entry is found by relative imports."""

from __future__ import annotations

import json

import pytest

from apps.runs.contract import Code, Limits, LoadError
from tests.runtime.conftest import Bench

pytestmark = pytest.mark.asyncio(loop_scope="module")


def code(language: str, text: str, entry: str, files: dict[str, str]) -> Code:
    return Code("o", entry, language, text, entry, files)  # type: ignore[arg-type]


async def emitted(bench: Bench, tree: Code) -> list[object]:
    outcome = await bench.run(tree)
    assert outcome.error is None, outcome.error
    return [json.loads(emit.payload) for emit in outcome.emits]


async def test_commonjs_requires_an_app_three_levels_up(bench: Bench) -> None:
    """The layout of published components."""
    files = {
        "components/hub/hub.app.js": "module.exports = { type: 'app', app: 'hub', two: 2 };",
        "components/hub/sources/common.js": "exports.app = require('../hub.app.js');",
        "components/hub/sources/new/sample.json": '{"three": 3}',
        "components/hub/sources/new/package.json": '{"name": "x"}',
    }
    text = """
      const hub = require('../../hub.app.js');
      const { app } = require('../common');
      const sample = require('./sample.json');
      module.exports = { name: 'a', version: '1', run() {
        this.$emit([hub === app, app.two, sample.three]);
      } };"""
    tree = code("javascript", text, "components/hub/sources/new/new.js", files)
    assert await emitted(bench, tree) == [[True, 2, 3]]


async def test_es_modules_and_typescript(bench: Bench) -> None:
    files = {
        "lib/two.mjs": "import three from '../three.ts'; export const two = three() - 1;",
        "three.ts": "export default (): number => 3;",
    }
    text = """
      import { two } from '../lib/two.mjs';
      const shown: number = two;
      export default { name: 'a', version: '1', run() { this.$emit(shown as number); } };"""
    assert await emitted(bench, code("javascript", text, "src/main.ts", files)) == [2]
    # The same without the ending that says so.
    assert await emitted(bench, code("javascript", text, "src/other.js", files)) == [2]


async def test_an_ending_may_be_left_out_of_an_import(bench: Bench) -> None:
    """Published TypeScript does that; the bundler that it was written for adds it."""
    files = {"app/hub.app.ts": "export default { two: 2 as number };"}
    text = """
      import hub from '../app/hub.app';
      export default { name: 'a', version: '1', run() { this.$emit(hub.two); } };"""
    assert await emitted(bench, code("javascript", text, "src/bare.ts", files)) == [2]


async def test_python_imports_what_is_beside_it(bench: Bench) -> None:
    text = (
        "from headwater import Source\nfrom helper import two\n"
        "class A(Source):\n    name = 'a'\n    def run(self): self.emit(two)\n"
    )
    tree = code("python", text, "hub/a.py", {"hub/helper.py": "two = 2\n"})
    assert await emitted(bench, tree) == [2]


async def test_a_child_of_another_tree_finds_nothing_of_it(bench: Bench) -> None:
    """Directories of children are used again."""
    text = "module.exports = { name: 'a', version: '1', run() {} };"
    with_file = code("javascript", text, "sub/a.js", {"sub/left.js": "exports.a = 1;"})
    first = await bench.run(with_file)
    assert first.error is None
    seeking = Code("o", "seeking", "javascript", f"require('./sub/left.js'); {text}")
    with pytest.raises(LoadError, match="left"):
        await bench.runtime.describe(seeking, Limits())


async def test_a_mistake_in_a_file_beside_the_entry_is_no_syntax_error_of_the_entry(
    bench: Bench,
) -> None:
    text = "module.exports = require('./broken.js');"
    tree = code("javascript", text, "sub/entry.js", {"sub/broken.js": "const = 3;"})
    with pytest.raises(LoadError):
        await bench.runtime.describe(tree, Limits())
