"""Compiled code for new Deno processes: about 40 ms less for each cold start of CommonJS.

Deno keeps V8's compiled form of the harness and of Node's built-in modules under `DENO_DIR`, and
wants to write there. A directory that two components could write would let one plant code in the
other, and a read-only one is not used at all: so every process gets a copy of its own, 1.3 MB.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from workers.runtime.javascript.flags import command

# What the warming runs compile: both forms of module, and what components commonly require.
_SAMPLES = (
    "module.exports = { props: { db: '$.service.db' }, run() {} };",
    "const modules = ['crypto', 'util', 'querystring', 'url', 'http', 'https', 'stream', 'zlib'];"
    "module.exports = { async run() { for (const name of modules) require(name);"
    " process.stdout; console.log(1); await fetch('data:,').then((answer) => answer.text()); } };",
    "export default { props: { db: '$.service.db' }, run() { this.$emit(1) } };",
)
_DATABASES = ("dep_analysis_cache_v2", "node_analysis_cache_v2", "v8_code_cache_v2")
_TIMEOUT_S = 30


def build(deno: str, template: Path) -> None:
    """Fills the directory `template`, for `seed`.

    Runs Deno three times (half a second) on code of our own. Raises OSError or
    subprocess.SubprocessError when that does not work; processes start without it, only later.
    """
    template.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name).resolve()
        (work / "code").mkdir()
        (work / "tmp").mkdir()
        deno_dir = work / "deno"
        for code in _SAMPLES:
            _run(command(deno, work), work, deno_dir, code)
        for database in _DATABASES:
            source = deno_dir / database
            if source.exists():
                # One file, so that a copy is whole without its write-ahead log.
                with closing(sqlite3.connect(source)) as connection:
                    connection.execute("PRAGMA journal_mode=DELETE")
                shutil.copyfile(source, template / database)


def seed(template: Path, deno_dir: Path) -> None:
    """Makes `deno_dir` for one process from a template; the caller's user becomes the owner."""
    deno_dir.mkdir(exist_ok=True)
    for database in _DATABASES:
        source = template / database
        if source.exists():
            shutil.copyfile(source, deno_dir / database)


def _run(arguments: list[str], work: Path, deno_dir: Path, code: str) -> None:
    """One process from load to the end of one run; input and answers fit into the pipes."""
    load: dict[str, object] = {"t": "load", "language": "javascript", "component_id": "sc_0"}
    load |= {"entry": "component.js", "env": {}}
    run = {"t": "invoke", "run": "0", "entry": "run", "source_id": "dc_0"}
    frames = _frame(load, json.dumps(code).encode()) + _frame(run, b"{}", b"null", b"{}")
    (down, ours), (answers, up) = os.pipe(), os.pipe()

    def place() -> None:
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 5) for fd in (down, up)]
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    try:
        try:
            os.write(ours, frames)
        finally:
            os.close(ours)
        subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"DENO_DIR": str(deno_dir), "HOME": str(work), "NO_COLOR": "1"},
            cwd=work / "code",
            pass_fds=(3, 4),
            preexec_fn=place,
            timeout=_TIMEOUT_S,
            check=True,
        )
    finally:
        for fd in (down, up, answers):
            os.close(fd)


def _frame(header: Mapping[str, object], *parts: bytes) -> bytes:
    body = b"\n".join((json.dumps(header).encode(), *parts))
    return len(body).to_bytes(4, "big") + body
