"""Connected accounts and the sources that name them."""

from __future__ import annotations

from django.db import connection, transaction

from apps.accounts import connected
from apps.accounts.models import Account
from apps.components.description import APP
from apps.core import errors
from apps.sources.models import Source

# Sources named in a refusal.
NAMED = 20

# Props are stored as text that is searched for the id first: whether it stands in an app prop is
# told by the component.
_MENTIONING = """
SELECT id FROM sources_source
WHERE owner_id = %(owner)s AND state IN ('creating', 'active', 'inactive')
  AND position(%(id)s::bytea IN configured_props) > 0
ORDER BY created_at DESC, id DESC
"""


def in_use(account: Account) -> list[str]:
    """The ids of the sources that run with this account, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(_MENTIONING, {"owner": account.owner_id, "id": account.id.encode()})
        ids = [row[0] for row in cursor.fetchall()]
    light = Source.objects.select_related("component").defer("component__code", "secret_props")
    sources = light.in_bulk(ids)
    return [source_id for source_id in ids if _names(sources[source_id], account.id)]


def delete(account: Account, *, force: bool = False) -> None:
    """End an account. 409 naming the sources that use it, unless `force`: then their next runs
    fail and say why. ApiError 404: it was gone before."""
    with transaction.atomic():
        users = [] if force else in_use(account)
        if users:
            named = ", ".join(users[:NAMED]) + (" …" if len(users) > NAMED else "")
            raise errors.conflict(
                f"the account is used by {named}; with force=true it is deleted all the same",
                "account_in_use",
                sources=users[:NAMED],
            )
        connected.delete(account)


def _names(source: Source, account_id: str) -> bool:
    configured = source.configured_props
    return any(
        prop["type"] == APP and configured.get(prop["name"]) == {"authProvisionId": account_id}
        for prop in source.component.props
    )
