"""The machine's own registries, as its npm and pip know them: one small package of each.

Needs them to be reachable; everything else about installing is tested against a registry on
loopback.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from apps.runs.contract import Code
from tests.packages.conftest import Host, Rows
from workers.packages import install_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Host]:
    host = Host(tmp_path_factory.mktemp("real"), install_settings(), Rows())
    await host.runtime.start()
    yield host
    await host.runtime.close()


async def test_a_package_of_npm(real: Host) -> None:
    text = """
      const odd = require("is-odd@3.0.1");
      module.exports = { name: "a", run() { this.$emit(odd(3)) } };"""
    assert await real.emitted(await real.installed(Code("o", "n", "javascript", text))) is True


async def test_a_wheel_of_python(real: Host) -> None:
    text = (
        "from headwater import Source\nimport toolz\n"
        "class A(Source):\n    name = 'a'\n    requires = ['toolz>=1']\n"
        "    def run(self): self.emit(toolz.last([1, 2]))\n"
    )
    assert await real.emitted(await real.installed(Code("o", "p", "python", text))) == 2
