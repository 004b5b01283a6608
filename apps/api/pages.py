"""What a browser may open without a key: `/`, `/v1/docs`, `/v1/openapi.json`.

All that the pages load comes from this host, and they say so to the browser.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from apps.api.answers import error_answer, json_answer
from apps.api.openapi import document
from apps.core import errors

View = Callable[[HttpRequest], HttpResponse]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def _read_only(view: View) -> View:
    """GET and HEAD; 405 for the rest, which Django would otherwise refuse with a 403 of its own."""

    @csrf_exempt
    def guarded(request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return error_answer(errors.method_not_allowed(str(request.method), ["GET", "HEAD"]))
        return view(request)

    return guarded


def _page(request: HttpRequest, template: str) -> HttpResponse:
    response = render(request, template, {"public_url": settings.PUBLIC_URL})
    response["Content-Security-Policy"] = POLICY
    response["Referrer-Policy"] = "no-referrer"
    return response


@_read_only
def openapi(_request: HttpRequest) -> HttpResponse:
    return json_answer(document())


@_read_only
def docs(request: HttpRequest) -> HttpResponse:
    return _page(request, "api/docs.html")


@_read_only
def home(request: HttpRequest) -> HttpResponse:
    return _page(request, "api/home.html")
