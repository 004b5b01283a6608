"""What component code may call while it runs, in a real child process."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.runtime.python.child import Child, component, run_body

CALL = """
try:
    eval(event, globals() | {"self": self})
except Exception as error:
    self.emit([type(error).__name__, str(error)])
"""
HEAD = "import datetime\nfrom datetime import UTC, datetime as D, timezone, timedelta"
ATTRIBUTES = """
db = Store()
other = Store()
http = Http(custom_response=True)
timer = Timer(interval_seconds=900)
text = StringProp(optional=True)
word = StringProp(default="w")
items = StringListProp(default=["a"])
"""
HTTP = {"http": {"endpoint": "http://x/h/1", "custom_response": True}}


@pytest.fixture(scope="module")
def child() -> Any:
    with Child(run_body(CALL, head=HEAD, attributes=ATTRIBUTES)) as running:
        yield running


def call(child: Child, text: str, **more: Any) -> Any:
    return child.invoke(event=text, **{"props": HTTP, **more}).ok()


@pytest.mark.parametrize(
    ("arguments", "meta"),
    [
        ("1", {}),
        ("1, id='a', summary='s', ts=5, channel='c', deliver_at=6",
         {"id": "a", "summary": "s", "ts": 5, "name": "c", "delivery_ts": 6}),
        ("1, id=2**60", {"id": 2**60}),
        ("1, id=2**64", {"id": str(2**64)}),
        ("1, ts=10**16, deliver_at=1e300", {}),
        ("1, id=1.5", {"id": 1.5}),
        ("1, id=''", {"id": ""}),
        ("1, id=0", {"id": 0}),
        ("1, summary=12", {"summary": "12"}),
        ("1, summary='ü' * 1000", {"summary": "ü" * 512}),
        ("1, ts=0", {}),
        ("1, ts=float('nan')", {}),
        ("1, ts=1.9", {"ts": 1}),
        ("1, ts=D(2020, 1, 1, tzinfo=UTC)", {"ts": 1577836800000}),
        ("1, deliver_at=D(2020, 1, 1, tzinfo=timezone(timedelta(hours=1)))",
         {"delivery_ts": 1577833200000}),
        ("1, channel=''", {}),
        ("1, channel='é' * 64", {"name": "é" * 64}),
    ],
)  # fmt: skip
def test_metadata_of_an_emit(child: Child, arguments: str, meta: dict[str, Any]) -> None:
    (frame,) = call(child, f"self.emit({arguments})").of("emit")
    assert {
        key: value for key, value in frame.header.items() if key not in ("t", "run", "at")
    } == meta


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ("self.emit({1, 2})", "JsonError", "event: set"),
        ("self.emit('x' * 1024 * 1024)", "PayloadLimitError", "1 MiB"),
        ("self.emit(1, id=[])", "TypeError", "id"),
        ("self.emit(1, id=True)", "TypeError", "id"),
        ("self.emit(1, id='x' * 10_000)", "ValueError", "id"),
        ("self.emit(1, id=float('inf'))", "ValueError", "id"),
        ("self.emit(1, ts='now')", "TypeError", "ts"),
        ("self.emit(1, ts=D(2020, 1, 1))", "ValueError", "ts: a datetime needs a time zone"),
        ("self.emit(1, deliver_at=D(2020, 1, 1))", "ValueError", "deliver_at"),
        ("self.emit(1, channel='$errors')", "ValueError", "channel"),
        ("self.emit(1, channel=1)", "TypeError", "channel"),
        ("self.emit(1, channel='é' * 65)", "ValueError", "64 characters"),
        ("self.log('x', level='fatal')", "ValueError", "level"),
        ("self.db.set('k', b'')", "JsonError", "k: bytes"),
        ("self.db.set('', 1)", "ValueError", "1 to 256 bytes"),
        ("self.db.set('ü' * 129, 1)", "ValueError", "1 to 256 bytes"),
        ("self.db.set(None, 1)", "TypeError", "key"),
        ("self.db.get(True)", "TypeError", "key"),
        ("self.db.set('k', 'x' * (1024 * 1024))", "StoreLimitError", "k: the store"),
        ("setattr(self, 'word', 'x')", "AttributeError", "read-only"),
        ("self.http.respond(status=99)", "ValueError", "status"),
        ("self.http.respond(status=600)", "ValueError", "status"),
        ("self.http.respond(status='abc')", "ValueError", "status"),
        ("self.http.respond(headers={'a': 'b\\r\\nc: d'})", "ValueError", "a holds a line break"),
        ("self.http.respond(headers={'a b': 'c'})", "ValueError", "no header name"),
        ("self.http.respond(body={1})", "JsonError", "body: set"),
        ("self.http.respond(body=b'x' * 7_000_000)", "PayloadLimitError", "8 MiB"),
        ("self.emit(self.github)", "AttributeError", "github"),
    ],
)
def test_a_wrong_call_raises_at_the_call_and_sends_nothing(
    child: Child, text: str, name: str, says: str
) -> None:
    ran = call(child, text)
    ((kind, message),) = ran.events
    assert kind == name
    assert says in message
    assert len(ran.frames) == 1


def test_limits_are_shown_under_the_platforms_names() -> None:
    codes = {
        "self.emit('x' * 2**20)": "Function Payload Limit Exceeded",
        "self.db.set('a', 'x' * 2**20)": "Store Limit Exceeded",
        "self.emit(__import__('functools').reduce(lambda a, _: [a], range(300)))":
            "JSON Nested Property Limit Exceeded",
    }  # fmt: skip
    with Child(run_body("eval(event)", attributes="db = Store()")) as running:
        for code, name in codes.items():
            assert running.invoke(event=code).error["name"] == name


STORE = run_body(
    "for line in event:\n    self.emit(eval(line))", attributes="db = Store()\nother = Store()"
)


@pytest.mark.parametrize(
    ("lines", "seen", "after"),
    [
        (["self.db.get('n')", "self.db.get('gone')", "self.db.get('gone', 7)"], [1, None, 7], {}),
        (["self.db.get('null', 7)"], [None], {}),
        (["self.db.set('n', None)", "self.db.get('n', 7)"], [None, None], {"n": None}),
        (["self.db.delete('n')", "self.db.get('n', 7)"], [None, 7], {"n": ...}),
        (["self.db.set(5, 'x')", "self.db.get('5')", "self.db.get(5.0)"],
         [None, "x", "x"], {"5": "x"}),
        (["self.db.set('a', {'t': (1,)})", "self.other.get('a')"],
         [None, {"t": [1]}], {"a": {"t": [1]}}),
        (["self.db.get('list').append(9)", "self.db.get('list')"], [None, [1, 2]], {}),
        (["self.db.set('v', [1])", "self.db.get('v').append(2)", "self.db.get('v')"],
         [None, None, [1]], {"v": [1]}),
        (["self.db.set('d', __import__('datetime').date(2020, 1, 1))", "self.db.get('d')"],
         [None, "2020-01-01"], {"d": "2020-01-01"}),
        (["self.db.set('f', float('nan'))", "self.db.get('f', 7)"], [None, None], {"f": None}),
    ],
)  # fmt: skip
def test_the_store(lines: list[str], seen: list[Any], after: dict[str, Any]) -> None:
    before = {"n": 1, "null": None, "list": [1, 2]}
    with Child(STORE) as running:
        ran = running.invoke(event=lines, store=before).ok()
    assert ran.events == seen
    expected = {key: value for key, value in {**before, **after}.items() if value is not ...}
    assert ran.store(before) == expected


def test_the_store_is_full_at_one_mebibyte_of_its_json() -> None:
    body = "self.db.set('b', 'x' * event)\nself.emit(1)"
    before = {"a": "y" * 1000}
    room = 1024 * 1024 - len(json.dumps({**before, "b": ""}, separators=(",", ":")))
    with Child(run_body(body, attributes="db = Store()")) as running:
        assert running.invoke(event=room, store=before).ok().events == [1]
        assert running.invoke(event=room + 1, store=before).error["name"] == "Store Limit Exceeded"
        replaced = {**before, "b": "z" * 1_000_000}
        assert running.invoke(event=room, store=replaced).ok().events == [1]


def test_a_set_before_an_error_is_kept() -> None:
    with Child(run_body("self.db.set('a', 1)\n1 / 0", attributes="db = Store()")) as running:
        ran = running.invoke()
        assert ran.error["name"] == "ZeroDivisionError"
        assert ran.store() == {"a": 1}


def test_values_of_props_and_interfaces(child: Child) -> None:
    text = "self.emit([self.text, self.word, self.items, t.interval_seconds, t.cron])"
    text = f"[{text} for t in [self.timer]]"
    assert call(child, text).events == [[None, "w", ["a"], 900, None]]
    props = {
        "text": "t",
        "word": "",
        "items": [],
        "timer": {"cron": "* * * * *", "timezone": "UTC"},
    }
    assert call(child, text, props=props).events == [["t", "", [], None, "* * * * *"]]
    assert call(child, "self.items.append('b') or self.emit(self.items)").events == [["a"]]


@pytest.mark.parametrize(
    ("arguments", "status", "headers", "encoding", "body"),
    [
        ("", 200, {}, "text", ""),
        ("status='201', body='ü'", 201, {}, "text", "ü"),
        ("body=b'\\0\\xff'", 200, {}, "base64", base64.b64encode(b"\0\xff").decode()),
        ("body=[1]", 200, {"content-type": "application/json"}, "text", "[1]"),
        ("body={}, headers={'Content-Type': 'a/b'}", 200, {"Content-Type": "a/b"}, "text", "{}"),
        ("headers={'X-N': 5}", 200, {"X-N": "5"}, "text", ""),
    ],
)
def test_an_answer_to_the_caller(
    child: Child, arguments: str, status: int, headers: dict[str, str], encoding: str, body: str
) -> None:
    (frame,) = call(child, f"self.http.respond({arguments})").of("respond")
    header = frame.header
    assert (header["status"], header["headers"], header["encoding"]) == (status, headers, encoding)
    assert frame.value == body


def test_an_answer_that_nobody_waits_for_is_a_line_in_the_log() -> None:
    with Child(run_body("self.http.respond(body='x')", attributes="http = Http()")) as running:
        ran = running.invoke(props={"http": {"endpoint": "http://x", "custom_response": False}})
        assert ran.ok().of("respond") == []
        assert ran.logs[0][0] == "warn"


def test_the_event_of_a_timer_and_of_a_request() -> None:
    code = component(
        "    def run(self, event):\n"
        "        if isinstance(event, TimerEvent):\n"
        "            self.emit([event.timestamp, event['timestamp'], event.interval_seconds,"
        " event.cron, event.timezone])\n"
        "        elif isinstance(event, HttpEvent):\n"
        "            self.emit([event.method, event.path, event.query, event.body, event.body_raw,"
        " event['body_raw'], event.get('bodyRaw'), event.headers['X-Hub-Signature'],"
        " event['headers']['x-hub-signature'], 'X-HUB-signature' in event.headers,"
        " event.body_bytes.decode('utf-8'), event.get('nothing', 3)])\n"
        "        else:\n"
        "            self.emit([type(event).__name__, event])\n"
    )
    request = {
        "method": "PUT",
        "path": "/p",
        "query": {"a": "1"},
        "headers": {"x-hub-signature": "s"},
        "body": None,
        "bodyRaw": "ü",
    }
    timer = {"timestamp": 5, "interval_seconds": 60}
    cron = {"timestamp": 5, "cron": "* * * * *", "timezone": "UTC"}
    with Child(code) as running:
        assert running.invoke(event=timer).ok().events == [[5, 5, 60, None, None]]
        assert running.invoke(event=cron).ok().events == [[5, 5, None, "* * * * *", "UTC"]]
        assert running.invoke(event=request).ok().events == [
            ["PUT", "/p", {"a": "1"}, None, "ü", "ü", "ü", "s", "s", True, "ü", 3]
        ]
        for other in ({}, {"timestamp": 5}, {**timer, "a": 1}, {**request, "a": 1}, [timer], "x"):
            assert running.invoke(event=other).ok().events == [[type(other).__name__, other]]


def test_an_app_gives_its_credentials_read_only_and_its_methods() -> None:
    code = """
from headwater import *
class Hub(App):
    slug = "hub"
    repo = StringProp()
    def token(self): return "Bearer " + self.auth["token"]
class C(Source):
    name = "c"
    hub = Hub()
    repo = Hub.repo.use()
    def run(self, event):
        self.emit([self.hub.token(), self.repo, self.hub is self.hub])
        self.hub.auth["token"] = 1
"""
    with Child(code) as running:
        ran = running.invoke(props={"hub": {"auth": {"token": "t"}}, "repo": "r"})
        assert ran.events == [["Bearer t", "r", True]]
        assert ran.error["name"] == "TypeError"
        again = running.invoke(props={"hub": {"auth": {"token": "u"}}, "repo": "r"})
        assert again.events == [["Bearer u", "r", True]]
