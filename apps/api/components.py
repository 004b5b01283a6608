"""`/components`: saved code and the registry (REST specification 5.2)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request

from apps.accounts.models import User
from apps.api.answers import listing, single
from apps.api.deferred import Deferred
from apps.api.paging import read_page
from apps.api.params import Params, missing
from apps.api.scopes import READ, WRITE, needs
from apps.api.views import ApiView
from apps.components import services
from apps.components.models import Component
from apps.core import errors
from apps.runs import describing, lifecycle
from apps.runs.models import Operation

# Words that are routes of their own and never a key.
RESERVED = ("registry", "search", "dry_run")
LANGUAGES = ("python", "javascript")
# The code is all there is.
NO_TREE: tuple[str, dict[str, str]] = ("", {})


def fields_of(component: Component) -> dict[str, Any]:
    return {
        "id": component.id,
        "code": component.code,
        "code_hash": component.code_hash,
        "name": component.name,
        "version": component.version,
        "configurable_props": component.props,
        "created_at": int(component.created_at.timestamp()),
        "updated_at": int(component.updated_at.timestamp()),
        "key": component.key,
        "description": component.description,
        "component_url": component.component_url,
        "type": "source",
        "language": component.language,
        "origin": component.origin or None,
    }


def start_describing(
    user: User, params: Params, tree: tuple[str, dict[str, str]] = NO_TREE
) -> Operation:
    """Queue the loading of `component_code`, beside which a URL is provenance and not fetched, or
    of what `component_url` leads to. `tree`: of `tree_of`."""
    url = params.text("component_url", max_bytes=2048)
    code = params.text("component_code")
    language = language_of(params)
    if code is None:
        return describing.start_fetch(user, url or "", language)
    entry, files = tree
    return describing.start_create(
        user, code=code, language=language, component_url=url, entry=entry, files=files
    )


def tree_of(params: Params) -> tuple[str, dict[str, str]]:
    """`component_entry`, the path of `component_code` among `component_files`: path → text, what it
    imports by relative paths. 400 where they cannot be laid out."""
    entry, files = params.text("component_entry"), params.object("component_files")
    if entry is None and files is None:
        return NO_TREE
    if not params.given("component_code"):
        raise missing("component_code")
    if not entry:
        raise missing("component_entry")
    texts = files or {}
    for path, text in texts.items():
        if not isinstance(text, str):
            raise errors.invalid("component_files", f"component_files: {path[:80]!r} is no text")
    services.check_files(entry, texts, "component_entry" if files is None else "component_files")
    return entry, texts


def language_of(params: Params) -> str | None:
    """The language of `component_code`; None = to be found out."""
    language = params.text("language")
    if language is not None and language not in LANGUAGES:
        raise errors.invalid("language", f"language must be one of {', '.join(LANGUAGES)}")
    return language


def deployable(user: User, component_id: str) -> Component:
    """An own or a registry component by id; as a parameter, anything else is 400, not 404."""
    if component_id.startswith("sc_"):
        try:
            return services.get_visible(user, component_id)
        except errors.ApiError as error:
            if error.status != 404:
                raise
    raise errors.invalid("component_id", "component_id names no component of yours")


def described(operation: Operation, ended: bool) -> Component:
    """The component of a describing that was waited for. 503 when no runner took it in time, or has
    not done with it."""
    if not ended and lifecycle.withdraw(operation.id):
        raise errors.unavailable("no worker was free to load the code; try again")
    return describing.finish_create(operation.id)


class Components(ApiView):
    @needs(WRITE)
    def post(self, _request: Request) -> HttpResponse:
        params, selection = self.params(), self.selection()
        if not (params.given("component_code") or params.given("component_url")):
            raise missing("component_code", "component_url")
        operation = start_describing(self.user, params, tree_of(params))
        return Deferred(
            operation.id,
            settings.LOAD_WAIT_SECONDS,
            lambda ended: single(fields_of(described(operation, ended)), selection),
        )


class OneComponent(ApiView):
    @needs(READ)
    def get(self, _request: Request, key_or_id: str) -> HttpResponse:
        if key_or_id in RESERVED:
            raise errors.not_found()
        return single(fields_of(services.get_visible(self.user, key_or_id)), self.selection())


class RegistryComponent(ApiView):
    @needs(READ)
    def get(self, _request: Request, key: str) -> HttpResponse:
        component = services.get_registry(key, self.params().text("origin"))
        return single(fields_of(component), self.selection())


class MyComponents(ApiView):
    @needs(READ)
    def get(self, _request: Request) -> HttpResponse:
        own = Component.objects.filter(owner=self.user)
        page = read_page(self.params(), own.defer("code", "files"), own)
        items = [_without_code(component) for component in page.items]
        return listing(items, page.info, self.selection())


def _without_code(component: Component) -> dict[str, Any]:
    # `fields_of` would load the code of each row that the list leaves out.
    component.code = ""
    fields = fields_of(component)
    del fields["code"]
    return fields
