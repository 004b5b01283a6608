"""`limit`, `after`, `before` over resources ordered newest first (REST specification 3).

A cursor is the base64 of the item's id, without padding. Deleted items stay as tombstones, so a
walk goes on when its last item is deleted; an id of another owner or kind is an invalid cursor.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

from apps.api.answers import PageInfo
from apps.api.params import Params
from apps.core.errors import ApiError, invalid

M = TypeVar("M", bound=Model)
DEFAULT_LIMIT, MAX_LIMIT = 10, 100


def encode_cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> str | None:
    """The text inside, or None. Padding and both alphabets are accepted."""
    plain = cursor.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        raw = plain.encode("ascii")
        text = base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4)).decode("utf-8")
    except (UnicodeError, binascii.Error, ValueError):
        return None
    return text if encode_cursor(text) == plain else None


def invalid_cursor(parameter: str) -> ApiError:
    return invalid(parameter, f"{parameter} is an invalid cursor")


def read_limit(params: Params) -> int:
    limit = params.integer("limit")
    if limit is None:
        return DEFAULT_LIMIT
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid("limit", f"limit must be between 1 and {MAX_LIMIT}")
    return limit


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    items: list[M]
    info: PageInfo


def read_page(params: Params, listed: QuerySet[M], known: QuerySet[M]) -> Page[M]:
    """One page of `listed`, newest first by (created_at, id).

    `known` are the caller's own rows including hidden ones: what a cursor may point at.
    """
    limit = read_limit(params)
    after = _position(params, "after", known)
    before = _position(params, "before", known)
    rows = listed
    if after is not None:
        rows = rows.filter(Q(created_at__lt=after[0]) | Q(created_at=after[0], id__lt=after[1]))
    if before is not None:
        rows = rows.filter(Q(created_at__gt=before[0]) | Q(created_at=before[0], id__gt=before[1]))
    if before is not None and after is None:
        items = list(rows.order_by("created_at", "id")[:limit])[::-1]
    else:
        items = list(rows.order_by("-created_at", "-id")[:limit])
    return Page(items, page_info(listed.count(), [encode_cursor(str(item.pk)) for item in items]))


def page_info(total: int, cursors: list[str]) -> PageInfo:
    return PageInfo(
        total_count=total,
        count=len(cursors),
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )


def _position(params: Params, parameter: str, known: QuerySet[M]) -> tuple[Any, str] | None:
    cursor = params.text(parameter)
    if not cursor:
        return None
    public_id = decode_cursor(cursor)
    if public_id is None or len(public_id) > 40 or "\0" in public_id:
        raise invalid_cursor(parameter)
    found = known.filter(pk=public_id).values_list("created_at", flat=True).first()
    if found is None:
        raise invalid_cursor(parameter)
    return found, public_id
