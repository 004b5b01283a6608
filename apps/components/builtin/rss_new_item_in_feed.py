"""New items of an RSS or Atom feed."""

import hashlib
import io
from calendar import timegm
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import feedparser
from headwater import Source, Store, StringProp, Timer, http

# Above this a guid is replaced by its hash: it is compared, never shown.
LONGEST_ID = 2048
LONGEST_TEXT = 100_000


class NotAFeed(Exception):
    """The address answers with a document that is neither RSS nor Atom."""


class NewItemInFeed(Source):
    name = "New Item in Feed"
    key = "rss-new-item-in-feed"
    version = "0.1.0"
    description = "Emit an event for each new item of an RSS or Atom feed."
    dedupe = "unique"

    url = StringProp(label="Feed URL", description="The address of an RSS or Atom feed.")
    timer = Timer(interval_seconds=900)
    db = Store()

    def run(self, event: Any) -> None:
        page = http.poll(self.url, self.db)
        if page is None:
            return
        feed = parse(page)
        # Publishers put the newest first; events are wanted oldest first.
        for item in in_order([describe(entry, page.url) for entry in reversed(feed.entries)]):
            source = {"title": feed.feed.get("title"), "link": feed.feed.get("link")}
            self.emit(
                {**item, "feed": source},
                id=item["id"],
                summary=item["title"] or item["link"] or item["id"],
                ts=epoch_ms(moment_of(item)),
            )
        page.accept()


def parse(page: http.Page) -> Any:
    """The parsed document. NotAFeed if it is none.

    feedparser is given a stream of bytes: anything else it would try to open as an address or a
    file. It decides the encoding from the answer's header, the XML declaration and the bytes.
    """
    # Without the address: feedparser would put it before relative guids, and an item would have a
    # new identity whenever the publisher redirects elsewhere.
    headers = {"content-type": page.headers.get("content-type", "")}
    try:
        feed = feedparser.parse(io.BytesIO(page.content), response_headers=headers)
    except Exception as error:
        raise NotAFeed(f"{page.url}: cannot be read as a feed: {error}") from error
    if not feed.get("version"):
        kind = page.headers.get("content-type", "unknown type")
        raise NotAFeed(f"{page.url}: no RSS or Atom feed ({kind}, {len(page.content)} bytes)")
    return feed


def describe(entry: Any, base: str) -> dict[str, Any]:
    """An item as plain JSON; its addresses absolute, seen from `base`."""
    return {
        "id": identity(entry),
        "title": entry.get("title"),
        "link": absolute(base, entry.get("link")),
        "published": instant(entry.get("published_parsed")),
        "updated": instant(entry.get("updated_parsed")),
        "author": entry.get("author"),
        "summary": shortened(entry.get("summary")),
        "content": shortened(next((part.get("value") for part in entry.get("content", ())), None)),
        "categories": [tag.term for tag in entry.get("tags", ()) if tag.get("term")],
        "enclosures": [
            {
                "url": absolute(base, file.get("href")),
                "type": file.get("type"),
                "length": file.get("length"),
            }
            for file in entry.get("enclosures", ())
        ],
    }


def identity(entry: Any) -> str:
    """The same for the same item at every poll: its guid, else its link, else its content."""
    own = entry.get("id") or entry.get("link")
    if own and len(own) <= LONGEST_ID:
        return str(own)
    texts = [own] if own else [entry.get(name) for name in ("title", "summary", "published")]
    content = "\0".join(text or "" for text in texts)
    return f"sha256:{hashlib.sha256(content.encode('utf-8', 'replace')).hexdigest()}"


def in_order(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By date where every item has one, else as the publisher ordered them."""
    if all(moment_of(item) for item in items):
        return sorted(items, key=lambda item: moment_of(item) or "")
    return items


def moment_of(item: dict[str, Any]) -> str | None:
    moment: str | None = item["published"] or item["updated"]
    return moment


def absolute(base: str, address: str | None) -> str | None:
    try:
        return urljoin(base, address) if address else None
    except ValueError:
        return address


def instant(parsed: Any) -> str | None:
    """feedparser's date (UTC) as ISO 8601; None for absent and impossible ones."""
    try:
        return datetime.fromtimestamp(timegm(parsed), UTC).isoformat() if parsed else None
    except (ValueError, OverflowError, OSError):
        return None


def epoch_ms(moment: str | None) -> int | None:
    return int(datetime.fromisoformat(moment).timestamp() * 1000) if moment else None


def shortened(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
