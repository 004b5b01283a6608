"""Every list of the admin, each in all the ways that its page offers: for tests and figures.

A way is the list as it opens, its second and its last page, each choice of each filter, and each
search: for something that is there, and for something that is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.contrib import admin
from django.db import models
from django.test import RequestFactory
from django.urls import reverse

from apps.accounts.models import User

OURS = ("core", "accounts", "components", "sources", "events", "runs", "subscriptions")
# Pages that are no lists.
PAGES = ("/admin/", "/admin/graph/")
# Ids that belong to nothing, of each kind.
NOBODY = ("dc_000000", "u_000000", "sc_000000", "wh_000000", "sub_000000", "hw_000000", "zzzzzz")


@dataclass(frozen=True, slots=True)
class Way:
    """`name` says what is asked for: `state=failed`, `page 200`, `search dc_5YGuMo`."""

    model: type[models.Model]
    name: str
    url: str


def lists() -> list[type[models.Model]]:
    found = [model for label in OURS for model in apps.get_app_config(label).get_models()]
    return [model for model in found if admin.site.is_registered(model)]


def address(model: type[models.Model]) -> str:
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")


def changes_of(user: User, model: type[models.Model], url: str) -> Any:
    """The list behind a page, as the admin makes it for this user."""
    request = RequestFactory().get(url)
    request.user = user
    return admin.site.get_model_admin(model).get_changelist_instance(request)


def ways(user: User, model: type[models.Model]) -> Iterator[Way]:
    """Of one list, as they can be seen on its page."""
    url = address(model)
    yield Way(model, "as it opens", url)
    changes = changes_of(user, model, url)
    pages = changes.paginator.num_pages
    for page in sorted({2, pages} - {1}) if pages > 1 else ():
        yield Way(model, f"page {page}", f"{url}?p={page}")
    for spec in changes.filter_specs:
        for choice in list(spec.choices(changes))[1:]:
            query = unescape(choice["query_string"])
            yield Way(model, query.lstrip("?"), url + query)
    if changes.search_fields:
        for word in searched(model):
            yield Way(model, f"search {word}", f"{url}?q={word}")


def searched(model: type[models.Model]) -> list[str]:
    """What one may look for in a list: the ids, names and keys of a row, and of nothing."""
    row = model._default_manager.first()
    words = [*NOBODY, str(uuid4()), "123456789"]
    for field in model._meta.concrete_fields:
        value = getattr(row, field.attname, None)
        if isinstance(value, str) and re.fullmatch(r"[\w-]{3,40}", value):
            words.append(value)
    if row is not None:
        words.append(str(row.pk))
    return sorted(set(words))
