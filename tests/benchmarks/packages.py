"""What a component with axios costs: to create it, to start a child for it, to run it.

Asks the machine's registry once; where that does not answer, the table says so.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
import uuid
from dataclasses import replace
from pathlib import Path
from statistics import median

from apps.components.models import PackageSet
from apps.runs.contract import Code, Invocation, Limits
from tests.benchmarks.report import Table, milliseconds
from workers.packages import installer_for
from workers.runtime.packages.installer import Installer
from workers.runtime.packages.refusal import Refused
from workers.runtime.pool import Runtime
from workers.runtime.settings import RuntimeSettings

_CHILDREN = 20
_RUNS = 500
_COMPONENT = (
    "module.exports = { name: 'A', version: '0.0.1', run() { this.$emit({ n: 1 }, { id: '1' }) } };"
)
_AXIOS = f'const axios = require("axios@1.7");\n{_COMPONENT}'


def measure(scale: float) -> list[Table]:
    PackageSet.objects.all().delete()
    table = Table("A component with axios", ["What", "Without packages, ms", "With axios, ms"])
    asyncio.run(_fill(table, max(3, int(_CHILDREN * scale)), max(20, int(_RUNS * scale))))
    return [table]


async def _fill(table: Table, children: int, runs: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        runtime = Runtime(RuntimeSettings(run_dir=Path(directory) / "run"))
        await runtime.start()
        try:
            await _measure(runtime, installer_for(runtime), table, children, runs)
        except Refused as refused:
            table.notes.append(f"Not measured: {refused}.")
        finally:
            await runtime.close()


async def _measure(
    runtime: Runtime, installer: Installer, table: Table, children: int, runs: int
) -> None:
    codes = [Code("o", "warm", "javascript", text) for text in (_COMPONENT, _AXIOS)]
    # Compiled code is made in the background of the first child; it is there for all that count.
    await runtime.describe(codes[0], Limits())
    await asyncio.sleep(2)
    for row in ("described at creation, for the first time", "once more, by another child"):
        table.add(row, *[milliseconds(await _created(runtime, installer, code)) for code in codes])
    codes = [replace(code, packages=await installer.name_for(code)) for code in codes]
    fresh = [median([await _first(runtime, code) for _ in range(children)]) for code in codes]
    table.add("a new child and its first run, median", *map(milliseconds, fresh))
    warm = [median([await _run(runtime, code) for _ in range(runs)]) for code in codes]
    table.add("a warm run, median", *map(milliseconds, warm))
    table.notes.append(
        f"Installations in all: {installer.installs}. The sources of a component share its set."
    )


async def _created(runtime: Runtime, installer: Installer, code: Code) -> float:
    """Seconds from code to its description: looked at, installed, loaded by a child of its own."""
    began = time.perf_counter()
    new = replace(code, component_id=uuid.uuid4().hex)
    await runtime.describe(replace(new, packages=await installer.name_for(new)), Limits())
    return time.perf_counter() - began


async def _first(runtime: Runtime, code: Code) -> float:
    return await _run(runtime, replace(code, component_id=uuid.uuid4().hex))


async def _run(runtime: Runtime, code: Code) -> float:
    call = Invocation(str(uuid.uuid4()), "dc_1", "run", "timer")
    began = time.perf_counter()
    outcome = await runtime.run(code, call, Limits())
    if outcome.error is not None:
        raise RuntimeError(outcome.error.message)
    return time.perf_counter() - began
