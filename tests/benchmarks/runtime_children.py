"""Measures the runtime alone: `python -m tests.benchmarks.runtime_children [python|javascript]`.

Prints runs a second through `Runtime.run` with 16 sources at once, warm; processor time of this
process for one warm run; and fresh children a second, with the zygote's part of the time.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
import uuid
from pathlib import Path

from apps.runs.contract import Code, Invocation, Language, Limits
from workers.runtime.pool import Runtime
from workers.runtime.settings import RuntimeSettings

_SOURCES = 16
_TEXTS: dict[str, str] = {
    "python": (
        "from headwater import Source\nclass A(Source):\n    name = 'A'\n    version = '0.0.1'\n"
        "    def run(self, event):\n        self.emit({'n': 1}, id='1', summary='s')\n"
    ),
    "javascript": (
        "export default { name: 'A', version: '0.0.1', props: {},\n"
        "  async run(event) { this.$emit({n: 1}, {id: '1', summary: 's'}); } };\n"
    ),
}


async def _warm(runtime: Runtime, code: Code, runs: int) -> None:
    for _ in range(runs):
        call = Invocation(str(uuid.uuid4()), "dc_1", "run", "timer")
        outcome = await runtime.run(code, call, Limits())
        assert outcome.error is None, outcome.error
        assert len(outcome.emits) == 1


def _processor(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


async def measure(language: Language, runs: int = 500, fresh: int = 200) -> None:
    with tempfile.TemporaryDirectory() as directory:
        runtime = Runtime(RuntimeSettings(run_dir=Path(directory) / "run"))
        await runtime.start()
        text = _TEXTS[language]
        codes = [Code("o", str(n), language, text) for n in range(_SOURCES)]
        await asyncio.gather(*(_warm(runtime, code, 3) for code in codes))
        began, spent = time.perf_counter(), _processor(resource.RUSAGE_SELF)
        await asyncio.gather(*(_warm(runtime, code, runs) for code in codes))
        took, spent = time.perf_counter() - began, _processor(resource.RUSAGE_SELF) - spent
        total = runs * _SOURCES
        print(f"{language}: warm {total / took:.0f} runs/s, {spent / total * 1e6:.0f} us here")

        fresh_codes = iter([Code("o", f"f{n}", language, text) for n in range(fresh)])

        async def some() -> None:
            for code in fresh_codes:
                await _warm(runtime, code, 1)

        began, spent = time.perf_counter(), _processor(resource.RUSAGE_SELF)
        await asyncio.gather(*(some() for _ in range(_SOURCES)))
        took, spent = time.perf_counter() - began, _processor(resource.RUSAGE_SELF) - spent
        print(f"{language}: fresh {fresh / took:.0f} children/s, {spent / fresh * 1e3:.2f} ms here")
        await runtime.close()


if __name__ == "__main__":
    chosen: Language = "javascript" if "javascript" in sys.argv[1:] else "python"
    asyncio.run(measure(chosen))
