"""`this` in run, hooks and methods."""

# ruff: noqa: E501 (lines of JavaScript)

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from tests.runtime.javascript.driver import Child


def test_props_are_on_the_instance_and_unset_ones_are_undefined(child: Child) -> None:
    child.describe(
        """
        module.exports = {
          props: { url: "string", list: "string[]", none: { type: "string", optional: true } },
          run() { this.$emit([this.url, this.list, this.none === undefined, "none" in this]); },
        };
        """
    )
    result = child.invoke(props={"url": "u", "list": ["a"], "undeclared": 1})
    assert result.emitted == [["u", ["a"], True, False]]


def test_methods_see_the_instance_also_when_handed_on(child: Child) -> None:
    child.describe(
        """
        module.exports = {
          props: { n: "integer" },
          methods: {
            twice() { return this.n * 2; },
            both() { return [this.twice(), [1].map(this.twice)[0]]; },
            constant: 5,
          },
          run() { this.$emit([...this.both(), this.constant]); },
        };
        """
    )
    assert child.invoke(props={"n": 4}).emitted == [[8, 8, 5]]


def test_a_new_instance_for_each_invocation(child: Child) -> None:
    child.describe(
        """
        module.exports = { props: { o: "object" }, run() {
          this.count = (this.count || 0) + 1;
          this.o.seen = (this.o.seen || 0) + 1;
          this.$emit([this.count, this.o.seen]);
        } };
        """
    )
    assert child.invoke(props={"o": {}}).emitted == [[1, 1]]
    assert child.invoke(props={"o": {}}).emitted == [[1, 1]]


def test_an_app_has_its_credentials_and_bound_methods(child: Child) -> None:
    child.describe(
        """
        const github = {
          type: "app", app: "github",
          methods: {
            _token() { return this.$auth.oauth_access_token; },
            list(more) { return [this._token(), more]; },
          },
        };
        module.exports = {
          props: { github, db: "$.service.db", plain: { type: "app", app: "slack" } },
          methods: { page(fn) { return fn(1); } },
          run() {
            this.$emit(this.github.list(2));
            this.$emit(this.page(this.github.list));
            this.$emit(this.plain.$auth.token);
            try { "use strict"; this.github.$auth.oauth_access_token = "other"; } catch {}
            this.$emit(this.github.$auth);
          },
        };
        """
    )
    result = child.invoke(
        props={"github": {"auth": {"oauth_access_token": "t1"}}, "plain": {"auth": {"token": "t2"}}}
    )
    assert result.emitted == [["t1", 2], ["t1", 1], "t2", {"oauth_access_token": "t1"}]


def test_an_app_without_an_account_has_an_empty_map(child: Child) -> None:
    child.describe(
        "module.exports = { props: { rss: { type: 'app', app: 'rss' } },"
        " run() { this.$emit(this.rss.$auth); } };"
    )
    assert child.invoke().emitted == [{}]


@pytest.mark.parametrize(
    "value", [{"interval_seconds": 900}, {"cron": "0 0 * * *", "timezone": "UTC"}]
)
def test_the_timer_tells_its_schedule(child: Child, value: dict[str, Any]) -> None:
    child.describe(
        "module.exports = { props: { timer: '$.interface.timer' }, run(event) { this.$emit([this.timer, event]); } };"
    )
    event = {"timestamp": 1600000000, **value}
    result = child.invoke(event, props={"timer": value})
    assert result.emitted == [[{"type": "$.interface.timer", **value}, event]]


HTTP = {"http": {"endpoint": "http://127.0.0.1:8000/h/abc", "custom_response": True}}
HTTP_HEAD = (
    'module.exports = { props: { http: { type: "$.interface.http", customResponse: true } },'
)


def request(**headers: str) -> dict[str, Any]:
    return {
        "method": "POST",
        "path": "/",
        "query": {},
        "headers": headers,
        "body": None,
        "bodyRaw": "",
    }


def test_headers_are_found_in_any_case(child: Child) -> None:
    child.describe(
        f"""{HTTP_HEAD} run(event) {{
          const {{ headers }} = event;
          this.$emit([headers["X-Hub-Signature"], headers["x-hub-signature"], "Typeform-Signature" in headers,
                      headers.none === undefined, Object.keys(headers), headers]);
        }} }};"""
    )
    event = request(**{"x-hub-signature": "s", "typeform-signature": "t"})
    keys = ["x-hub-signature", "typeform-signature"]
    assert child.invoke(event, props=HTTP).emitted == [
        ["s", "s", True, True, keys, event["headers"]]
    ]


SIGNED = f"""
const crypto = require("crypto");
{HTTP_HEAD} run({{ body, headers }}) {{
  const given = headers["X-Signature"];
  const hmac = crypto.createHmac("sha256", "secret");
  hmac.update(body, "utf-8");
  this.$emit([given === hmac.digest("hex"), crypto.createHmac("sha256", "secret").update("a").digest("hex").length]);
}} }};"""


def test_a_body_that_is_signed_stands_for_its_text(child: Child) -> None:
    """docs/decisions/0050: published checks hand the parsed body to the HMAC."""
    child.describe(SIGNED)
    raw = '{ "a":1,\n  "b": "\\u00e9 é" }'
    digest = hmac.new(b"secret", raw.encode(), hashlib.sha256).hexdigest()
    for given, same in ((digest, True), ("0" * 64, False)):
        event = request(**{"x-signature": given})
        event |= {"bodyRaw": raw, "body": json.loads(raw)}
        assert child.invoke(event, props=HTTP).emitted == [[same, 64]]


