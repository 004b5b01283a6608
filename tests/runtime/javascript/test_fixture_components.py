"""The two components that acceptance tests deploy, alone with the harness."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.runtime.javascript.driver import Child

COMPONENTS = Path(__file__).resolve().parents[2] / "fixtures" / "components"
ITEMS = [
    {"id": 1, "title": "eins", "date": "2020-09-13T12:26:40Z"},
    {"id": 2, "title": "zwei — 二"},
]


class _List(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path == "/items.json"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(json.dumps(ITEMS).encode() if found else b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _List)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("name", ["fetch_counter_commonjs.js", "fetch_counter_module.mjs"])
def test_fetches_counts_and_emits(tmp_path: Path, template: Path, site: str, name: str) -> None:
    with Child(tmp_path, denied_networks=(), template=template) as child:
        description = child.describe((COMPONENTS / name).read_text("utf-8"))
        assert description["dedupe"] == "unique"
        assert {"url", "timer", "db"} <= {prop["name"] for prop in description["props"]}
        url = next(prop for prop in description["props"] if prop["name"] == "url")
        assert url == {
            "name": "url",
            "type": "string",
            "label": "Address",
            "description": "Answers with a JSON list of `{id, title}`.",
        }

        props = {"url": f"{site}/items.json", "timer": {"interval_seconds": 900}}
        tick = {"timestamp": 1600000000, "interval_seconds": 900}
        result = child.invoke(tick, props=props, store={"fetches": 41})
        assert result.ok, result.error
        assert result.done["reuse"]
        assert result.emitted == [{**item, "fetches": 42} for item in ITEMS]
        first, second = (frame.header for frame in result.of("emit"))
        assert (first["id"], first["summary"], first["ts"]) == (1, "eins", 1600000000000)
        assert (second["id"], second["summary"]) == (2, "zwei — 二")
        assert "ts" not in second
        assert [(f.header["key"], f.value) for f in result.of("set")] == [("fetches", 42)]
        assert result.printed == [("info", "fetch 42: 2 items")]

        missing = child.invoke(tick, props={**props, "url": f"{site}/none"})
        assert missing.error["message"] == f"{site}/none answered 404"
        assert missing.done["reuse"]
