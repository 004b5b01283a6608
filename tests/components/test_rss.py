"""The RSS component against real feeds, served over HTTP on loopback."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from tests.components.server import Answer, Headers, Site
from tests.runtime.python.child import FEEDS, Child, Ran

COUNTS = {
    "guardian.rss": 55,
    "craigslist.rss": 25,
    "heise.atom": 15,
    "reddit.rss": 24,
    "reddit-home.rss": 24,
    "uolNoticias.rss": 15,
    "giantbomb-podcast.rss": 730,
    "gulp-atom.atom": 10,
    "instant-article.rss": 1,
    "narro.rss": 1,
}
RSS = '<?xml version="1.0"?><rss version="2.0"><channel><title>t</title>{}</channel></rss>'


def feed(*items: str) -> bytes:
    return RSS.format("".join(f"<item>{item}</item>" for item in items)).encode()


def poll(rss: Child, url: str, store: dict[str, Any] | None = None) -> Ran:
    return rss.invoke(
        props={"url": url, "timer": {"interval_seconds": 900}},
        event={"timestamp": 1600000000, "interval_seconds": 900},
        store=store,
    )


def ids(ran: Ran) -> Sequence[object]:
    return [frame.header["id"] for frame in ran.of("emit")]


def test_describes_itself_as_the_api_expects(rss: Child) -> None:
    assert rss.loaded is not None
    assert (rss.loaded["key"], rss.loaded["dedupe"]) == ("rss-new-item-in-feed", "unique")
    url, timer, store = rss.loaded["props"]
    assert (url["name"], url["type"], url["label"]) == ("url", "string", "Feed URL")
    assert timer == {
        "name": "timer",
        "type": "$.interface.timer",
        "default": {"intervalSeconds": 900},
    }
    assert store == {"name": "db", "type": "$.service.db"}


@pytest.mark.parametrize("name", COUNTS)
def test_every_item_once_and_the_same_ids_at_the_next_poll(
    rss: Child, site: Site, name: str
) -> None:
    site.always((FEEDS / name).read_bytes())
    first = poll(rss, f"{site.address}/{name}").ok()
    assert len(first.events) == COUNTS[name]
    assert len(set(ids(first))) == COUNTS[name]
    assert all(frame.header["summary"] for frame in first.of("emit"))
    second = poll(rss, f"{site.address}/{name}", first.store()).ok()
    assert ids(second) == ids(first)


@pytest.mark.parametrize("name", ["guardian.rss", "heise.atom", "giantbomb-podcast.rss"])
def test_dated_items_come_oldest_first(rss: Child, site: Site, name: str) -> None:
    site.always((FEEDS / name).read_bytes())
    ran = poll(rss, site.address).ok()
    stamps = [frame.header["ts"] for frame in ran.of("emit")]
    assert stamps == sorted(stamps)
    for event, stamp in zip(ran.events, stamps, strict=True):
        published = event["published"] or event["updated"]
        assert datetime.fromisoformat(published).timestamp() * 1000 == stamp


def test_undated_items_keep_the_publishers_order_with_the_newest_last(
    rss: Child, site: Site
) -> None:
    site.always((FEEDS / "uolNoticias.rss").read_bytes())
    ran = poll(rss, site.address).ok()
    assert not any("ts" in frame.header for frame in ran.of("emit"))
    assert ran.events[-1]["title"].startswith("Ibope: Bolsonaro perde de Haddad")


def test_an_encoding_that_is_not_the_declared_one(rss: Child, site: Site) -> None:
    site.always((FEEDS / "uolNoticias.rss").read_bytes(), Content_Type="text/xml; charset=utf-8")
    titles = [event["title"] for event in poll(rss, site.address).ok().events]
    assert any("simulações de 2º turno" in title for title in titles)
    assert not any("\ufffd" in title for title in titles)


def test_an_item_without_id_is_told_by_link_and_without_link_by_content(
    rss: Child, site: Site
) -> None:
    items = [
        "<title>a</title><guid>g</guid><link>http://x/1</link>",
        "<title>a</title><link>http://x/1</link>",
        "<title>a</title><description>one</description>",
        "<title>a</title><description>two</description>",
        f"<title>a</title><guid>{'g' * 5000}</guid>",
    ]
    site.always(feed(*items))
    found = list(reversed(ids(poll(rss, site.address).ok())))
    assert found[:2] == ["g", "http://x/1"]
    assert len(set(found)) == 5
    assert all(str(emit_id).startswith("sha256:") for emit_id in found[2:])


def test_a_relative_guid_stays_and_a_relative_link_becomes_absolute(rss: Child, site: Site) -> None:
    """The identity must not change when the publisher redirects elsewhere."""
    site.always(feed("<guid>post/1</guid><link>/1.html</link>"))
    ran = poll(rss, f"{site.address}/feeds/all").ok()
    assert ids(ran) == ["post/1"]
    assert ran.events[0]["link"] == f"{site.address}/1.html"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ((FEEDS / "unrecognized.rss").read_bytes(), "text/html"),
        (b"", "text/plain"),
        (b'{"items": []}', "application/json"),
        (str(FEEDS / "guardian.rss").encode(), "text/plain"),
        (b"\x00\xff" * 100, "application/octet-stream"),
    ],
    ids=["moved page", "empty", "JSON", "a path", "bytes"],
)
def test_what_is_no_feed_is_an_error_that_names_it(
    rss: Child, site: Site, body: bytes, kind: str
) -> None:
    site.always(body, Content_Type=kind)
    ran = poll(rss, f"{site.address}/moved")
    assert ran.error["name"] == "NotAFeed"
    assert f"{site.address}/moved" in ran.error["message"]
    assert kind in ran.error["message"]
    assert ran.events == []
    assert ran.reuse is True


def test_an_empty_feed_is_a_feed(rss: Child, site: Site) -> None:
    site.always(feed())
    assert poll(rss, site.address).ok().events == []


def test_an_unchanged_feed_is_asked_for_conditionally_and_gives_nothing(
    rss: Child, site: Site
) -> None:
    def answer(path: str, asked: Headers) -> Answer:
        if asked.get("if-none-match") == '"v1"':
            return Answer(status=304)
        dated = {"ETag": '"v1"', "Last-Modified": "Mon, 01 Jun 2020 00:00:00 GMT"}
        return Answer(feed("<guid>1</guid>"), headers=dated)

    site.answer = answer
    first = poll(rss, site.address).ok()
    assert ids(first) == ["1"]
    second = poll(rss, site.address, first.store()).ok()
    assert second.frames == []
    assert site.asked[1]["if-modified-since"] == "Mon, 01 Jun 2020 00:00:00 GMT"


def test_a_document_that_could_not_be_read_is_fetched_again(rss: Child, site: Site) -> None:
    """The validators are kept only once the items were emitted."""
    site.always(b"<html></html>", ETag='"v1"')
    store = poll(rss, site.address).store()
    site.always(feed("<guid>1</guid>"), ETag='"v1"')
    assert ids(poll(rss, site.address, store).ok()) == ["1"]
    assert "if-none-match" not in site.asked[1]


def test_entities_reach_no_file_and_grow_to_nothing(rss: Child, site: Site) -> None:
    bomb = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 12))
    site.always(
        f'<!DOCTYPE r [<!ENTITY e0 "aaaaaaaaaa">{bomb}'
        '<!ENTITY f SYSTEM "file:///etc/passwd">]>'
        '<rss version="2.0"><channel><item><guid>1</guid><title>x&e11;&f;</title></item>'
        "</channel></rss>".encode()
    )
    ran = poll(rss, site.address)
    text = str(ran.events)
    assert "root:" not in text
    assert len(text) < 10_000
