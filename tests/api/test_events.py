"""Listing events: REST specification 6.1, 6.2 and index 17, 18b."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from apps.events.items import SHOWN_BYTES, EventId, emit_id, parse_id
from apps.sources.models import Source
from tests.api.conftest import Api, assert_error, store_event

MS = 1589486981597


def _get(alice: Api, source: Source, query: str = "") -> Any:
    return alice.json(f"/sources/{source.id}/event_summaries?{query}")


def _ids(alice: Api, source: Source, query: str = "") -> list[str]:
    return [item["id"] for item in _get(alice, source, query)["data"]]


def test_6_2_item(alice: Api, source: Source) -> None:
    meta = b'{"id":7,"summary":"s","ts":1600000000000}'
    store_event(source.id, MS, 0, b'{"a": 1}', meta=meta)
    body = _get(alice, source)
    assert body["page_info"] == {
        "total_count": 1,
        "count": 1,
        "start_cursor": f"{MS}-0",
        "end_cursor": f"{MS}-0",
    }
    (item,) = body["data"]
    assert list(item) == ["id", "indexed_at_ms", "event", "metadata"]
    assert item["id"] == f"{MS}-0"
    assert item["indexed_at_ms"] == MS
    assert item["event"] == {"a": 1}
    assert item["metadata"] == {
        "emit_id": emit_id(source.id, EventId(MS, 0)),
        "name": "",
        "emitter_id": source.id,
        "id": 7,
        "summary": "s",
        "ts": 1600000000000,
    }


@pytest.mark.parametrize(
    "payload",
    [
        b'{"b":1,"a":2}',
        b'{"a":1.0,"b":1e2,"c":100000000000000000000000000000}',
        b'"\\u0000\\ud800"',
        b'{"a":1,"a":2}',
        b"null",
        '"ü😀"'.encode(),
    ],
)
def test_f13_payload_comes_out_byte_for_byte(alice: Api, source: Source, payload: bytes) -> None:
    store_event(source.id, MS, 0, payload)
    response = alice.get(f"/sources/{source.id}/event_summaries")
    assert b'"event":%b,"metadata":' % payload in response.content


def test_q3_newest_first_by_number_not_by_text(alice: Api, source: Source) -> None:
    for ms, n in ((MS, 2), (MS, 10), (MS + 1, 0), (999, 0)):
        store_event(source.id, ms, n)
    assert _ids(alice, source) == [f"{MS + 1}-0", f"{MS}-10", f"{MS}-2", "999-0"]


def test_6_2_cursors_walk_towards_older(alice: Api, source: Source) -> None:
    ids = [store_event(source.id, MS + i // 2, i % 2) for i in range(6)][::-1]
    assert _ids(alice, source, "limit=2") == ids[:2]
    assert _ids(alice, source, f"after={ids[1]}&limit=2") == ids[2:4]
    assert _ids(alice, source, f"before={ids[4]}&limit=2") == ids[2:4]
    assert _ids(alice, source, f"after={ids[0]}&before={ids[4]}&limit=2") == ids[1:3]
    assert _ids(alice, source, f"after={ids[5]}") == []
    assert _get(alice, source, f"after={ids[3]}")["page_info"]["total_count"] == 6
    in_base64 = base64.b64encode(ids[1].encode()).decode().rstrip("=")
    assert _ids(alice, source, f"after={in_base64}&limit=2") == ids[2:4]


def test_6_2_cursor_need_not_exist(alice: Api, source: Source) -> None:
    store_event(source.id, MS)
    assert _ids(alice, source, f"after={MS + 5}-3") == [f"{MS}-0"]


@pytest.mark.parametrize(
    "cursor", ["abc", "1-", "-1", f"{MS}", "1-2-3", "9" * 400, f"{MS}-99999999999", "ZGNfMDAwMDAw"]
)
def test_6_2_malformed_cursor_is_400(alice: Api, source: Source, cursor: str) -> None:
    for parameter in ("after", "before"):
        response = alice.get(f"/sources/{source.id}/event_summaries?{parameter}={cursor}")
        assert_error(response, 400, parameter=parameter)


def test_6_1_last_100_of_a_channel_are_listed(alice: Api, source: Source) -> None:
    for i in range(105):
        store_event(source.id, MS, i)
        store_event(source.id, MS + 1, i, channel="other")
    page = _get(alice, source, "limit=100")
    assert page["page_info"]["total_count"] == page["page_info"]["count"] == 100
    assert page["data"][-1]["id"] == f"{MS}-5"
    assert _ids(alice, source, f"after={MS}-5") == []


def test_f10_scheduled_events_are_listed_and_evicted_by_nothing(alice: Api, source: Source) -> None:
    scheduled = store_event(source.id, MS - 1, 0, due_in_s=3600)
    due = store_event(source.id, MS - 1, 1, due_in_s=-1)
    for i in range(100):
        store_event(source.id, MS, i)
    page = _get(alice, source, "limit=100")
    assert page["page_info"]["total_count"] == 101
    assert _ids(alice, source, f"after={MS}-0") == [scheduled]
    assert due not in _ids(alice, source, "limit=100")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x"])
def test_6_2_limit(alice: Api, source: Source, query: str) -> None:
    response = alice.get(f"/sources/{source.id}/event_summaries?{query}")
    assert_error(response, 400, parameter="limit")


def test_6_2_default_limit_is_10(alice: Api, source: Source) -> None:
    for i in range(12):
        store_event(source.id, MS, i)
    page = _get(alice, source)
    assert page["page_info"]["count"] == 10
    assert page["page_info"]["total_count"] == 12


def _of_size(size: int, filler: str = "x") -> bytes:
    body = filler * ((size - 2) // len(filler.encode()))
    payload = f'"{body}"'.encode()
    return payload[:-1] + b"x" * (size - len(payload)) + b'"'


def test_q4_1024_bytes_are_whole_and_1025_are_cut(alice: Api, source: Source) -> None:
    store_event(source.id, MS, 0, _of_size(SHOWN_BYTES))
    store_event(source.id, MS, 1, _of_size(SHOWN_BYTES + 1))
    cut, whole = _get(alice, source)["data"]
    assert list(whole) == ["id", "indexed_at_ms", "event", "metadata"]
    assert cut["event"] == _of_size(SHOWN_BYTES + 1)[:SHOWN_BYTES].decode()
    assert cut["event_truncated"] is True
    assert cut["event_size"] == SHOWN_BYTES + 1


@pytest.mark.parametrize("shift", range(4))
def test_q4_cut_ends_on_a_character_boundary(alice: Api, source: Source, shift: int) -> None:
    payload = b'"' + b"x" * shift + "😀".encode() * 400 + b'"'
    store_event(source.id, MS, 0, payload)
    (item,) = _get(alice, source)["data"]
    assert payload.startswith(item["event"].encode())
    assert SHOWN_BYTES - 4 < len(item["event"].encode()) <= SHOWN_BYTES
    assert item["event_size"] == len(payload)


def test_6_2_expand_shows_it_whole_and_says_nothing_of_size(alice: Api, source: Source) -> None:
    payload = _of_size(500_000)
    store_event(source.id, MS, 0, payload, meta=b'{"summary":"long"}')
    for query in ("expand=event", "expand=nonsense,event", "expand=%20event%20"):
        (item,) = _get(alice, source, query)["data"]
        assert item["event"] == orjson.loads(payload)
        assert "event_truncated" not in item
        assert "event_size" not in item
    (item,) = _get(alice, source, "expand=nonsense")["data"]
    assert item["event_truncated"] is True
    assert item["metadata"]["summary"] == "long"


def test_6_2_event_name_reads_one_channel(alice: Api, source: Source) -> None:
    default = store_event(source.id, MS, 0)
    custom = store_event(source.id, MS, 1, channel="self")
    error = store_event(source.id, MS, 2, channel="$errors")
    line = store_event(source.id, MS, 3, channel="$logs")
    assert _ids(alice, source) == [default]
    assert _ids(alice, source, "event_name=") == [default]
    assert _ids(alice, source, "event_name=self") == [custom]
    assert _get(alice, source, "event_name=self")["data"][0]["metadata"]["name"] == "self"
    assert _ids(alice, source, "event_name=unknown") == []
    assert _ids(alice, source, "event_name=$errors") == [error]
    for channel, wanted in (("$errors", error), ("$logs", line)):
        body = alice.json(f"/sources/{source.id}/{channel}/event_summaries")
        assert [item["id"] for item in body["data"]] == [wanted]
        encoded = channel.replace("$", "%24")
        assert alice.json(f"/sources/{source.id}/{encoded}/event_summaries") == body


@pytest.mark.parametrize("name", ["$other", "a" * 65, "a%00", "a%0ab"])
def test_6_2_impossible_event_name_is_400(alice: Api, source: Source, name: str) -> None:
    response = alice.get(f"/sources/{source.id}/event_summaries?event_name={name}")
    assert_error(response, 400, parameter="event_name")


def test_6_2_include_and_exclude(alice: Api, source: Source) -> None:
    store_event(source.id, MS, 0, _of_size(2000))
    body = _get(alice, source, "include=id,event_size")
    assert body["data"] == [{"id": f"{MS}-0", "event_size": 2000}]
    assert body["page_info"]["count"] == 1
    body = _get(alice, source, "exclude=event,metadata,event_truncated,event_size")
    assert body["data"] == [{"id": f"{MS}-0", "indexed_at_ms": MS}]
    assert _get(alice, source, "include=nope")["data"] == [{}]


def test_18b_list_without_page_info(alice: Api, source: Source) -> None:
    store_event(source.id, MS, 0, _of_size(2000))
    body = alice.json(f"/sources/{source.id}/events?expand=event&limit=100")
    assert set(body) == {"data"}
    assert body["data"] == _get(alice, source, "expand=event")["data"]


def test_events_of_one_source_are_not_those_of_another(
    alice: Api, source: Source, bob: Api
) -> None:
    store_event("dc_other1", MS)
    assert _ids(alice, source) == []


def test_emit_id_sorts_like_the_event_id_and_differs_between_sources() -> None:
    ids = [EventId(1, 5), EventId(MS, 0), EventId(MS, 2), EventId(MS, 10), EventId(MS + 1, 0)]
    texts = [emit_id("dc_abc123", one) for one in ids]
    assert texts == sorted(texts)
    assert all(len(text) == 27 and text.isalnum() for text in texts)
    assert emit_id("dc_abc123", ids[0]) != emit_id("dc_abc124", ids[0])
    assert emit_id("dc_abc123", ids[0]) == emit_id("dc_abc123", ids[0])


def test_event_id_is_a_pair_of_integers() -> None:
    assert parse_id("1589486981597-0") == (1589486981597, 0)
    assert parse_id("1589486981597") is None
    assert parse_id("1589486981597", missing_n=3) == (1589486981597, 3)
    for text in ("", "-", "a-0", "1-a", "1-0 ", " 1-0", "1-0\n", "٣-0", "1--0", "9" * 16 + "-0"):
        assert parse_id(text) is None