def test_an_object_that_is_no_body_cannot_be_signed(child: Child) -> None:
    child.describe(SIGNED.replace("update(body,", "update({ ...body },"))
    event = request(**{"x-signature": "s"}) | {"bodyRaw": "{}", "body": {}}
    assert child.invoke(event, props=HTTP).error["name"] == "TypeError"


def test_headers_of_another_event_stay_as_they_are(child: Child) -> None:
    child.describe(
        "module.exports = { run(event) { this.$emit(event.headers.A === undefined); } };"
    )
    assert child.invoke(request(a="1")).emitted == [True]


def test_the_endpoint_exists_in_run_and_hooks(child: Child) -> None:
    child.describe(
        f"{HTTP_HEAD} hooks: {{ activate() {{ this.$emit(this.http.endpoint) }} }},"
        " run() { this.$emit(this.http.endpoint) } };"
    )
    endpoint = HTTP["http"]["endpoint"]
    assert child.invoke(props=HTTP).emitted == [endpoint]
    assert child.invoke(props=HTTP, entry="activate").emitted == [endpoint]


@pytest.mark.parametrize(
    ("response", "status", "headers", "encoding", "body"),
    [
        (
            "{ status: 201, headers: { a: 'b', n: 1 }, body: 'ü' }",
            201,
            {"a": "b", "n": "1"},
            "text",
            "ü",
        ),
        ("{ status: '200' }", 200, {}, "text", ""),
        ("{}", 200, {}, "text", ""),
        ("", 200, {}, "text", ""),
        ("{ body: null, headers: { gone: undefined } }", 200, {}, "text", ""),
        ("{ body: { a: [1] } }", 200, {"content-type": "application/json"}, "text", '{"a":[1]}'),
        (
            "{ body: [1], headers: { 'Content-Type': 'x/y' } }",
            200,
            {"Content-Type": "x/y"},
            "text",
            "[1]",
        ),
        ("{ body: 5 }", 200, {"content-type": "application/json"}, "text", "5"),
        ("{ body: new Uint8Array([0, 255]) }", 200, {}, "base64", "AP8="),
        ("{ body: Buffer.from([0, 255]) }", 200, {}, "base64", "AP8="),
        ("{ body: new Uint16Array([65535]).buffer }", 200, {}, "base64", "//8="),
        ("{ headers: { 'x-a': ['1', '2'] } }", 200, {"x-a": "1, 2"}, "text", ""),
        ("{ headers: new Headers({ 'X-A': '1' }) }", 200, {"x-a": "1"}, "text", ""),
    ],
)
def test_respond(
    child: Child, response: str, status: int, headers: dict[str, str], encoding: str, body: str
) -> None:
    child.describe(f"{HTTP_HEAD} run() {{ this.http.respond({response}); }} }};")
    [frame] = child.invoke(request(), props=HTTP).of("respond")
    assert frame.header["status"] == status
    assert frame.header["headers"] == headers
    assert frame.header["encoding"] == encoding
    assert frame.value == body


def test_every_respond_is_sent_the_platform_takes_the_first(child: Child) -> None:
    child.describe(
        f"{HTTP_HEAD} async run() {{ this.http.respond({{ status: 400 }});"
        " await this.http.respond({ status: 200 }); } };"
    )
    frames = child.invoke(request(), props=HTTP).of("respond")
    assert [frame.header["status"] for frame in frames] == [400, 200]


@pytest.mark.parametrize("status", ["100", "600", "'abc'", "''", "200.5", "{}", "NaN"])
def test_an_impossible_status_is_an_error(child: Child, status: str) -> None:
    child.describe(f"{HTTP_HEAD} run() {{ this.http.respond({{ status: {status} }}); }} }};")
    result = child.invoke(request(), props=HTTP)
    assert result.error["name"] == "RangeError"
    assert result.of("respond") == []


def test_hooks_have_props_methods_store_and_emit(child: Child) -> None:
    child.describe(
        """
        module.exports = {
          props: { url: "string", db: "$.service.db" },
          methods: { mark(name) { this.db.set("last", name); this.$emit([name, this.url, this.db.get("old")]); } },
          hooks: {
            async deploy() { this.mark("deploy"); },
            activate() { this.mark("activate"); },
            async deactivate() { this.mark("deactivate"); },
          },
          run() {},
        };
        """
    )
    for entry in ("deploy", "activate", "deactivate"):
        result = child.invoke(entry=entry, props={"url": "u"}, store={"old": 1})
        assert result.ok
        assert result.emitted == [[entry, "u", 1]]
        assert [(f.header["key"], f.value) for f in result.of("set")] == [("last", entry)]


def test_a_hook_that_is_not_there_does_nothing(child: Child) -> None:
    child.describe("module.exports = { run() { this.$emit(1) } };")
    result = child.invoke(entry="activate")
    assert result.ok
    assert result.emitted == []


def test_the_environment_is_what_the_platform_gave(child: Child) -> None:
    assert (
        child.load(
            """
            const seen = process.env.TZ;
            module.exports = { run() {
              this.$emit([seen, process.env.PD_COMPONENT, require("process").env.PD_COMPONENT,
                          process.env.SECRET === undefined, Object.keys(process.env).sort(),
                          Deno.env.get("PD_COMPONENT"), Deno.env.get("SECRET") === undefined]);
            } };
            """,
            env={"TZ": "UTC"},
        )["t"]
        == "loaded"
    )
    for source in ("dc_7", "dc_8"):
        assert child.invoke(source_id=source).emitted == [
            ["UTC", source, source, True, ["PD_COMPONENT", "TZ"], source, True]
        ]
