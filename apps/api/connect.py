"""`POST /v1/connect/{app}`, and the pages through which a browser goes (REST index 34).

The caller gets an address with a one-time ticket, to be opened in a browser; the steps and what
each is bound to are `apps.accounts.connecting`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from rest_framework.request import Request

from apps.accounts import connected, connecting
from apps.api.answers import error_answer, single
from apps.api.deferred import Deferred, settle
from apps.api.scopes import WRITE, needs
from apps.api.views import ApiView
from apps.core import errors
from apps.core.errors import ApiError
from apps.core.secrets import Undecipherable
from apps.runs import connecting as exchange

COOKIE = "headwater_connect"
# Chrome holds a form's redirect to `form-action` too, and the provider is any host.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none';"
    " form-action 'self' https:; frame-ancestors 'none'"
)
_USED = "This address was used before, or is too old. Ask for another and open it."


class Connect(ApiView):
    @needs(WRITE)
    def post(self, _request: Request, app: str) -> HttpResponse:
        params, selection = self.params(), self.selection()
        account_id = params.text("account_id")
        account = None if account_id is None else connected.find(self.user, account_id)
        row, ticket = connecting.offer(self.user, app, params.label("name"), account)
        fields = {
            "url": f"{settings.PUBLIC_URL}/connect/{ticket}",
            "app_slug": row.app_slug,
            "expires_at": int(row.expires_at.timestamp()),
        }
        return single(fields, selection)


# --- pages -------------------------------------------------------------------------------------


def ticket(request: HttpRequest, ticket: str) -> HttpResponse:
    """GET asks the person, POST (from that page alone) sends them to the provider."""
    if request.method in ("GET", "HEAD"):
        return _ask(request, ticket)
    if request.method != "POST":
        return error_answer(errors.method_not_allowed(str(request.method), ["GET", "HEAD", "POST"]))
    try:
        opening = connecting.open_offer(ticket)
    except Undecipherable as lost:
        return _page(request, 409, title="Not connected", text=str(lost))
    if opening is None:
        return _page(request, 404, title="Not connected", text=_USED)
    response = HttpResponseRedirect(opening.url)
    response.status_code = 303
    response.set_cookie(
        COOKIE,
        opening.cookie,
        max_age=int(connecting.LIFE.total_seconds()),
        path="/connect/",
        secure=settings.PUBLIC_URL.startswith("https:"),
        httponly=True,
        samesite="Lax",
    )
    return _private(response)


def callback(request: HttpRequest) -> HttpResponse:
    """Where the provider sends the browser back to."""
    if request.method not in ("GET", "HEAD"):
        return error_answer(errors.method_not_allowed(str(request.method), ["GET", "HEAD"]))
    if request.method == "HEAD":
        # Who looks ahead must not use the address up.
        return _page(request, 200, title="Connecting", text="")
    state, cookie = request.GET.get("state", ""), request.COOKIES.get(COOKIE, "")
    row = connecting.come_back(state, cookie)
    if row is None:
        return _page(request, 400, title="Not connected", text=_USED)
    code = request.GET.get("code", "")
    if not code:
        told = request.GET.get("error_description") or request.GET.get("error") or "no reason"
        text = f"{row.app_slug} did not agree: {told[:300]}"
        return _page(request, 400, title="Not connected", text=text)
    try:
        operation = exchange.start(row, code)
    except Undecipherable as lost:
        return _page(request, 409, title="Not connected", text=str(lost))
    answer = Deferred(operation.id, exchange.SECONDS, _concluded(request, operation.id))
    return settle(answer, request.META)


def _concluded(request: HttpRequest, operation_id: int) -> Callable[[bool], HttpResponse]:
    def conclude(_ended: bool) -> HttpResponse:
        try:
            account = exchange.conclude(operation_id)
        except ApiError as refused:
            return _page(request, refused.status, title="Not connected", text=refused.message)
        return _page(request, 200, title="Connected", account=account)

    return conclude


def _ask(request: HttpRequest, ticket: str) -> HttpResponse:
    row = connecting.offered(ticket)
    client = None if row is None else connecting.client_of(row.app_slug)
    if row is None or client is None:
        return _page(request, 404, title="Not connected", text=_USED)
    provider = urlsplit(client.authorize_url).hostname
    return _page(request, 200, title=f"Connect {row.app_slug}", row=row, provider=provider)


def _page(request: HttpRequest, status: int, **facts: object) -> HttpResponse:
    return _private(render(request, "api/connect.html", facts, status=status))


def _private(response: HttpResponse) -> HttpResponse:
    response["Content-Security-Policy"] = POLICY
    # Under `no-referrer` a browser sends no origin either, and the form would be refused.
    response["Referrer-Policy"] = "same-origin"
    response["Cache-Control"] = "no-store"
    return response
