"""Compiled code that goes along with each new process."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.runtime.javascript.driver import Child
from workers.runtime.javascript import cache


def compiled(database: Path) -> set[str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return {row[0] for row in connection.execute("SELECT specifier FROM codecache")}


def test_a_template_holds_the_harness_and_built_in_modules(template: Path) -> None:
    specifiers = compiled(template / "v8_code_cache_v2")
    assert any(name.endswith("javascript/harness.mjs") for name in specifiers)
    assert any(name.startswith("node:") for name in specifiers)


def test_a_process_takes_what_its_copy_holds(tmp_path: Path, template: Path) -> None:
    """Deno writes what it had to compile: with the copy, that is the component alone."""
    grown = []
    for name, given in (("with", template), ("without", None)):
        directory = tmp_path / name
        directory.mkdir()
        with Child(directory, template=given) as child:
            child.describe("const c = require('crypto'); module.exports = { run() {} };")
            assert child.invoke().ok
            assert child.close_input() == 0
        before = compiled(template / "v8_code_cache_v2") if given else set()
        grown.append(compiled(directory / "deno" / "v8_code_cache_v2") - before)
    with_copy, without = grown
    assert not any("/javascript/" in name for name in with_copy)
    assert any("/javascript/" in name for name in without)
    assert len(with_copy) < len(without)


def test_a_copy_belongs_to_one_process(tmp_path: Path, template: Path) -> None:
    before = (template / "v8_code_cache_v2").read_bytes()
    cache.seed(template, tmp_path / "deno")
    with (tmp_path / "deno" / "v8_code_cache_v2").open("r+b") as copy:
        copy.write(b"planted")
    assert (template / "v8_code_cache_v2").read_bytes() == before
