"""Connected accounts: credentials go in, and come out again only on their way to a child.

A source names an account by its id (`{"authProvisionId": "apn_…"}` in `configured_props`); the
names and values in `credentials` are what its code finds in `$auth`. They are encrypted as long as
they are at rest, and read when an invocation starts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import orjson
from django.conf import settings
from django.db import IntegrityError, transaction

from apps.accounts.models import Account, User
from apps.accounts.oauth import Token
from apps.accounts.renewing import fresh_for
from apps.core import errors, secrets
from apps.core.clock import AppNow, app_now

MOST_NAMES = 100
NAME_CHARACTERS = 128
_ID = re.compile(r"apn_[0-9A-Za-z]{6,12}")
_SLUG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_TRIES = 5
# What the columns of the provider's side hold for credentials that nobody renews.
GIVEN: dict[str, Any] = {
    "expires_at": None,
    "refresh_at": None,
    "refreshing_until": None,
    "retry_at": None,
    "error": "",
}


def find(owner: User, account_id: str) -> Account:
    """The owner's account. ApiError 404: no such one, a deleted one, also another's."""
    found = None
    if _ID.fullmatch(account_id):
        found = Account.objects.filter(id=account_id, owner=owner, deleted_at=None).first()
    if found is None:
        raise errors.not_found()
    return found


def app_of(owner_id: str) -> Callable[[str], str | None]:
    """From the id of an account to the slug of its app; None for what the owner has not."""

    def look(account_id: str) -> str | None:
        if not _ID.fullmatch(account_id):
            return None
        own = Account.objects.filter(id=account_id, owner_id=owner_id, deleted_at=None)
        return own.values_list("app_slug", flat=True).first()

    return look


def create(owner: User, app_slug: str, name: str | None, credentials: Mapping[str, Any]) -> Account:
    """A new account; without a name it is called like its app. ApiError 400 naming the field."""
    sealed = seal(credentials)
    check_slug(app_slug)
    return _insert(owner.id, app_slug, name or app_slug, sealed, {})


def keep_token(
    owner_id: str, app_slug: str, name: str, account_id: str | None, token: Token
) -> Account:
    """What a provider gave, as a new account or in the place of `account_id`'s credentials; one
    that is connected again keeps its name unless another is given. ApiError 409: it was deleted
    meanwhile."""
    sealed = seal(token.credentials)
    now = app_now()
    values = {**GIVEN}
    if token.seconds is not None:
        values["expires_at"] = now + timedelta(seconds=token.seconds)
        values["refresh_at"] = now + timedelta(seconds=fresh_for(token.seconds))
    if account_id is None:
        return _insert(owner_id, app_slug, name or app_slug, sealed, values)
    live = Account.objects.filter(id=account_id, owner_id=owner_id, deleted_at=None)
    account = live.select_for_update(no_key=True).first()
    if account is None:
        raise errors.conflict("the account was deleted meanwhile")
    live.update(
        credentials=sealed,
        version=account.version + 1,
        name=name or account.name,
        updated_at=AppNow(),
        **values,
    )
    account.refresh_from_db()
    return account


def _insert(
    owner_id: str, app_slug: str, name: str, sealed: str, values: Mapping[str, Any]
) -> Account:
    for _ in range(_TRIES):
        try:
            with transaction.atomic():
                made = Account.objects.create(
                    owner_id=owner_id, app_slug=app_slug, name=name, credentials=sealed, **values
                )
        except IntegrityError:
            continue
        made.refresh_from_db()
        return made
    raise errors.unavailable("no free id was found; try again")


def change(
    account: Account, *, name: str | None = None, credentials: Mapping[str, Any] | None = None
) -> Account:
    """Set what is given; new credentials take the place of all the old ones. Runs that start from
    now on have them. ApiError 400 naming the field, 404 when it was deleted meanwhile."""
    values: dict[str, Any] = {}
    if name is not None:
        values["name"] = name
    if credentials is not None:
        # From now on the owner's, not the provider's: nothing of them is renewed.
        values |= {"credentials": seal(credentials), "version": account.version + 1, **GIVEN}
    if values:
        # Of two changes at once the second is told so: it may have meant other credentials.
        live = Account.objects.filter(id=account.id, version=account.version, deleted_at=None)
        if live.update(**values, updated_at=AppNow()) != 1:
            raise errors.conflict("the account has changed meanwhile; nothing was changed")
        account.refresh_from_db()
    return account


def delete(account: Account) -> None:
    """Forget the credentials; the row stays as a tombstone. ApiError 404: it was gone before."""
    live = Account.objects.filter(id=account.id, deleted_at=None)
    if live.update(credentials="", deleted_at=AppNow(), updated_at=AppNow()) != 1:
        raise errors.not_found()


def check_slug(app_slug: str, field: str = "app_slug") -> None:
    """Raises ApiError 400 naming the field for what is no slug of an app."""
    if not _SLUG.fullmatch(app_slug):
        raise errors.invalid(
            field, f"{field} must be 1 to 64 letters, digits, '_' and '-', as in 'github'"
        )


def seal(credentials: Mapping[str, Any]) -> str:
    """Encrypted, as a row holds it. Raises ApiError 400 naming the credential."""
    if not 1 <= len(credentials) <= MOST_NAMES:
        raise errors.invalid("credentials", f"credentials must hold 1 to {MOST_NAMES} values")
    for name, value in credentials.items():
        where = f"credentials.{name[:80]}"
        if not 0 < len(name) <= NAME_CHARACTERS:
            raise errors.invalid(
                "credentials", f"credentials: a name has 1 to {NAME_CHARACTERS} characters"
            )
        if not isinstance(value, str | int | float):
            raise errors.invalid(where, f"{where} must be text, a number, true or false")
    if len(orjson.dumps(credentials)) > settings.PROP_BYTES:
        raise errors.invalid(
            "credentials", f"credentials are larger than {settings.PROP_BYTES} bytes"
        )
    return secrets.encrypt(dict(credentials))
