"""The forms of an answer: single, list, error; and `include` / `exclude` (REST specification 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from django.http import HttpResponse

from apps.api.params import Params
from apps.core.errors import ApiError

V = TypeVar("V")
CONTENT_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which top-level fields of `data` are shown: include first, then exclude."""

    include: frozenset[str] | None
    exclude: frozenset[str] | None

    @classmethod
    def of(cls, params: Params) -> Selection:
        return cls(params.words("include"), params.words("exclude"))

    def shows(self, name: str) -> bool:
        if self.include is not None and name not in self.include:
            return False
        return self.exclude is None or name not in self.exclude

    def of_fields(self, fields: Mapping[str, V]) -> dict[str, V]:
        if self.include is None and self.exclude is None:
            return dict(fields)
        return {name: value for name, value in fields.items() if self.shows(name)}


@dataclass(frozen=True, slots=True)
class PageInfo:
    """`page_info` of a list: all matches, those on this page, its first and last cursor."""

    total_count: int
    count: int
    start_cursor: str | None
    end_cursor: str | None

    def fields(self) -> dict[str, int | str | None]:
        return {
            "total_count": self.total_count,
            "count": self.count,
            "start_cursor": self.start_cursor,
            "end_cursor": self.end_cursor,
        }


def json_answer(body: Any, status: int = 200) -> HttpResponse:
    return raw_answer(orjson.dumps(body), status)


def raw_answer(body: bytes, status: int = 200) -> HttpResponse:
    return HttpResponse(body, status=status, content_type=CONTENT_TYPE)


def single(fields: Mapping[str, Any], selection: Selection) -> HttpResponse:
    return json_answer({"data": selection.of_fields(fields)})


def listing(
    items: Iterable[Mapping[str, Any]], info: PageInfo, selection: Selection
) -> HttpResponse:
    data = [selection.of_fields(item) for item in items]
    return json_answer({"page_info": info.fields(), "data": data})


def spliced(
    items: Iterable[Mapping[str, bytes]], info: PageInfo | None, selection: Selection
) -> HttpResponse:
    """A list whose field values are JSON texts already, put into the answer byte for byte."""
    shown = (_object(selection.of_fields(item)) for item in items)
    head = b"" if info is None else b'"page_info":%b,' % orjson.dumps(info.fields())
    return raw_answer(b'{%b"data":[%b]}' % (head, b",".join(shown)))


def spliced_single(fields: Mapping[str, bytes], selection: Selection) -> HttpResponse:
    return raw_answer(b'{"data":%b}' % _object(selection.of_fields(fields)))


def _object(fields: Mapping[str, bytes]) -> bytes:
    members = (b'"%b":%b' % (name.encode(), value) for name, value in fields.items())
    return b"{%b}" % b",".join(members)


def empty(status: int) -> HttpResponse:
    """202 and 204 have no body, and so no content type."""
    response = HttpResponse(status=status)
    del response["Content-Type"]
    return response


def error_answer(error: ApiError) -> HttpResponse:
    response = json_answer(error.body(), error.status)
    for name, value in error.headers.items():
        response[name] = value
    return response
