"""What `respond` may say, and what of it reaches the caller (component specification 5.2)."""

from __future__ import annotations

import httpx
import pytest

from tests.api.conftest import EdgeProcess
from tests.api.live import answered, call, deploy, eventually, responding, working
from tests.making import World

JS_HEAD = 'module.exports = {name: "A", version: "0.0.1", props: {http: {type:'
JS = JS_HEAD + ' "$.interface.http", customResponse: true}, db: "$.service.db"}, run(event) {%s}}'


@pytest.fixture
def base(_shared_edge: EdgeProcess) -> str:
    return _shared_edge.url


@pytest.mark.parametrize(
    ("status", "expected"),
    [("'200'", 200), ("'404'", 404), ("599", 599), ("99", 400), ("101", 400), ("1000", 400),
     ("'abc'", 400)],
)  # fmt: skip
async def test_statuses(world: World, base: str, status: str, expected: int) -> None:
    """Numeric text is taken; a status that cannot be is a run error and the caller's 400."""
    endpoint = deploy(world, responding(f"self.http.respond(status={status})"))
    async with working(world):
        answer = await call(endpoint.url(base))
        await eventually(lambda: world.runs(endpoint.source_id))
    assert answer.status_code == expected
    failed = expected == 400
    assert [run.state for run in world.runs(endpoint.source_id)] == [
        "failed" if failed else "succeeded"
    ]
    if failed:
        assert answer.json()["code"] == "no_response"


@pytest.mark.parametrize(
    "respond",
    [
        "this.http.respond({status: 99})",
        "this.http.respond({status: 101})",
        "this.http.respond({status: 1000})",
        "this.http.respond({status: 'abc'})",
        "this.http.respond({headers: {a: 'b\\r\\nSet-Cookie: c=d'}})",
        "this.http.respond({headers: {'a b': 'c'}})",
        "this.http.respond({body: 'x'.repeat(500_000_000)})",
    ],
)
async def test_what_cannot_be_sent_is_a_run_error_in_javascript_too(
    world: World, base: str, respond: str
) -> None:
    answer = await answered(world, base, JS % respond, language="javascript")
    assert answer.status_code == 400
    assert answer.json()["code"] == "no_response"


@pytest.mark.parametrize(
    "respond",
    [
        "self.http.respond(headers={'a': 'b\\r\\nSet-Cookie: c=d'})",
        "self.http.respond(headers={'a b': 'c'})",
        "self.http.respond(body='x' * 500_000_000)",
        "self.http.respond(body=open)",
    ],
    ids=["line break", "name", "500 MB", "no data"],
)
async def test_what_cannot_be_sent_is_a_run_error(world: World, base: str, respond: str) -> None:
    answer = await answered(world, base, responding(respond))
    assert answer.status_code == 400
    assert answer.json()["code"] == "no_response"


ACTING = (
    "{'Set-Cookie': 'a=b', 'Strict-Transport-Security': 'max-age=9', 'Connection': 'x',"
    " 'Content-Security-Policy': 'default-src *', 'Content-Length': '3',"
    " 'Transfer-Encoding': 'chunked', 'Clear-Site-Data': '\"*\"',"
    " 'Content-Type': 'text/html', 'X-Kept': 'ü', 'X-Wide': '→'}"
)


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", responding(f"self.http.respond(headers={ACTING}, body='<script>1</script>')")),
        (
            "javascript",
            JS % f"this.http.respond({{headers: {ACTING}, body: '<script>1</script>'}})",
        ),
    ],
    ids=["python", "javascript"],
)
async def test_what_would_act_for_the_whole_site_is_dropped(
    world: World, base: str, language: str, code: str
) -> None:
    answer = await answered(world, base, code, language=language)
    assert answer.text == "<script>1</script>"
    assert answer.headers["content-type"] == "text/html"
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-length"] == "18"
    assert answer.headers["x-kept"].encode("latin-1") in ("ü".encode(), b"\xfc")
    absent = ("set-cookie", "strict-transport-security", "clear-site-data", "transfer-encoding")
    assert not any(name in answer.headers for name in absent)


async def test_in_javascript_too_the_first_answer_wins(world: World, base: str) -> None:
    twice = "this.http.respond({status: 201}); this.http.respond({status: 500});"
    assert (await answered(world, base, JS % twice, language="javascript")).status_code == 201


@pytest.mark.parametrize(
    ("body", "expected", "kind"),
    [
        ("None", b"", None),
        ("b'\\x00\\xff'", b"\x00\xff", None),
        ("{'a': [1, None]}", b'{"a":[1,null]}', "application/json"),
        ("'\u00fc'", "ü".encode(), None),
    ],
)
async def test_bodies(
    world: World, base: str, body: str, expected: bytes, kind: str | None
) -> None:
    answer = await answered(world, base, responding(f"self.http.respond(body={body})"))
    assert answer.content == expected
    assert answer.headers.get("content-type") == kind


async def test_204_has_no_body_and_the_connection_goes_on(world: World, base: str) -> None:
    endpoint = deploy(world, responding("self.http.respond(status=204, body='none')"))
    async with working(world), httpx.AsyncClient(timeout=30) as client:
        for _ in range(2):
            answer = await client.post(endpoint.url(base))
            assert (answer.status_code, answer.content) == (204, b"")
