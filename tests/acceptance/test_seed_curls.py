"""Every example request of the original API's document, as it stands there: with `curl`, another
host and key, and ids of things that exist here. What its URL leads to answers on loopback, under
its own name.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.components.server import Site
from tests.hosts import RAW, Hosts
from tests.making import until
from tests.processes import Running

RSS_URL = "https://github.com/PipedreamHQ/pipedream/components/rss/rss.js"
RSS_PLACE = "/PipedreamHQ/pipedream/HEAD/components/rss"
RSS_CODE = """
const rss = require("./rss.app.js");
module.exports = {
  name: "rss",
  version: "0.0.1",
  props: {
    rss,
    url: { type: "string", label: "Feed URL" },
    timer: { type: "$.interface.timer", default: { intervalSeconds: 60 * 15 } },
  },
  run() { this.$emit({ feed: this.url }); },
};
"""
MY_COMPONENT = (
    "from headwater import Source, Timer\n"
    "class Mine(Source):\n"
    "    name = 'Mine'\n"
    "    key = 'my-component'\n"
    "    version = '0.0.1'\n"
    "    timer = Timer(interval_seconds=3600)\n"
    "    def run(self, event):\n"
    "        for n in range(3):\n"
    "            self.emit({'n': n})\n"
)
USER = {
    "id", "username", "email", "admin", "api_key", "daily_compute_time_quota",
    "daily_compute_time_used", "daily_invocations_quota", "daily_invocations_used",
}  # fmt: skip
COMPONENT = {
    "id", "code", "code_hash", "name", "version", "configurable_props", "created_at", "updated_at",
}  # fmt: skip
SOURCE = {
    "id", "user_id", "component_id", "configured_props", "active", "created_at", "updated_at",
    "name", "name_slug",
}  # fmt: skip

Curl = Callable[..., tuple[int, Any]]


def _with_httpx(words: list[str]) -> tuple[int, str]:
    """What curl does with -X, -H and -d."""
    method, data, headers = "", None, {}
    url = ""
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word == "-d":
            data = words.pop(0)
        else:
            url = word
    method = method or ("GET" if data is None else "POST")
    answer = httpx.request(method, url, headers=headers, content=data, timeout=60)
    return answer.status_code, answer.text


def _with_curl(words: list[str]) -> tuple[int, str]:
    told = subprocess.run(
        ["curl", "-sS", "-w", "\n%{http_code}", *words], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    body, _, status = told.stdout.rpartition("\n")
    return int(status), body


@pytest.fixture(scope="module")
def curl(stack: Running) -> Curl:
    """Run a command of the document; `API` and `KEY` in it are this stack's. → status, body."""

    def run(command: str, **values: str) -> tuple[int, Any]:
        words = shlex.split(command.replace("\\\n", " "))[1:]
        values |= {"API": f"{stack.address}/v1", "KEY": stack.key}
        # At once: an id that is put in may have a name in it.
        names = re.compile("|".join(values))
        words = [names.sub(lambda name: values[name[0]], word) for word in words]
        status, body = (_with_curl if shutil.which("curl") else _with_httpx)(words)
        return status, json.loads(body) if body else None

    return run


@pytest.fixture(scope="module")
def api(stack: Running) -> httpx.Client:
    return stack.client()


@pytest.fixture(scope="module")
def source(api: httpx.Client) -> str:
    """A source of `my-component`, with the three events that the document counts."""
    made = api.post("/sources", json={"component_code": MY_COMPONENT})
    assert made.status_code == 200, made.text
    source_id: str = made.json()["data"]["id"]
    events = f"/sources/{source_id}/event_summaries"
    until(lambda: len(api.get(events).json()["data"]) == 3, 30, "three events")
    return source_id


def test_5_1_the_user(curl: Curl) -> None:
    status, body = curl("curl 'API/users/me' -H 'Authorization: Bearer KEY'")
    assert status == 200
    assert set(body["data"]) == USER


@pytest.fixture(scope="module")
def published(hosts: Hosts) -> None:
    """The component of the document's examples."""
    hosts.serve(RAW, f"{RSS_PLACE}/rss.js", RSS_CODE)
    hosts.serve(RAW, f"{RSS_PLACE}/rss.app.js", 'module.exports = { type: "app", app: "rss" };')


@pytest.mark.usefixtures("published")
def test_5_2_a_component_from_a_url(curl: Curl) -> None:
    status, body = curl(
        """curl API/components \\
  -H "Authorization: Bearer KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"component_url": "URL"}'""",
        URL=RSS_URL,
    )
    assert status == 200, body
    assert set(body["data"]) >= COMPONENT
    assert (body["data"]["component_url"], body["data"]["code"]) == (RSS_URL, RSS_CODE)
    assert [prop["name"] for prop in body["data"]["configurable_props"]] == ["rss", "url", "timer"]


def test_o15_a_component_of_code_keeps_the_url_as_a_note(curl: Curl) -> None:
    body = json.dumps({"component_code": MY_COMPONENT, "component_url": RSS_URL})
    status, answer = curl(
        """curl API/components \\
  -H "Authorization: Bearer KEY" \\
  -H "Content-Type: application/json" \\
  -d BODY""",
        BODY=body,
    )
    assert status == 200
    assert set(answer["data"]) >= COMPONENT
    assert answer["data"]["component_url"] == RSS_URL


def test_5_2_a_component_by_key(curl: Curl, source: str) -> None:
    status, body = curl('curl API/components/my-component -H "Authorization: Bearer KEY"')
    assert status == 200
    assert set(body["data"]) >= COMPONENT
    assert body["data"]["configurable_props"][0]["type"] == "$.interface.timer"


