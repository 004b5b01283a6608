"""`headwater.http` against a server on loopback: polite, and bounded whatever is answered."""

from __future__ import annotations

import gzip
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from headwater.http import _retry_after

from tests.components.server import Answer, Headers, Site, serving
from tests.runtime.python.child import Child, run_body

BODY = """
page = http.poll(event["url"], self.db, max_bytes=event.get("max", 1000))
if page is not None:
    self.emit([page.content.decode(), page.status, page.url, page.headers.get("X-Seen")])
    if event.get("accept", True):
        page.accept()
"""


@pytest.fixture
def site() -> Any:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def child() -> Any:
    code = run_body(BODY, head="from headwater import http", attributes="db = Store()")
    with Child(code) as running:
        yield running


def poll(child: Child, site: Site, store: dict[str, Any] | None = None, **more: Any) -> Any:
    return child.invoke(event={"url": f"{site.address}/x", **more}, store=store)


def test_a_page_and_what_was_asked(child: Child, site: Site) -> None:
    site.always(b"hello", X_Seen="y")
    ran = poll(child, site).ok()
    assert ran.events == [["hello", 200, f"{site.address}/x", "y"]]
    assert site.asked[0]["user-agent"].startswith("Headwater/")
    assert site.asked[0]["accept-encoding"] == "gzip, deflate"
    assert ran.store() == {}


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({"ETag": 'W/"a"'}, {"if-none-match": 'W/"a"'}),
        ({"Last-Modified": "Mon"}, {"if-modified-since": "Mon"}),
    ],
)
def test_validators_go_back_once_accepted(
    child: Child, site: Site, given: Headers, asked: Headers
) -> None:
    site.answer = lambda path, headers: Answer(b"1", headers=given)
    store = poll(child, site).ok().store()
    site.answer = lambda path, headers: Answer(status=304)
    assert poll(child, site, store).ok().events == []
    assert site.asked[1].items() >= asked.items()


def test_validators_are_not_kept_before_the_content_was_dealt_with(
    child: Child, site: Site
) -> None:
    site.always(b"1", ETag='"a"')
    assert poll(child, site, accept=False).ok().store() == {}


def test_validators_that_are_gone_are_forgotten_and_addresses_kept_apart(
    child: Child, site: Site
) -> None:
    site.always(b"1", ETag='"a"')
    store = poll(child, site).ok().store()
    other = child.invoke(event={"url": f"{site.address}/other"}, store=store).ok()
    assert "if-none-match" not in site.asked[1]
    assert len(other.store(store)["headwater.http"]) == 2
    site.always(b"1")
    assert poll(child, site, store).ok().store(store) == {"headwater.http": {}}


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_an_error_once_and_then_obeyed(
    child: Child, site: Site, status: int
) -> None:
    site.answer = lambda path, headers: Answer(status=status, headers={"Retry-After": "120"})
    refused = poll(child, site)
    assert refused.error["name"] == "HttpError"
    assert str(status) in refused.error["message"]
    waiting = poll(child, site, refused.store()).ok()
    assert waiting.events == []
    assert "not to come back" in waiting.logs[0][1]
    assert len(site.asked) == 1
    known = refused.store()["headwater.http"][f"{site.address}/x"]
    wait = known["not_before"] - datetime.now(UTC).timestamp()
    assert 100 < wait <= 132
    known["not_before"] = 1
    site.always(b"again")
    assert len(poll(child, site, {"headwater.http": {f"{site.address}/x": known}}).ok().events) == 1


def test_validators_survive_a_retry_after(child: Child, site: Site) -> None:
    site.always(b"1", ETag='"a"')
    store = poll(child, site).ok().store()
    site.answer = lambda path, headers: Answer(status=429, headers={"Retry-After": "0"})
    store = poll(child, site, store).store(store)
    site.answer = lambda path, headers: Answer(status=304)
    assert poll(child, site, store).ok().events == []
    assert site.asked[2]["if-none-match"] == '"a"'


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("120", 120),
        ("Mon, 01 Jun 2020 00:00:00 GMT", 0),
    ],
)
def test_forms_of_retry_after(value: str | None, seconds: float | None) -> None:
    assert _retry_after(value) == seconds


def test_retry_after_may_be_a_date() -> None:
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert _retry_after(in_an_hour) == pytest.approx(3600, abs=30)


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
def test_any_other_status_is_an_error_with_the_address(
    child: Child, site: Site, status: int
) -> None:
    site.answer = lambda path, headers: Answer(b"x", status=status)
    error = poll(child, site).error
    assert error["name"] == "HttpError"
    assert error["message"] == f"{site.address}/x: answered {status}"


def test_a_page_above_the_bound_is_refused(child: Child, site: Site) -> None:
    site.always(b"x" * 1000)
    assert len(poll(child, site).ok().events) == 1
    site.always(b"x" * 1001)
    assert "more than 1000 bytes" in poll(child, site).error["message"]


def test_the_bound_holds_for_what_is_decompressed(child: Child, site: Site) -> None:
    site.always(gzip.compress(b"y" * 900), Content_Encoding="gzip")
    assert poll(child, site).ok().events[0][0] == "y" * 900
    site.always(gzip.compress(b"y" * 50_000_000), Content_Encoding="gzip")
    assert "more than 1000 bytes" in poll(child, site).error["message"]
    site.always(zlib.compress(gzip.compress(b"y")), Content_Encoding="gzip, deflate")
    assert "compressed more than once" in poll(child, site).error["message"]
    site.always(b"not gzip", Content_Encoding="gzip")
    assert poll(child, site).error["name"] == "HttpError"


def test_redirects_are_followed_but_not_for_ever(child: Child, site: Site) -> None:
    def twice(path: str, headers: Headers) -> Answer:
        onward = {"/x": "/y", "/y": "/z"}.get(path)
        return Answer(status=302, headers={"Location": onward}) if onward else Answer(b"end")

    site.answer = twice
    assert poll(child, site).ok().events == [["end", 200, f"{site.address}/z", None]]
    site.answer = lambda path, headers: Answer(status=302, headers={"Location": "/x"})
    assert "TooManyRedirects" in poll(child, site).error["message"]
    site.answer = lambda path, headers: Answer(status=302, headers={"Location": "file:///etc/x"})
    assert poll(child, site).error["name"] == "HttpError"


@pytest.mark.parametrize(
    "url",
    ["", "x", "file:///etc/passwd", "ftp://x/", "http://", "http://[::1", "http://127.0.0.1:1/"],
)
def test_an_address_that_cannot_be_asked(child: Child, url: str) -> None:
    assert child.invoke(event={"url": url}).error["name"] == "HttpError"


def test_a_connection_that_ends_early_is_an_error(child: Child, site: Site) -> None:
    site.answer = lambda path, headers: Answer(
        b"5\r\nhel", headers={"Transfer-Encoding": "chunked", "Connection": "close"}
    )
    assert poll(child, site).error["name"] == "HttpError"
