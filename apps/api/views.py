"""What all views share: authentication and scope first, strict parameters, JSON errors."""

from __future__ import annotations

from typing import Any, NoReturn

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.accounts.models import User
from apps.accounts.services import Caller
from apps.api.answers import Selection, error_answer
from apps.api.auth import BearerAuthentication
from apps.api.deferred import settle
from apps.api.errors import answer_for
from apps.api.idempotency import once
from apps.api.params import Params
from apps.api.parsing import StrictJSONParser
from apps.api.scopes import check
from apps.core import errors


class ApiView(APIView):
    """A resource. Methods are `get`, `post`, `put`, `delete`; HEAD comes with `get` (T9)."""

    authentication_classes = [BearerAuthentication]
    parser_classes = [StrictJSONParser]
    http_method_names = ["get", "head", "post", "put", "delete"]
    # Query before body when both carry a name, where the query is the documented place.
    query_wins = False

    def initial(self, request: Request, *_args: Any, **_kwargs: Any) -> None:
        self.perform_authentication(request)
        check(self, str(request.method), self.caller.scopes)
        if request.method == "POST" and hasattr(self, "post"):
            # A view lives for one request.
            self.__dict__["post"] = once(self, request, self.caller, self.post)

    def join(self, _operation_id: int) -> HttpResponse | None:
        """For a repeated call that finds this operation of the first one under way: wait for it
        too. None: it cannot be joined."""
        return None

    @property
    def default_response_headers(self) -> dict[str, str]:
        # Answers belong to the key that asked; no proxy or browser shall keep them.
        return {"Cache-Control": "no-store"}

    @property
    def user(self) -> User:
        user = self.request.user
        assert isinstance(user, User)
        return user

    @property
    def caller(self) -> Caller:
        caller = self.request.auth
        assert isinstance(caller, Caller)
        return caller

    def params(self) -> Params:
        """Of this request: query alone for GET, query and body otherwise."""
        if self.request.method in ("GET", "HEAD"):
            return Params(self.request.GET)
        body = self.request.data
        assert isinstance(body, dict)  # what the one parser returns
        return Params(self.request.GET, body, query_wins=self.query_wins)

    def selection(self) -> Selection:
        return Selection.of(self.params())

    def http_method_not_allowed(
        self, request: HttpRequest, *_args: Any, **_kwargs: Any
    ) -> NoReturn:
        raise errors.method_not_allowed(str(request.method), self.allowed_methods)

    # The annotations of DRF's own methods name its Response alone; it takes any of Django's.

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        return answer_for(exc)

    def finalize_response(  # type: ignore[override]
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        if isinstance(response, HttpResponse):
            response = settle(response, request.META)
        # As above: any of Django's is taken.
        return super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]


@csrf_exempt
def unknown_route(_request: HttpRequest, **_kwargs: Any) -> HttpResponse:
    return error_answer(errors.not_found())
