"""A request id on every answer, so that a user's report finds its log lines; security headers."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apps.api import headers

HEADER = "X-Request-ID"
# Key of the WSGI environ: the id that the edge gave to the request.
ENVIRON = "headwater.request_id"


def new_request_id() -> str:
    return secrets.token_hex(16)


class RequestId:
    """Outermost middleware. The client's own id is not taken: it would let one write into logs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = str(request.META.setdefault(ENVIRON, new_request_id()))
        response = self._get_response(request)
        response[HEADER] = request_id
        return response


class SecurityHeaders:
    """What a view, or WhiteNoise, has set itself stays."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        for name, value in headers.ours(request.path_info).items():
            response.headers.setdefault(name, value)
        return response
