"""EGRESS_ALLOW and EGRESS_DENY hold for everything that dials: component code, installing,
`component_url` and webhooks. A host that all of them reach is closed to all by one entry."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from apps.components import fetching
from apps.core.errors import ApiError
from apps.core.http import Failed, by_settings
from apps.runs.contract import Code, Invocation, Language, Limits
from apps.subscriptions import webhooks
from workers.packages import egress_policy
from workers.runtime.packages.door import door
from workers.runtime.pool import Runtime
from workers.settings import runtime_settings

PYTHON = """
from headwater import Source
import socket

class Dials(Source):
    name, version = "Dials", "1"

    def run(self, event):
        try:
            socket.create_connection(("127.0.0.1", {port})).close()
            self.emit("reached")
        except PermissionError:
            self.emit("refused")
"""
JAVASCRIPT = """
export default {{ name: "Dials", version: "1", props: {{}}, async run() {{
  try {{ (await Deno.connect({{hostname: "127.0.0.1", port: {port}}})).close(); }}
  catch {{ this.$emit("refused"); return; }}
  this.$emit("reached");
}} }};
"""


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def host() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture(params=[False, True], ids=["open", "denied"])
def denied(request: pytest.FixtureRequest, host: int, settings: Any) -> bool:
    settings.EGRESS_ALLOW = ("127.0.0.0/8",)
    settings.EGRESS_DENY = (f"127.0.0.1/32:{host}",) if request.param else ()
    return bool(request.param)


@pytest.fixture
async def runtime(denied: bool, tmp_path: Path, settings: Any) -> AsyncIterator[Runtime]:
    settings.DATA_DIR = tmp_path
    made = Runtime(runtime_settings())
    await made.start()
    yield made
    await made.close()


@pytest.mark.parametrize(("language", "text"), [("python", PYTHON), ("javascript", JAVASCRIPT)])
async def test_component_code(
    runtime: Runtime, host: int, denied: bool, language: Language, text: str
) -> None:
    code = Code("o", language, language, text.format(port=host))
    call = Invocation(str(uuid.uuid4()), "dc_test", "run", "manual")
    outcome = await runtime.run(code, call, Limits(wall_s=60))
    assert outcome.error is None, outcome.error
    assert [emit.payload for emit in outcome.emits] == [b'"refused"' if denied else b'"reached"']


async def test_installing_also_from_a_registry_that_is_named(host: int, denied: bool) -> None:
    address = f"http://127.0.0.1:{host}"
    async with door(egress_policy(), [address]) as way:
        at, _, port = way.address.partition(":")
        reader, writer = await asyncio.open_connection(at, int(port))
        writer.write(f"GET {address}/left-pad HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        line = await reader.readline()
        writer.close()
    assert (b" 502 " if denied else b" 200 ") in line


async def test_what_the_platform_calls(host: int, denied: bool) -> None:
    """The client of deliveries and of `component_url`, at the moment it dials."""
    url, client = f"http://127.0.0.1:{host}/", by_settings(20)
    try:
        if denied:
            for call in (
                client.post(url, {}, b"{}"),
                client.get(url, longest=10, redirects=0, schemes=("http",)),
            ):
                with pytest.raises(Failed) as failed:
                    await call
                assert failed.value.code == "blocked_address"
        else:
            assert (await client.post(url, {}, b"{}")).status == 200
            page = await client.get(url, longest=10, redirects=0, schemes=("http",))
            assert page.status == 200
    finally:
        await client.close()


@pytest.mark.parametrize("saved", [webhooks._check, fetching.check])
def test_what_is_saved(host: int, denied: bool, settings: Any, saved: Any) -> None:
    settings.COMPONENT_URL_HTTP = True
    url = f"http://127.0.0.1:{host}/a.js"
    if denied:
        with pytest.raises(ApiError) as refused:
            saved(url)
        assert refused.value.status == 400
    else:
        saved(url)
