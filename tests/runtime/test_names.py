"""Settled names (EGRESS_RESOLVE) and a certificate authority (EGRESS_CA), as children see them."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from tests.hosts import Hosts
from tests.runtime.conftest import Bench
from workers.runtime.pool import Runtime
from workers.runtime.settings import RuntimeSettings

HOST = "api.provider.example"
GET = {
    "python": f"""
import urllib.request
self.emit(urllib.request.urlopen("https://{HOST}/x").read().decode())
""",
    "httpx": f"""
import httpx
self.emit(httpx.get("https://{HOST}/x").text)
""",
    "fetch": f"this.$emit(await (await fetch('https://{HOST}/x')).text());",
    "node": f"""
const https = await import('node:https');
this.$emit(await new Promise((done, failed) => https.get('https://{HOST}/x', (answer) => {{
  let text = '';
  answer.on('data', (part) => text += part).on('end', () => done(text));
}}).on('error', failed)));
""",
}


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with Hosts(tmp_path_factory.mktemp("hosts"), HOST) as found:
        found.serve(HOST, "/x", "from the provider")
        yield found


@pytest.fixture(scope="module")
def runtime_settings(tmp_path_factory: pytest.TempPathFactory, hosts: Hosts) -> RuntimeSettings:
    return RuntimeSettings(
        run_dir=tmp_path_factory.mktemp("data") / "run",
        egress_allow=(f"127.0.0.1/32:{hosts.port}",),
        egress_resolve=tuple(hosts.resolve),
        egress_ca=str(hosts.ca),
    )


@pytest_asyncio.fixture
async def closed(runtime_settings: RuntimeSettings) -> AsyncIterator[Bench]:
    """The same names, and nothing open in spite of the rules."""
    runtime = Runtime(replace(runtime_settings, egress_allow=()))
    await runtime.start()
    yield Bench(runtime, runtime_settings)
    await runtime.close()


@pytest.mark.parametrize("client", GET)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_provider_is_called_by_its_name_over_tls(bench: Bench, client: str) -> None:
    run = bench.python if client in ("python", "httpx") else bench.javascript
    outcome = await run(GET[client])
    assert outcome.error is None, outcome.error
    assert [emit.payload for emit in outcome.emits] == [b'"from the provider"']


@pytest.mark.asyncio(loop_scope="module")
async def test_the_address_of_the_name_has_no_other_way_in(bench: Bench, hosts: Hosts) -> None:
    """The stand-in is an address for dialling by name, and what is not settled is not found."""
    outcome = await bench.python("""
import socket
self.emit(socket.gethostbyname("api.provider.example"))
for name in ("provider.example", "other.provider.example", "api.provider.example.invalid"):
    try:
        socket.gethostbyname(name)
    except OSError as error:
        self.emit(type(error).__name__)
""")
    assert outcome.error is None, outcome.error
    assert [emit.payload for emit in outcome.emits] == [b'"198.18.0.1"'] + [b'"gaierror"'] * 3


async def test_the_rules_look_at_the_settled_address(closed: Bench) -> None:
    outcome = await closed.python(GET["python"])
    assert outcome.error is not None
    assert "Permission denied" in outcome.error.message


async def test_the_addresses_of_a_name_are_tried_in_their_order(
    tmp_path: Path, hosts: Hosts
) -> None:
    """Of three, the first refuses connections and the second, of the other family, is not open."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        refusing = silent.getsockname()[1]
        entries = (f"{HOST}=127.0.0.1:{refusing}", f"{HOST}=[::1]:{refusing}", *hosts.resolve)
        open_ports = tuple(f"127.0.0.1/32:{port}" for port in (refusing, hosts.port))
        runtime = Runtime(
            RuntimeSettings(
                run_dir=tmp_path / "run",
                egress_allow=open_ports,
                egress_resolve=entries,
                egress_ca=str(hosts.ca),
            )
        )
        await runtime.start()
        try:
            outcome = await Bench(runtime, runtime.settings).python(GET["python"])
        finally:
            await runtime.close()
    assert outcome.error is None, outcome.error
    assert [emit.payload for emit in outcome.emits] == [b'"from the provider"']


async def test_a_settled_address_may_be_of_the_sixth_version(tmp_path: Path) -> None:
    """A stand-in is of the fourth, whatever it stands for."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        runtime = Runtime(
            RuntimeSettings(
                run_dir=tmp_path / "run",
                egress_allow=(f"[::1]:{port}",),
                egress_resolve=(f"{HOST}=[::1]:{port}",),
            )
        )
        await runtime.start()
        try:
            outcome = await Bench(runtime, runtime.settings).python(f"""
import socket
with socket.create_connection(("{HOST}", 80)) as connection:
    self.emit(connection.getpeername()[1])
""")
        finally:
            await runtime.close()
    assert outcome.error is None, outcome.error
    assert [emit.payload for emit in outcome.emits] == [str(port).encode()]
