"""`/sources`: deployed components (REST specification 5.3 to 5.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request

from apps.accounts.models import User
from apps.api.answers import Selection, empty, listing, single
from apps.api.components import deployable, described, start_describing
from apps.api.deferred import Deferred
from apps.api.middleware import ENVIRON
from apps.api.paging import read_page
from apps.api.params import Params, missing
from apps.api.scopes import READ, WRITE, needs
from apps.api.views import ApiView
from apps.components.models import Component
from apps.core import errors
from apps.runs import lifecycle
from apps.runs.lifecycle import Changes, Started
from apps.sources import props
from apps.sources.models import Source

LISTED = (Source.State.ACTIVE, Source.State.INACTIVE)
NO_WORKER = errors.unavailable("no worker was free to deploy the source; try again")
BUSY = errors.conflict("the source is busy; nothing was changed")
CODE_FIELDS = ("component_id", "component_code", "component_url")


def fields_of(source: Source) -> dict[str, Any]:
    return {
        "id": source.id,
        "user_id": source.owner_id,
        "component_id": source.component_id,
        "configured_props": props.shown(source),
        "active": source.state == Source.State.ACTIVE,
        "created_at": int(source.created_at.timestamp()),
        "updated_at": int(source.updated_at.timestamp()),
        "name": source.name,
        "name_slug": source.name_slug,
        "concurrency": source.concurrency,
        "rate_limit": source.rate_limit,
    }


class MySources(ApiView):
    @needs(READ)
    def get(self, _request: Request) -> HttpResponse:
        own = Source.objects.filter(owner=self.user)
        listed = own.filter(state__in=LISTED).select_related("component").defer("component__files")
        page = read_page(self.params(), listed, own)
        return listing(map(fields_of, page.items), page.info, self.selection())


class Sources(ApiView):
    @needs(WRITE)
    def post(self, _request: Request) -> HttpResponse:
        params, selection = self.params(), self.selection()
        if not any(params.given(field) for field in CODE_FIELDS):
            raise missing(*CODE_FIELDS)
        name = params.label("name")
        configured = params.object("configured_props") or {}
        active = params.boolean("active") is not False
        emits = params.boolean("emit_on_deploy") is not False
        limits = _limits(params)

        def deploy(component: Component) -> HttpResponse:
            started = lifecycle.create(
                self.user,
                component,
                name=name,
                configured_props=configured,
                active=active,
                emit_on_deploy=emits,
                limits=limits,
            )
            return _concluding(started, selection, NO_WORKER)

        return _with_component(self.user, params, deploy)

    def join(self, operation_id: int) -> HttpResponse | None:
        started = lifecycle.creation(operation_id)
        return None if started is None else _concluding(started, self.selection(), NO_WORKER)


class OneSource(ApiView):
    @needs(READ)
    def get(self, _request: Request, source_id: str) -> HttpResponse:
        return single(fields_of(lifecycle.visible(self.user, source_id)), self.selection())

    @needs(WRITE)
    def put(self, _request: Request, source_id: str) -> HttpResponse:
        source = lifecycle.visible(self.user, source_id)
        params, selection = self.params(), self.selection()
        name = params.label("name")
        configured = params.object("configured_props")
        active, limits = params.boolean("active"), _limits(params)

        def change(component: Component | None) -> HttpResponse:
            changes = Changes(component, configured, name, active, limits)
            return _concluding(lifecycle.update(source, changes, self.user.id), selection, BUSY)

        if not any(params.given(field) for field in CODE_FIELDS):
            return change(None)
        return _with_component(self.user, params, change)

    @needs(WRITE)
    def delete(self, _request: Request, source_id: str) -> HttpResponse:
        source = lifecycle.visible(self.user, source_id)
        ignore = self.params().boolean("ignore_hook_errors") is not False
        started = lifecycle.delete(source, self.user.id, ignore_hook_errors=ignore)
        return _concluding(started, None, BUSY)


class RunSource(ApiView):
    @needs(WRITE)
    def post(self, request: Request, source_id: str) -> HttpResponse:
        source = lifecycle.visible(self.user, source_id)
        lifecycle.run_now(source, orjson.dumps(request.data), self.user.id, request.META[ENVIRON])
        return empty(202)


def _limits(params: Params) -> dict[str, int | None]:
    """Those given of `concurrency` and `rate_limit`; a rate limit of null lifts it."""
    limits = {name: params.integer(name) for name in ("concurrency", "rate_limit")}
    return {
        name: value
        for name, value in limits.items()
        if value is not None or (name == "rate_limit" and params.told(name))
    }


def _with_component(
    user: User, params: Params, then: Callable[[Component], HttpResponse]
) -> HttpResponse:
    """Go on with the component that the parameters name: id before code before URL."""
    component_id = params.text("component_id")
    if component_id is not None:
        return then(deployable(user, component_id))
    operation = start_describing(user, params)
    return Deferred(
        operation.id,
        settings.LOAD_WAIT_SECONDS,
        lambda ended: then(described(operation, ended)),
    )


def _concluding(
    started: Started, selection: Selection | None, withdrawn: errors.ApiError
) -> HttpResponse:
    """The answer when the change is done; without `selection` it has no body (204).

    F17: a change that no runner could begin in time is taken back, and `withdrawn` is the answer.
    """
    if started.operation_id is None:
        return _concluded(started, selection)
    operation_id = started.operation_id

    def patient(ended: bool) -> HttpResponse:
        if not ended and lifecycle.withdraw(operation_id):
            raise withdrawn
        if ended:
            return _concluded(started, selection)
        return Deferred(operation_id, _hook_seconds(), lambda _: _concluded(started, selection))

    return Deferred(operation_id, settings.UPDATE_WAIT_SECONDS, patient)


def _hook_seconds() -> float:
    """Two hooks at their limit (`deactivate`, `activate`), and the time to start their children."""
    return float(2 * settings.HOOK_SECONDS + 10)


def _concluded(started: Started, selection: Selection | None) -> HttpResponse:
    source = lifecycle.conclude(started)
    return empty(204) if selection is None else single(fields_of(source), selection)
