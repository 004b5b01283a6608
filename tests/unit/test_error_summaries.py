"""The summary of an event on `$errors`: one line, no longer than those that components give."""

from __future__ import annotations

import orjson
import pytest

from apps.events.items import summary_of
from apps.runs.record import SUMMARY_BYTES, error_meta


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("no further", "ValueError: no further"),
        ("first\n\tsecond ", "ValueError: first second"),
        ("", "ValueError:"),
    ],
    ids=["one line", "two lines", "no message"],
)
def test_name_and_message_on_one_line(message: str, wanted: str) -> None:
    meta = error_meta("ValueError", message)
    assert orjson.loads(meta) == {"summary": wanted}
    assert summary_of(meta) == wanted


@pytest.mark.parametrize("character", ["a", "ä", "€", "\U0001f600"])
def test_a_long_message_is_cut_between_characters(character: str) -> None:
    shown = summary_of(error_meta("Error", character * SUMMARY_BYTES))
    assert SUMMARY_BYTES - 4 < len(shown.encode()) <= SUMMARY_BYTES
    assert set(shown.removeprefix("Error: ")) == {character}


@pytest.mark.parametrize("meta", [b"{}", b"", b"[1]", b'{"summary":7}', b'{"summary":"  "}'])
def test_none(meta: bytes) -> None:
    assert summary_of(meta) == ""
