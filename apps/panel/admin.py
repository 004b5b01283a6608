"""What Django's admin finds at its start: the richer pages of the panel, each registered in its
own file."""

from __future__ import annotations

from apps.panel.activity import ActivityAdmin
from apps.panel.components import ComponentAdmin
from apps.panel.delivering import DeliveryAdmin
from apps.panel.ledger import SourceChangeAdmin
from apps.panel.mailboxes import MailboxRowAdmin
from apps.panel.runs import RunAdmin
from apps.panel.sources import SourceAdmin
from apps.panel.users import ApiKeyAdmin, UserAdmin
from apps.panel.webhooks import WebhookAdmin

__all__ = [
    "ActivityAdmin",
    "ApiKeyAdmin",
    "ComponentAdmin",
    "DeliveryAdmin",
    "MailboxRowAdmin",
    "RunAdmin",
    "SourceAdmin",
    "SourceChangeAdmin",
    "UserAdmin",
    "WebhookAdmin",
]
