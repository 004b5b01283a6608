"""Cursors, event ids, `Last-Event-ID`, numbers of a query."""

from __future__ import annotations

import base64
import re

from hypothesis import example, given
from hypothesis import strategies as st

from apps.api.paging import MAX_LIMIT, decode_cursor, encode_cursor, read_limit
from apps.api.params import Params
from apps.api.sse.streams import _last_event_id
from apps.core.errors import ApiError
from apps.events.items import MAX_MS, MAX_N, EventId, parse_id
from tests.fuzz.texts import ANY, SAFE

ENCODED = st.text("ABCabcd0123456789+/-_= \n", max_size=40)
IDS = st.builds(EventId, st.integers(0, MAX_MS), st.integers(0, MAX_N))
NEARLY = st.text("0123456789- +_.\n٣", max_size=30) | st.builds(
    "{}-{}".format, st.integers(-5, 2**50), st.integers(-5, 2**33)
)


@given(SAFE)
def test_a_cursor_comes_back(text: str) -> None:
    cursor = encode_cursor(text)
    assert re.fullmatch(r"[A-Za-z0-9_-]*", cursor)
    assert decode_cursor(cursor) == text
    assert decode_cursor(cursor + "=" * (-len(cursor) % 4)) == text
    assert decode_cursor(cursor.replace("-", "+").replace("_", "/")) == text


@given(ANY | ENCODED | SAFE.map(encode_cursor).map(lambda text: text + "\n"))
@example("YQ==\n")
@example("YR")
@example("=")
@example("\ud800")
def test_any_text_is_the_one_cursor_of_a_text_or_none(cursor: str) -> None:
    found = decode_cursor(cursor)
    if found is not None:
        plain = base64.urlsafe_b64encode(found.encode()).decode().rstrip("=")
        assert cursor.rstrip("=").translate(str.maketrans("+/", "-_")) == plain
    elif cursor.isascii() and cursor.isalnum() and len(cursor) % 4 == 0:
        raw = base64.b64decode(cursor, validate=True)
        assert raw.decode(errors="replace").encode() != raw


def _second_reading(text: str) -> tuple[int, int] | None:
    ms, dash, n = text.partition("-")
    if not dash or not all(part.isascii() and part.isdigit() for part in (ms, n)):
        return None
    if len(ms) > 15 or len(n) > 10:
        return None
    found = int(ms), int(n)
    return found if found[0] <= MAX_MS and found[1] <= MAX_N else None


@given(IDS)
def test_an_id_comes_back_in_its_order(event_id: EventId) -> None:
    assert parse_id(str(event_id)) == event_id
    assert parse_id(str(event_id.ms), missing_n=7) == (event_id.ms, 7)
    assert parse_id(decode_cursor(encode_cursor(str(event_id))) or "") == event_id


@given(ANY | NEARLY)
@example("1-2\n")
@example("٣-1")
@example("140737488355328-0")
@example("1-2147483648")
def test_any_text_is_an_id_as_a_second_reading_has_it(text: str) -> None:
    assert parse_id(text) == _second_reading(text)


@given(st.none() | ANY | NEARLY)
def test_any_last_event_id_is_a_place_or_400(text: str | None) -> None:
    expected = _second_reading(text.strip()) if text else None
    try:
        assert _last_event_id(text) == expected
    except ApiError as refused:
        assert refused.status == 400
        assert refused.parameter == "Last-Event-ID"
        assert text
        assert expected is None


@given(ANY | NEARLY)
@example("1_0")
@example("١")
@example("1" * 5000)
def test_any_text_is_a_limit_or_400(text: str) -> None:
    plain = re.fullmatch(r"[+-]?[0-9]{1,18}", text)
    good = plain is not None and 1 <= int(text) <= MAX_LIMIT
    try:
        assert read_limit(Params({"limit": text})) == int(text)
        assert good
    except ApiError as refused:
        assert (refused.status, refused.parameter) == (400, "limit")
        assert not good
