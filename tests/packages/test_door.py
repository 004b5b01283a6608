"""What an installing tool can reach: one door, and behind it registries and public addresses."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.packages.conftest import Host
from tests.packages.registry import Registry, Serving
from workers.runtime.egress import Policy
from workers.runtime.packages.door import Door, door
from workers.runtime.tool import Job

pytestmark = pytest.mark.asyncio(loop_scope="module")

DIAL = """
const said = {};
for (const [name, port] of Object.entries(JSON.parse(Deno.args[0]))) {
  try { (await Deno.connect({ hostname: "127.0.0.1", port })).close(); said[name] = true; }
  catch { said[name] = false; }
}
console.log(JSON.stringify(said));
"""


async def through(way: Door, request: str) -> str:
    """The first line of the answer."""
    host, _, port = way.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{request}\r\nHost: x\r\nProxy-Connection: keep-alive\r\n\r\n".encode())
    try:
        return (await reader.readline()).decode()
    finally:
        writer.close()


async def test_a_registry_that_is_named_is_reached_and_no_other_address(
    registry: Registry,
) -> None:
    registry.npm("open", "1.0.0", {})
    with Serving() as private:
        private.npm("open", "1.0.0", {})
        async with door(Policy(()), [registry.address]) as way:
            assert " 200 " in await through(way, f"GET {registry.address}/open HTTP/1.1")
            assert way.unreached == []
            place = registry.address.removeprefix("http://")
            assert " 200 " in await through(way, f"CONNECT {place} HTTP/1.1")
            assert " 502 " in await through(way, f"GET {private.address}/open HTTP/1.1")
            other = private.address.removeprefix("http://")
            assert " 502 " in await through(way, f"CONNECT {other} HTTP/1.1")
            assert " 502 " in await through(way, "CONNECT 169.254.169.254:80 HTTP/1.1")
            assert way.unreached == ["127.0.0.1", "127.0.0.1", "169.254.169.254"]
        assert private.asked == []


async def test_a_registry_that_the_operator_denies_is_not_reached(registry: Registry) -> None:
    registry.npm("open", "1.0.0", {})
    policy = Policy(("127.0.0.0/8",), deny=("127.0.0.1/32",))
    async with door(policy, [registry.address]) as way:
        assert " 502 " in await through(way, f"GET {registry.address}/open HTTP/1.1")
        assert way.unreached == ["127.0.0.1"]


async def test_what_is_no_request_to_a_proxy_gets_no_answer(registry: Registry) -> None:
    async with door(Policy(()), [registry.address]) as way:
        for request in ("GET / HTTP/1.1", "nonsense", "GET ftp://127.0.0.1/ HTTP/1.1"):
            assert await through(way, request) == ""


async def test_a_tool_dials_its_door_and_nothing_else(host: Host, registry: Registry) -> None:
    port = int(registry.address.rpartition(":")[2])
    async with door(Policy(()), [registry.address]) as way, host.runtime.workbench() as bench:
        bench.write("dial.mjs", DIAL)
        ports = {"door": int(way.address.rpartition(":")[2]), "registry": port}
        for network in (way.address, None):
            argv = ["run", "--allow-net", "--no-config", "dial.mjs", json.dumps(ports)]
            ended = await bench.run(Job("javascript", argv, network=network), 60, 1 << 28)
            assert ended.status == 0, ended.errors
            assert json.loads(ended.output) == {"door": network is not None, "registry": False}
