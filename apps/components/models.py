"""Saved components: code that can be deployed as sources. Immutable once created."""

from __future__ import annotations

from functools import partial

from django.conf import settings
from django.db import models

from apps.core.clock import AppNow
from apps.core.fields import CompactJSONField
from apps.core.ids import new_id
from apps.runs.contract import Code, Language


class PackageSet(models.Model):
    """What components import, as it was resolved once: any worker host installs exactly this.

    The name is `<ecosystem>-<SHA-256 of language, runtime, manifest and lock, 40 hex digits>`, and
    that of its directory below `PACKAGES_DIR`. `runtime` is what it was installed for, such as
    `deno 2.9`; `manifest` and `lock` are the texts of the ecosystem's own files. `used_at` is when
    a component was last created with it.
    """

    name = models.CharField(primary_key=True, max_length=64, db_collation="C")
    language = models.CharField(max_length=16)
    runtime = models.CharField(max_length=64)
    manifest = models.TextField()
    lock = models.TextField()
    created_at = models.DateTimeField(db_default=AppNow())
    used_at = models.DateTimeField(db_default=AppNow())

    class Meta:
        indexes = [models.Index(fields=["-created_at", "name"], name="package_set_newest")]

    def __str__(self) -> str:
        return self.name


class Component(models.Model):
    """One version of a component's code and what it said of itself when it was loaded.

    A row without an owner belongs to the registry; `origin` says where it came from (`builtin`).
    `props` is the validated list of REST specification 5.2, `hooks` a list of `deploy`,
    `activate`, `deactivate`.
    """

    id = models.CharField(
        primary_key=True, max_length=16, db_collation="C", default=partial(new_id, "sc")
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="components",
    )
    key = models.CharField(max_length=200, null=True, blank=True)
    name = models.CharField(max_length=400)
    name_slug = models.CharField(max_length=64)
    version = models.CharField(max_length=100, blank=True)
    description = models.TextField(null=True, blank=True)
    language = models.CharField(max_length=16, choices=[("python",) * 2, ("javascript",) * 2])
    code = models.TextField()
    code_hash = models.CharField(max_length=64)
    # Where `code` is in the component's tree, and the rest of the tree: path → text.
    entry = models.CharField(max_length=512, blank=True, default="")
    files = CompactJSONField(default=dict)
    packages = models.ForeignKey(
        PackageSet, on_delete=models.PROTECT, null=True, blank=True, related_name="components"
    )
    component_url = models.TextField(null=True, blank=True)
    origin = models.CharField(max_length=100, blank=True)
    dedupe = models.CharField(max_length=16, null=True, blank=True)
    props = CompactJSONField(default=list)
    hooks = CompactJSONField(default=list)
    created_at = models.DateTimeField(db_default=AppNow())
    updated_at = models.DateTimeField(db_default=AppNow())

    class Meta:
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="component_listing"),
            models.Index(fields=["key", "owner", "-created_at", "-id"], name="component_versions"),
            # Those of all owners, in the panel.
            models.Index(fields=["-created_at", "-id"], name="component_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.id})"

    def loadable(self, owner_id: str) -> Code:
        """The code as a child process of this owner loads it."""
        language: Language = "javascript" if self.language == "javascript" else "python"
        return Code(
            owner_id, self.id, language, self.code, self.entry, self.files, self.packages_id
        )
