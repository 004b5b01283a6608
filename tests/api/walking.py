"""Every route that the web process serves through Django, as the URL configuration has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from apps.api.views import ApiView

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Values for the parameters of paths: of the right form, and of nobody.
VALUES = {
    "source_id": "dc_000000",
    "key_or_id": "sc_000000",
    "run_id": "00000000-0000-5000-8000-000000000000",
    "webhook_id": "wh_000000",
    "account_id": "apn_000000",
    "key_id": "key_000000",
    "ticket": "x" * 43,
}


@dataclass(frozen=True)
class Route:
    """A pattern, an address that it matches, and the view class behind it (None: a function)."""

    pattern: str
    address: str
    view: type[ApiView] | None

    @property
    def methods(self) -> list[str]:
        """Those that its view has, HEAD with GET."""
        assert self.view is not None
        names = [name for name in self.view.http_method_names if hasattr(self.view, name)]
        return [name.upper() for name in names] + (["HEAD"] if "get" in names else [])


def routes() -> list[Route]:
    """The API's and the pages' without a login."""
    return [route for route in _all() if not route.pattern.startswith("admin/")]


def panel_routes() -> list[Route]:
    """Those of the panel that stand beside the one resolver of Django's admin."""
    return [route for route in _all() if route.pattern.startswith("admin/")]


def _all() -> list[Route]:
    return list(_walk(get_resolver().url_patterns))


def _walk(patterns: list[Any]) -> Iterator[Route]:
    for one in patterns:
        if isinstance(one, URLResolver):
            if one.app_name != "admin":
                yield from _walk(one.url_patterns)
            continue
        assert isinstance(one, URLPattern)
        pattern = str(one.pattern)
        view = getattr(one.callback, "cls", None)
        yield Route(pattern, _address(pattern), view)


def _address(pattern: str) -> str:
    """`^v1/sources/(?P<source_id>[^/]+)/?\\Z` → `/v1/sources/dc_000000`."""
    text = re.sub(r"\(\?P<(\w+)>[^)]*\)", lambda found: VALUES.get(found[1], "x"), pattern)
    text = text.replace("(?:v1/)?", "").replace("(?:/|\\Z)", "").replace("/?\\Z", "")
    return "/" + re.sub(r"\\(.)", r"\1", text.removeprefix("^").replace("\\Z", ""))


def api_routes() -> list[Route]:
    return [route for route in routes() if route.view is not None]
