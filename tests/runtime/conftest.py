"""Real children behind the real wall: one zygote for each test module that asks for it."""

from __future__ import annotations

import textwrap
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from apps.runs.contract import Code, Invocation, Limits, Outcome
from workers.runtime.pool import Runtime
from workers.runtime.settings import RuntimeSettings


def python_source(body: str, before: str = "") -> str:
    """A Python component whose `run(self, event)` is `body`; `before` runs while loading."""
    return (
        "from headwater import Source\n"
        + textwrap.dedent(before)
        + "\nclass Hostile(Source):\n    name = 'Hostile'\n    version = '0.0.1'\n"
        + "    async def run(self, event):\n"
        + textwrap.indent(textwrap.dedent(body).strip() or "pass", "        ")
        + "\n"
    )


def javascript_source(body: str, before: str = "") -> str:
    return (
        f"{before}\nexport default {{ name: 'Hostile', version: '0.0.1', props: {{}},\n"
        f"  async run(event) {{\n{body}\n  }} }};\n"
    )


class Bench:
    """A started runtime, and short ways to run a component on it."""

    def __init__(self, runtime: Runtime, settings: RuntimeSettings) -> None:
        self.runtime = runtime
        self.settings = settings

    async def run(self, code: Code, limits: Limits | None = None, **given: Any) -> Outcome:
        call = Invocation(str(uuid.uuid4()), "dc_test", "run", "manual", **given)
        return await self.runtime.run(code, call, limits or Limits(wall_s=30))

    async def python(self, body: str, limits: Limits | None = None, **given: Any) -> Outcome:
        return await self.run(python_code(python_source(body)), limits, **given)

    async def javascript(self, body: str, limits: Limits | None = None, **given: Any) -> Outcome:
        code = replace(python_code(javascript_source(body)), language="javascript")
        return await self.run(code, limits, **given)


def python_code(text: str, owner: str = "owner", component: str | None = None) -> Code:
    return Code(owner, component or uuid.uuid4().hex, "python", text)


@pytest.fixture(scope="module")
def runtime_settings(tmp_path_factory: pytest.TempPathFactory) -> RuntimeSettings:
    """Override in a module that needs other settings."""
    directory: Path = tmp_path_factory.mktemp("data")
    return RuntimeSettings(run_dir=directory / "run")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(runtime_settings: RuntimeSettings) -> AsyncIterator[Bench]:
    runtime = Runtime(runtime_settings)
    await runtime.start()
    yield Bench(runtime, runtime_settings)
    await runtime.close()
