"""Sets of packages that components import. The only writer of their table.

A row is all that a worker host needs to install exactly the set again; the directory is each
host's own copy.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef

from apps.components.models import Component, PackageSet
from apps.core.clock import AppNow, app_now


def fresh(language: str, runtime: str, manifest: str) -> str | None:
    """The newest set that the manifest was resolved to within `PACKAGE_FRESH_SECONDS`; a component
    that is created now uses it."""
    since = app_now() - timedelta(seconds=settings.PACKAGE_FRESH_SECONDS)
    found = PackageSet.objects.filter(
        language=language, runtime=runtime, manifest=manifest, created_at__gte=since
    )
    name: str | None = found.order_by("-created_at").values_list("name", flat=True).first()
    if name is not None:
        PackageSet.objects.filter(name=name).update(used_at=AppNow())
    return name


def get(name: str) -> PackageSet | None:
    return PackageSet.objects.filter(name=name).first()


def record(found: PackageSet) -> None:
    """Keep a set that was resolved just now; one of that name was resolved to the same again."""
    PackageSet.objects.bulk_create([found], ignore_conflicts=True)
    PackageSet.objects.filter(name=found.name).update(created_at=AppNow(), used_at=AppNow())


def forget_unused(days: int) -> int:
    """Delete sets that no component refers to and that none was created with for so long."""
    used = Component.objects.filter(packages=OuterRef("pk"))
    old = PackageSet.objects.filter(~Exists(used), used_at__lt=app_now() - timedelta(days=days))
    return old.delete()[0]


def names() -> set[str]:
    return set(PackageSet.objects.values_list("name", flat=True))
