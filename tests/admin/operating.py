"""Operators at the panel: who may what, and what a page shows them."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from apps.accounts import services as accounts
from apps.accounts.models import User


def operator(*permissions: str, name: str = "olga") -> User:
    """Staff with these permissions (`sources.view_source`) and no others."""
    user = accounts.create_user(name)
    User.objects.filter(id=user.id).update(is_staff=True)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    return User.objects.get(id=user.id)


def client_of(user: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


def address(row: Any, what: str = "change") -> str:
    meta = row._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{what}", args=[quote(row.pk)])


def text(answer: Any) -> str:
    return str(answer.content.decode())


def buttons(html: str) -> list[str]:
    """What the page's actions are called."""
    found = re.search(r'<nav class="hw-actions".*?</nav>', html, re.DOTALL)
    return re.findall(r'class="hw-button[^>]*>([^<]+)<', found[0]) if found else []


def section(html: str, title: str) -> str:
    """The HTML below a heading, up to the next section."""
    found = re.search(rf'id="hw-{title}".*?</section>', html, re.DOTALL)
    assert found, title
    return found[0]


def messages(html: str) -> str:
    """The page's text without its marks: messages among it."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