def test_o17_a_component_of_the_registry(curl: Curl) -> None:
    command = 'curl API/components/registry/NAME -H "Authorization: Bearer KEY"'
    status, body = curl(command, NAME="rss-new-item-in-feed")
    assert status == 200
    assert set(body["data"]) >= COMPONENT
    assert body["data"]["key"] == "rss-new-item-in-feed"
    status, body = curl(command, NAME="github-new-repository")
    assert (status, body["code"]) == (404, "not_found")


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("field", ["component_url", "component_id"])
def test_o2_deploying_the_rss_component(
    curl: Curl, api: httpx.Client, feed: Site, field: str
) -> None:
    registered = api.get("/components/registry/rss-new-item-in-feed").json()["data"]["id"]
    status, body = curl(
        """curl API/sources \\
  -H "Authorization: Bearer KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"FIELD": "CODE", "name": "your-name-here", "configured_props": """
        """{ "url": "FEED", "timer": { "intervalSeconds": 60 }}}'""",
        FIELD=field,
        CODE=RSS_URL if field == "component_url" else registered,
        FEED=f"{feed.address}/",
    )
    assert status == 200, body
    made = body["data"]
    assert set(made) >= SOURCE
    assert made["configured_props"] == {
        "url": f"{feed.address}/",
        "timer": {"cron": None, "interval_seconds": 60},
    }
    assert (made["name"], made["name_slug"], made["active"]) == ("your-name-here",) * 2 + (True,)
    assert api.delete(f"/sources/{made['id']}").status_code == 204


def test_o12_o13_the_list_of_sources(curl: Curl, source: str) -> None:
    status, body = curl("curl 'API/users/me/sources' -H 'Authorization: Bearer KEY'")
    assert status == 200
    assert set(body["page_info"]) == {"total_count", "count", "start_cursor", "end_cursor"}
    assert all(set(item) >= SOURCE for item in body["data"])


def test_o9_a_page_of_sources_after_a_cursor(curl: Curl, api: httpx.Client, source: str) -> None:
    for _ in range(3):
        api.post("/sources", json={"component_code": MY_COMPONENT, "active": False})
    newest = api.get("/users/me/sources", params={"limit": 1}).json()["data"][0]["id"]
    cursor = base64.urlsafe_b64encode(newest.encode()).decode().rstrip("=")
    status, body = curl(
        r"""curl API/users/me/sources\?limit\=3\&after\=CURSOR \
  -H "Authorization: Bearer KEY" """,
        CURSOR=cursor,
    )
    assert status == 200
    assert body["page_info"]["count"] == len(body["data"]) == 3
    ids = [item["id"] for item in body["data"]]
    assert newest not in ids
    first, last = (
        base64.urlsafe_b64decode(body["page_info"][name] + "==").decode()
        for name in ("start_cursor", "end_cursor")
    )
    assert [first, last] == [ids[0], ids[-1]]


@pytest.mark.parametrize("listener", ["p_abc123", "a source"])
def test_o3_listening_to_another_source(
    curl: Curl, api: httpx.Client, source: str, listener: str
) -> None:
    """Workflows, the document's example of a listener, are none of this platform's things."""
    made = api.post("/sources", json={"component_code": MY_COMPONENT, "active": False})
    listener_id = listener if listener.startswith("p_") else made.json()["data"]["id"]
    status, body = curl(
        """curl "API/subscriptions?emitter_id=EMITTER&listener_id=LISTENER" \\
  -X POST \\
  -H "Authorization: Bearer KEY" \\
  -H "Content-Type: application/json" """,
        EMITTER=source,
        LISTENER=listener_id,
    )
    if listener.startswith("p_"):
        assert (status, body["code"]) == (404, "not_found")
        return
    assert status == 200
    del body["data"]["id"]
    assert body["data"] == {"emitter_id": source, "listener_id": listener_id, "event_name": ""}


@pytest.mark.parametrize("query", ["", "?expand=event", "?limit=10"])
def test_6_2_event_summaries(curl: Curl, source: str, query: str) -> None:
    command = "curl 'API/sources/SOURCE/event_summariesQUERY' -H 'Authorization: Bearer KEY'"
    status, body = curl(command, SOURCE=source, QUERY=query)
    assert status == 200
    assert all(set(item) == {"id", "indexed_at_ms", "event", "metadata"} for item in body["data"])


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("?start_id=MIDDLE", [0]),
        ("?end_id=MIDDLE", [2]),
        ("?start_id=MIDDLE&end_id=MIDDLE", [0, 2]),
    ],
)
def test_6_3_deleting_events(curl: Curl, api: httpx.Client, query: str, left: list[int]) -> None:
    made = api.post("/sources", json={"component_code": MY_COMPONENT}).json()["data"]["id"]
    events = f"/sources/{made}/event_summaries"
    until(lambda: len(api.get(events).json()["data"]) == 3, 30, "three events")
    middle = api.get(events).json()["data"][1]["id"]
    status, body = curl(
        """curl -X DELETE \\
  -H "Authorization: Bearer KEY" \\
  "API/sources/SOURCE/eventsQUERY" """,
        SOURCE=made,
        QUERY=query.replace("MIDDLE", middle),
    )
    assert (status, body) == (202, None)
    until(lambda: len(api.get(events).json()["data"]) == len(left), 5, "the deletion")
    assert [item["event"]["n"] for item in api.get(events).json()["data"]] == left[::-1]
