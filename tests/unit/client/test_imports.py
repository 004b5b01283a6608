"""Which files `headwater dev` looks at."""

from __future__ import annotations

from pathlib import Path

from headwater_cli.imports import look, tree


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_imports_are_followed_by_relative_paths(tmp_path: Path) -> None:
    write(
        tmp_path,
        entry_ts='import a from "./lib/a";\nimport "./b.js";\nimport x from "npm:x";\n',
        lib__a_ts='export { c } from "../c";\nconst d = await import("./d.json");\n',
        b_js="const e = require( './e' );\n",
        c__index_js="",
        lib__d_json="{}",
        e_mjs='import "./entry.ts";\n',
    )
    found = {path.relative_to(tmp_path).as_posix() for path in tree(tmp_path / "entry.ts")}
    assert found == {"entry.ts", "lib/a.ts", "b.js", "c/index.js", "lib/d.json", "e.mjs"}


def test_what_is_not_there_yet_is_looked_for(tmp_path: Path) -> None:
    entry = tmp_path / "entry.js"
    entry.write_text('import "./later";\n')
    before = look(tree(entry))
    assert before[tmp_path / "later.ts"] is None
    (tmp_path / "later.ts").write_text("")
    assert look(tree(entry)) != before


def test_each_change_is_seen_and_nothing_else(tmp_path: Path) -> None:
    entry, other = tmp_path / "entry.py", tmp_path / "other.py"
    entry.write_text("1")
    before = look(tree(entry))
    other.write_text("2")
    assert look(tree(entry)) == before
    # As editors save: another file takes the name, of the same size.
    other.rename(entry)
    assert look(tree(entry)) != before
    entry.unlink()
    assert look(tree(entry)) == {entry: None}
