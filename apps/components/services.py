"""Writing and finding components. The only writer of their table."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from apps.accounts.models import User
from apps.components import slugs
from apps.components.description import storable
from apps.components.models import Component
from apps.core import errors
from apps.runs.contract import ENTRY_FILES, TREE_BYTES, Description, check_tree

BUILTIN = "builtin"
_ID = re.compile(r"sc_[0-9A-Za-z]+\Z")
_TRIES = 8


def code_hash(code: str) -> str:
    """Lower-case hex SHA-256 of the UTF-8 code (REST specification 5.2)."""
    return hashlib.sha256(code.encode()).hexdigest()


def check_code(code: object, parameter: str = "component_code") -> str:
    """The code itself. 400 when it is no storable text, 413 over `COMPONENT_BYTES`."""
    if not isinstance(code, str) or not code.strip():
        raise errors.invalid(parameter, f"{parameter} must be the text of a component")
    text = storable(code, parameter, len(code))
    if len(text.encode()) > settings.COMPONENT_BYTES:
        raise errors.too_large(parameter, settings.COMPONENT_BYTES)
    return text


def check_files(entry: str, files: Mapping[str, str], parameter: str) -> None:
    """400 naming the path that cannot be laid out, 413 for files over the bound of a bundle."""
    if sum(len(text.encode(errors="replace")) for text in files.values()) > TREE_BYTES:
        raise errors.too_large(parameter, TREE_BYTES)
    for text in files.values():
        storable(text, parameter, TREE_BYTES)
    try:
        check_tree(entry, files)
    except ValueError as refused:
        raise errors.invalid(parameter, f"{parameter}: {refused}") from None


def create(
    owner: User | None,
    description: Description,
    code: str,
    language: str,
    *,
    component_url: str | None = None,
    origin: str = "",
    entry: str = "",
    files: Mapping[str, str] | None = None,
    packages: str | None = None,
) -> Component:
    """Store one version of a component; without an owner it belongs to the registry.

    `description` has passed `apps.components.description.validate`. Always a new row, also for
    the same code: two callers share no history. `entry`, `files` and `packages` are those of
    `apps.runs.contract.Code`; `packages` names a stored set.
    """
    for _ in range(_TRIES):
        with _try_another_id():
            return Component.objects.create(
                owner=owner,
                key=description.key,
                name=description.name,
                name_slug=slugs.slugify(description.name),
                version=description.version,
                description=description.description,
                language=language,
                code=code,
                code_hash=code_hash(code),
                entry=entry or ENTRY_FILES["javascript" if language == "javascript" else "python"],
                files=dict(files or {}),
                packages_id=packages,
                component_url=component_url,
                origin=origin,
                dedupe=description.dedupe,
                props=description.props,
                hooks=description.hooks,
            )
    raise errors.unavailable("no free component id was found")


@contextmanager
def _try_another_id() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if "components_component_pkey" not in str(error):
            raise


def get_visible(owner: User, key_or_id: str) -> Component:
    """An own component by id or key, or one of the registry by id. 404 for everything else.

    Several own ones with one key: the newest.
    """
    if _ID.match(key_or_id):
        found = visible(owner).filter(id=key_or_id)
    elif "\x00" in key_or_id:
        raise errors.not_found()
    else:
        found = Component.objects.filter(owner=owner, key=key_or_id)
    return _newest(found)


def get_registry(key: str, origin: str | None = None) -> Component:
    """The newest version of a registry component; built-in ones first (design section 7), or of
    the one `origin` that is named."""
    if "\x00" in key or "\x00" in (origin or ""):
        raise errors.not_found()
    registry = Component.objects.filter(owner=None, key=key)
    if origin is not None:
        return _newest(registry.filter(origin=origin))
    builtin = registry.filter(origin=BUILTIN)
    return _newest(builtin if builtin.exists() else registry)


def visible(owner: User) -> QuerySet[Component]:
    """What a user may deploy: own components and the registry."""
    return Component.objects.filter(Q(owner=owner) | Q(owner=None))


def _newest(found: QuerySet[Component]) -> Component:
    component = found.order_by("-updated_at", "-created_at", "-id").first()
    if component is None:
        raise errors.not_found()
    return component
