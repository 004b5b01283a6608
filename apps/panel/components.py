"""Components in the panel: their code, what they declare, who uses them. They are immutable:
nothing is done here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from apps.components.models import Component, PackageSet
from apps.core.admin_lists import choice, since
from apps.core.showing import line, readable
from apps.panel.highlighting import Highlighter
from apps.panel.pages import (
    Facts,
    Page,
    Section,
    Shown,
    Table,
    folded,
    list_url,
    moment,
    pre,
    row_link,
    state,
)  # fmt: skip
from apps.panel.reading import LISTED
from apps.sources.models import Source

# Characters that are shown of the code, and of each of the files beside it.
CODE = 200_000
FILE = 20_000
# Files of which the text is shown, the others by name.
OPENED = 20
COLOURING_SECONDS = 0.5
# What the table of props has columns for.
_OWN_COLUMNS = {"name", "type", "label", "description", "optional", "secret", "default"}


@admin.register(Component)
class ComponentAdmin(Page):
    list_display = ("id", "name", "key", "version", "language", "owner", "origin", "created_at")
    list_select_related = ("owner",)
    list_filter = (
        since("created_at"),
        choice("language", dict.fromkeys(("python", "javascript"), "never")),
    )
    search_fields = ("id__exact", "key__exact", "owner__id__exact", "name__icontains")
    ordering = ("-created_at", "-id")
    newest = "created_at"
    light = ("code", "files", "props", "description")
    # The page shows them above.
    hidden = ("code", "files", "props", "hooks", "description")

    def sections(self, request: HttpRequest, row: Component) -> Iterator[Section]:
        """What belongs to other tables is for those who may look at these."""

        def may(model: str) -> bool:
            return bool(request.user.has_perm(model.replace(".", ".view_")))

        colours = Highlighter(COLOURING_SECONDS)
        yield _about(row)
        yield _props(row)
        yield Shown("Code", _code(row.code, row.entry, CODE, colours))
        if row.files:
            yield _files(row.files, colours)
        if row.packages_id and may("components.packageset"):
            yield _packages(row.packages_id)
        if may("sources.source"):
            yield _sources(row)
        if row.key:
            yield _versions(row)


def _about(row: Component) -> Facts:
    owner = row.owner
    return Facts(
        "Component",
        [
            ("Name", line(row.name)),
            ("Key", row.key and line(row.key)),
            ("Version", line(row.version) or None),
            ("Language", row.language),
            ("Owner", row_link("accounts.user", owner.id, owner.username) if owner else "registry"),
            ("Origin", line(row.origin) or None),
            ("Address", row.component_url and line(row.component_url, 2048)),
            ("Hooks", ", ".join(row.hooks) or "none"),
            ("Dedupe", row.dedupe),
            ("Description", pre(row.description) if row.description else None),
        ],
    )


def _props(row: Component) -> Table:
    rows = []
    for prop in row.props:
        marks = [word for word in ("optional", "secret") if prop.get(word)]
        notes = [str(prop[name]) for name in ("label", "description") if prop.get(name)]
        more = {name: value for name, value in prop.items() if name not in _OWN_COLUMNS}
        rows.append(
            (
                prop["name"],
                line(prop["type"]),
                ", ".join(marks) or "-",
                _short(prop.get("default")),
                pre("\n".join(notes)) if notes else "-",
                _short(more or None),
            )
        )
    headers = ("Prop", "Type", "Marks", "Default", "Label and description", "More")
    return Table("Props", headers, rows, empty="It declares none.")


def _short(value: Any) -> Any:
    return "-" if value is None else pre(readable(value, 2000))


def _code(text: str, path: str, limit: int, colours: Highlighter) -> Any:
    html = colours.html(text, path, limit)
    return format_html('<pre class="hw-pre hw-code" tabindex="0">{}</pre>', html)


def _files(files: dict[str, str], colours: Highlighter) -> Shown:
    names = sorted(files)
    opened = [
        (folded(_named(name, files), _code(files[name], name, FILE, colours)),)
        for name in names[:OPENED]
    ]
    closed = [(_named(name, files),) for name in names[OPENED:]]
    items = format_html_join("", "<li>{}</li>", [*opened, *closed])
    return Shown("Files", format_html('<ul class="hw-files">{}</ul>', items))


def _named(name: str, files: dict[str, str]) -> str:
    return f"{line(name)} ({len(files[name])} characters)"


def _packages(name: str) -> Facts:
    """What was asked for; what it led to stands on the set's own page."""
    found = PackageSet.objects.filter(name=name).only("runtime", "manifest").first()
    facts: list[tuple[str, Any]] = [("Set", row_link("components.packageset", name))]
    if found is not None:
        facts += [("Made for", line(found.runtime)), ("Asked for", pre(found.manifest))]
    return Facts("Packages", facts)


def _sources(row: Component) -> Table:
    """The newest; those that were deleted too."""
    newest = Source.objects.filter(component_id=row.id).order_by("-created_at", "-id")
    newest = newest.select_related("owner").only("id", "name", "state", "created_at", "owner")
    rows = [
        (
            row_link("sources.source", source.id, f"{source.name} ({source.id})"),
            state(source.state),
            source.owner.username,
            moment(source.created_at),
        )
        for source in newest[:LISTED]
    ]
    more = ("All sources of this component", list_url("sources.source", f"q={row.id}"))
    return Table("Sources", ("Source", "State", "Owner", "Since"), rows, more=more)


def _versions(row: Component) -> Table:
    """Of the same owner: to others a key means something else."""
    # The whole of the index's order: that of the owners is the same for all.
    newest = Component.objects.filter(key=row.key, owner_id=row.owner_id).order_by(
        "owner_id", "-created_at", "-id"
    )
    rows = [
        (
            row_link("components.component", one.id) if one.id != row.id else f"{one.id} (this)",
            line(one.version) or "none",
            line(one.origin) or "-",
            one.code_hash[:12],
            moment(one.created_at),
        )
        for one in newest.only("id", "version", "origin", "code_hash", "created_at")[:LISTED]
    ]
    headers = ("Component", "Version", "Origin", "Hash of the code", "Since")
    more = (
        "All components with this key",
        list_url("components.component", urlencode({"q": row.key})),
    )
    return Table("Versions", headers, rows, more=more)
