"""Sources in the panel: what one is, what it did last, who it speaks with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.core.admin_lists import choice, since
from apps.core.showing import readable
from apps.panel import activity, graph_page, reading
from apps.panel.pages import (
    Button,
    Facts,
    Section,
    Table,
    Text,
    event_link,
    folded,
    link,
    list_url,
    pre,
    row_link,
    state,
)  # fmt: skip
from apps.panel.source_actions import SourceActions
from apps.runs.models import Actor, ComponentState
from apps.sources import props
from apps.sources.models import Source, SourceChange, Timer
from apps.subscriptions.models import Subscription

SUBSCRIPTIONS = 50


@admin.register(Source)
class SourceAdmin(SourceActions):
    list_display = ("id", "name", "name_slug", "state", "owner", "component", "created_at")
    list_select_related = ("owner", "component")
    list_filter = (
        since("created_at"),
        choice("state", dict.fromkeys(Source.State.values, "alone")),
    )
    search_fields = ("id__exact", "owner__id__exact", "component__id__exact", "name__icontains")
    ordering = ("-created_at", "-id")
    newest = "created_at"
    light = ("configured_props", "secret_props", "component__code", "component__props")

    def buttons(self, request: HttpRequest, row: Source) -> list[Button]:
        return self.operations(request, row)

    def sections(self, request: HttpRequest, row: Source) -> Iterator[Section]:
        """What belongs to other tables is for those who may look at these."""

        def may(model: str) -> bool:
            return bool(request.user.has_perm(model.replace(".", ".view_")))

        yield _about(row)
        yield _props(row)
        if may("events.event"):
            yield _events(row)
        if may("runs.run"):
            yield _runs(row, with_lines=may("events.event"))
        if may("runs.mailboxrow"):
            yield _mailbox(row)
        if may("runs.componentstate"):
            yield from _state(row)
        if may("subscriptions.subscription"):
            yield from _subscriptions(row)
        if may("sources.sourcechange"):
            yield _ledger(row)
        if may("sources.activity"):
            yield activity.table(row.id)


def _about(row: Source) -> Facts:
    timer = Timer.objects.filter(source_id=row.id).first()
    facts: list[tuple[str, Any]] = [
        ("State", state(row.state)),
        ("Owner", row_link("accounts.user", row.owner_id, row.owner.username)),
        ("Component", row_link("components.component", row.component_id, row.component)),
        ("Endpoint", props.endpoint_url(row) if row.endpoint_key else None),
    ]
    if timer is not None:
        facts += [
            ("Timer", timer.cron or f"every {timer.interval_seconds} s"),
            ("Time zone", timer.timezone if timer.cron else None),
            ("Next tick", timer.next_fire_at),
        ]
    return Facts("Source", facts)


def _props(row: Source) -> Table:
    """As REST shows them: secret ones behind a mask."""
    shown = props.shown(row)
    types = {prop["name"]: prop["type"] for prop in row.component.props}
    rows = [(name, types.get(name), pre(readable(value))) for name, value in shown.items()]
    return Table("Props", ("Prop", "Type", "Value"), rows)


def _events(row: Source) -> Table:
    rows = [
        (
            event_link(row.id, event.channel, *event.id),
            event.at,
            event.channel or "default",
            event.text,
        )
        for event in reading.newest_events(row.id)
    ]
    more = ("All events of this source", list_url("events.event", f"q={row.id}"))
    return Table("Last events", ("Id", "Stored", "Channel", "Summary"), rows, more=more)


def _runs(row: Source, with_lines: bool) -> Table:
    """With what each printed, as far as the log still has it."""
    lines = reading.log_lines(row.id) if with_lines else {}
    rows = []
    for run in reading.newest_runs(row.id):
        printed = lines.get(run.id)
        log = folded(f"{len(printed)} lines", pre("\n".join(printed))) if printed else "-"
        what = row_link("runs.run", run.id, run.cause)
        error = reading.error_line(run.error)
        rows.append((what, run.cause_at, state(run.state), f"{run.duration_ms} ms", error, log))
    headers = ("Cause", "At", "State", "Duration", "Error", "Log")
    more = ("All runs of this source", list_url("runs.run", f"q={row.id}"))
    return Table("Last runs", headers, rows, more=more)


def _mailbox(row: Source) -> Facts:
    depth = reading.depth(row.id)
    actor = Actor.objects.filter(source_id=row.id).first()
    waiting = f"{depth.waiting} runs" + (f", {depth.later} of them later" if depth.later else "")
    facts: list[tuple[str, Any]] = [
        ("Waiting", link(waiting, list_url("runs.mailboxrow", f"q={row.id}"))),
    ]
    if actor is not None:
        held = actor.token != 0
        facts += [
            ("Lease", "held by a worker" if held else "free"),
            ("Lease ends", actor.until if held else None),
            ("Fence", actor.fence),
            ("Runs taken one by one", actor.lost or None),
        ]
    return Facts("Mailbox", facts)


def _state(row: Source) -> Iterator[Text]:
    kept = ComponentState.objects.filter(source_id=row.id).first()
    if kept is not None:
        yield Text("Store", _nothing_or(kept.store), empty="Empty.")
        yield Text("Dedupe memory", _nothing_or(kept.dedupe), empty="Empty.")


def _nothing_or(raw: Any) -> str:
    return "" if bytes(raw) in (b"", b"{}") else readable(raw)


def _subscriptions(row: Source) -> Iterator[Table]:
    """Both directions; rules that name every source are found by their owner."""
    live = Subscription.objects.filter(deleted_at=None, owner_id=row.owner_id)
    outward = list(live.filter(emitter_id__in=[row.id, "dc_*"])[:SUBSCRIPTIONS])
    inward = list(live.filter(listener_id=row.id)[:SUBSCRIPTIONS])
    names = reading.sources_named(
        {sub.listener_id for sub in outward} | {sub.emitter_id for sub in inward}
    )
    headers = ("Subscription", "Who", "Channel", "Since")
    for title, found, other in (
        ("Listeners", outward, "listener_id"),
        ("Listens to", inward, "emitter_id"),
    ):
        rows = [
            (
                row_link("subscriptions.subscription", sub.id),
                party(getattr(sub, other), names),
                sub.event_name or "default",
                sub.created_at,
            )
            for sub in found
        ]
        more = ("Graph of what is near", graph_page.url(source=row.id))
        yield Table(title, headers, rows, more=more)


def party(party_id: str, names: dict[str, str]) -> Any:
    """A source or a webhook as a link; a pattern as it is."""
    if party_id.startswith("wh_"):
        return row_link("subscriptions.webhook", party_id)
    if party_id in names:
        return row_link("sources.source", party_id, f"{names[party_id]} ({party_id})")
    return party_id


def _ledger(row: Source) -> Table:
    changes = SourceChange.objects.filter(source_id=row.id).order_by("-version")
    rows = [
        (
            row_link("sources.sourcechange", change.id, f"version {change.version}"),
            change.get_kind_display(),
            change.actor,
            change.at,
            pre(readable(change.data, 2000)),
        )
        for change in changes[: reading.LISTED]
    ]
    more = ("All changes of this source", list_url("sources.sourcechange", f"q={row.id}"))
    return Table("Ledger", ("Version", "Kind", "Actor", "At", "What was set"), rows, more=more)
