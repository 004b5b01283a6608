"""HTTP for components that poll: polite by default, bounded always.

    page = http.poll(self.url, self.db)
    if page is not None:              # None: nothing new, or asked not to come yet
        ...                           # emit what page.content holds
        page.accept()                 # the next poll may be answered "not modified"

`poll` keeps ETag, Last-Modified and Retry-After per address in the component's store, under the
key `headwater.http`.
"""

from __future__ import annotations

import os
import random
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

import httpx

from ._events import Headers
from ._interfaces import Store
from ._version import __version__

USER_AGENT = f"Headwater/{__version__}"
MAX_BYTES = 20 * 1024 * 1024
MAX_REDIRECTS = 5
# Seconds: each step of a request, and the whole of it.
STEP_TIMEOUT = 20.0
TOTAL_TIMEOUT = 60.0
STORE_KEY = "headwater.http"
REMEMBERED = 50
LONGEST_WAIT = 24 * 3600.0
_NOT_NOW = (429, 503)


class HttpError(Exception):
    """No usable answer: the message names the address and the reason."""

    def __init__(self, url: str, reason: str, status: int | None = None) -> None:
        super().__init__(f"{url}: {reason}")
        self.url = url
        self.status = status


@dataclass(frozen=True, slots=True)
class Page:
    """A 2xx answer, decompressed. `url` is where it came from after redirects."""

    url: str
    status: int
    headers: Headers
    content: bytes
    _store: Store | None = field(default=None, repr=False)
    _asked: str = field(default="", repr=False)

    def accept(self) -> None:
        """Remember the answer's ETag and Last-Modified: call it once its content was dealt with.

        Before that a failed run must find the same content again.
        """
        if self._store is not None:
            kept = {"etag": self.headers.get("etag"), "modified": self.headers.get("last-modified")}
            _remember(self._store, self._asked, {k: v for k, v in kept.items() if v})


def poll(
    url: str,
    store: Store,
    *,
    headers: Mapping[str, str] | None = None,
    max_bytes: int = MAX_BYTES,
) -> Page | None:
    """GET `url` if it may have changed. None for 304, and before a Retry-After has passed.

    HttpError for any other status, too large or too slow an answer, no connection. A 429 or 503
    with Retry-After is an error once; then nothing is asked until the time has come.
    """
    known = _known(store).get(url, {})
    wait = float(known.get("not_before", 0)) - time.time()
    if wait > 0:
        store._running().log("info", f"{url}: asked not to come back for another {wait:.0f} s")
        return None
    sent = dict(headers or {})
    for name, kept in (("If-None-Match", "etag"), ("If-Modified-Since", "modified")):
        if kept in known:
            sent[name] = str(known[kept])
    try:
        answer = _get(url, sent, max_bytes, (304,))
    except _NotNow as error:
        _remember(store, url, {**known, "not_before": time.time() + error.seconds})
        raise HttpError(url, error.args[0], error.status) from None
    if answer.status == 304:
        return None
    return Page(answer.url, answer.status, answer.headers, answer.content, store, url)


def get(url: str, *, headers: Mapping[str, str] | None = None, max_bytes: int = MAX_BYTES) -> Page:
    """GET `url` with the same bounds, without memory. HttpError for anything but 2xx."""
    try:
        return _get(url, headers or {}, max_bytes, ())
    except _NotNow as error:
        raise HttpError(url, error.args[0], error.status) from None


@lru_cache(maxsize=2)
def _tls_context(certificates: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()


def tls_context() -> ssl.SSLContext:
    """One context for the process: reading the certificates costs more than a request."""
    return _tls_context(os.environ.get("SSL_CERT_FILE"))


class _NotNow(Exception):
    def __init__(self, status: int, seconds: float) -> None:
        super().__init__(f"answered {status}: not before {seconds:.0f} s")
        self.status = status
        self.seconds = seconds


def _get(url: str, headers: Mapping[str, str], max_bytes: int, accepted: tuple[int, ...]) -> Page:
    end = time.monotonic() + TOTAL_TIMEOUT
    sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate", **headers}
    try:
        with (
            httpx.Client(
                verify=tls_context(),
                timeout=STEP_TIMEOUT,
                follow_redirects=True,
                max_redirects=MAX_REDIRECTS,
            ) as client,
            client.stream("GET", url, headers=sent) as answer,
        ):
            seen = Headers(answer.headers)
            if not (answer.is_success or answer.status_code in accepted):
                raise _refusal(url, answer.status_code, seen)
            content = _body(url, answer, max_bytes, end)
            return Page(str(answer.url), answer.status_code, seen, content)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise HttpError(url, f"{type(error).__name__}: {error}") from error


def _refusal(url: str, status: int, headers: Headers) -> Exception:
    seconds = _retry_after(headers.get("retry-after"))
    if status in _NOT_NOW and seconds is not None:
        # A little more, so that those who were sent away together do not come back together.
        return _NotNow(status, min(seconds * random.uniform(1.0, 1.1), LONGEST_WAIT))
    return HttpError(url, f"answered {status}", status)


def _body(url: str, answer: httpx.Response, max_bytes: int, end: float) -> bytes:
    if "," in answer.headers.get("content-encoding", ""):
        raise HttpError(url, "compressed more than once")
    content = bytearray()
    for chunk in answer.iter_bytes():
        content += chunk
        if len(content) > max_bytes:
            raise HttpError(url, f"more than {max_bytes} bytes")
        if time.monotonic() > end:
            raise HttpError(url, f"not complete after {TOTAL_TIMEOUT:.0f} s")
    return bytes(content)


def _retry_after(value: str | None) -> float | None:
    """Seconds from now; None for an absent or unreadable header."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def _known(store: Store) -> dict[str, dict[str, str | float]]:
    known = store.get(STORE_KEY)
    return known if isinstance(known, dict) else {}


def _remember(store: Store, url: str, facts: Mapping[str, str | float]) -> None:
    known = _known(store)
    if known.pop(url, {}) == facts:
        return
    if facts:
        known[url] = dict(facts)
    store.set(STORE_KEY, dict(list(known.items())[-REMEMBERED:]))
