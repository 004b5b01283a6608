"""The ledger of sources as an audit log: who changed what, when, and what it was before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.accounts.models import User
from apps.components.models import Component
from apps.core.admin_lists import choice, since
from apps.core.showing import SEALED, line, readable
from apps.panel.filters import Moment, written
from apps.panel.pages import Facts, Page, Section, Table, link, list_url, moment, pre, row_link
from apps.sources.models import SourceChange

# Earlier entries of the source among which the values of before are looked for.
LOOKED_BACK = 50
_NOT_SET = "-"
# Of a component that is only named.
COMPONENT_UNREAD = ("code", "files", "props", "description")


@admin.register(SourceChange)
class SourceChangeAdmin(Page):
    list_display = ("when", "source_link", "version", "kind", "actor_link")
    list_display_links = ("when",)
    list_select_related = ("source",)
    list_filter = (
        since("at"),
        written("at__gte", "time, from (UTC)", Moment),
        written("at__lt", "time, before (UTC)", Moment),
        written("source__id__exact", "source (dc_…)"),
        written("actor__exact", "actor (u_… or system)"),
        choice("kind", dict.fromkeys(SourceChange.Kind.values, "alone")),
    )
    list_filter_submit = True
    # Each along an index; what is written into filters counts as searched (`Choice.is_loose`).
    search_fields = ("source__id__exact", "actor__exact")
    ordering = ("-at", "-id")
    newest = "at"
    light = (
        "data", "source__configured_props", "source__secret_props",
    )  # fmt: skip
    # The sections show it.
    hidden = ("data",)

    @admin.display(description="at")
    def when(self, row: SourceChange) -> str:
        return moment(row.at)

    @admin.display(description="source")
    def source_link(self, row: SourceChange) -> SafeString:
        return row_link("sources.source", row.source_id, row.source)

    @admin.display(description="actor")
    def actor_link(self, row: SourceChange) -> Any:
        return who(row.actor)

    def sections(self, request: HttpRequest, row: SourceChange) -> Iterator[Section]:
        yield _about(row, named=request.user.has_perm("accounts.view_user"))
        yield _changed(row)


def who(actor: str, name: str = "") -> Any:
    """The page of a user; the platform has none."""
    return row_link("accounts.user", actor, name or actor) if actor.startswith("u_") else actor


def _about(row: SourceChange, *, named: bool) -> Facts:
    names = User.objects.filter(id=row.actor).values_list("username", flat=True) if named else ()
    name = next(iter(names), "")
    around = SourceChange.objects.filter(
        source_id=row.source_id, version__in=(row.version - 1, row.version + 1)
    ).in_bulk(field_name="id")
    near = {change.version: change.id for change in around.values()}
    facts: list[tuple[str, Any]] = [
        ("Source", row_link("sources.source", row.source_id, row.source)),
        ("Kind", row.get_kind_display()),
        ("Actor", who(row.actor, f"{name} ({row.actor})" if name else "")),
        ("At", moment(row.at)),
        ("Version", row.version),
    ]
    for title, version in (("Before", row.version - 1), ("After", row.version + 1)):
        if version in near:
            facts.append((title, row_link("sources.sourcechange", near[version], f"v{version}")))
    by_actor = list_url("sources.sourcechange", f"actor__exact={row.actor}")
    facts.append(("More", link("All changes by this actor", by_actor)))
    return Facts("Change", facts)


def _changed(row: SourceChange) -> Table:
    """Each column that was set, with the value that it had."""
    before = _before(row)
    rows = [(line(name), _shown(name, before), _shown(name, row.data)) for name in sorted(row.data)]
    return Table("What was set", ("Column", "Before", "After"), rows, empty="Nothing.")


def _before(row: SourceChange) -> dict[str, Any]:
    """The columns as the entries before this one left them: of each the newest."""
    wanted = set(row.data)
    found: dict[str, Any] = {}
    earlier = SourceChange.objects.filter(source_id=row.source_id, version__lt=row.version)
    for change in earlier.order_by("-version")[:LOOKED_BACK].iterator(chunk_size=10):
        found |= {name: change.data[name] for name in wanted & change.data.keys()}
        wanted -= change.data.keys()
        if not wanted:
            break
    return found


def _shown(name: str, data: Mapping[str, Any]) -> Any:
    """A value for people. Of secrets there are the names."""
    if name not in data or data[name] is None:
        return _NOT_SET
    value = data[name]
    if name in SEALED:
        names = sorted(value) if isinstance(value, dict) else []
        return line(f"{len(names)} sealed" + (f": {', '.join(names)}" if names else ""))
    if name == "component_id":
        found = Component.objects.filter(id=value).defer(*COMPONENT_UNREAD).first()
        return row_link("components.component", value, found or value)
    if name == "owner_id":
        return row_link("accounts.user", value)
    if isinstance(value, str):
        return line(value, 1000)
    return pre(readable(value))
