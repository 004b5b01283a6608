"""The page that shows who listens to whom: drawn, and as a list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.accounts.models import User
from apps.core.showing import line
from apps.panel import graph
from apps.panel.graph import Graph, Party, Tie
from apps.panel.graph_drawing import HEIGHT, WIDTH, Drawing, draw
from apps.panel.pages import Table, link, row_link, row_url, state
from apps.sources.models import Source

MODELS = {"source": "sources.source", "webhook": "subscriptions.webhook"}
# Steps, when none are asked for.
NEAR = 2
GOOD, BAD = {"active"}, {"failed", "deleted"}


class GraphForm(forms.Form):
    """What of the graph is shown: what is near a source, else what belongs to an owner, else those
    who have most ties. `found` and `owned` are the rows, after `is_valid`."""

    source = forms.CharField(
        required=False,
        max_length=16,
        help_text="An id (dc_…): what is near it.",
        widget=UnfoldAdminTextInputWidget,
    )
    depth = forms.TypedChoiceField(
        required=False,
        coerce=int,
        initial=NEAR,
        choices=[(depth, str(depth)) for depth in graph.DEPTHS],
        help_text="So many steps away from the source.",
        widget=UnfoldAdminSelectWidget,
    )
    owner = forms.CharField(
        required=False,
        max_length=150,
        help_text="An id (u_…) or a user name: what belongs to this user.",
        widget=UnfoldAdminTextInputWidget,
    )

    found: Source | None = None
    owned: User | None = None

    def clean_source(self) -> str:
        given: str = self.cleaned_data["source"]
        if given:
            self.found = Source.objects.filter(id=given).only("id", "name", "owner_id").first()
            if self.found is None:
                raise forms.ValidationError("No source has this id.")
        return given

    def clean_owner(self) -> str:
        given: str = self.cleaned_data["owner"]
        if given:
            self.owned = User.objects.filter(Q(id=given) | Q(username=given)).first()
            if self.owned is None:
                raise forms.ValidationError("No user has this id or name.")
        return given

    def graph(self) -> tuple[str, Graph]:
        """What it is, and the graph. Of a form that is valid."""
        if self.found is not None:
            depth = self.cleaned_data["depth"] or NEAR
            steps = "step" if depth == 1 else "steps"
            what = f"At most {depth} {steps} away from {self.found.id}"
            return what, graph.around(self.found.id, self.found.owner_id, depth)
        if self.owned is not None:
            return f"Of {self.owned.username}", graph.connected(self.owned.id)
        return "Those who have most listeners and listen to most", graph.connected()


@dataclass(frozen=True, slots=True)
class Shape:
    """A party as it is drawn: a corner, two lines of text, all of it in words for those who hear
    it, and its page, if it may be looked at."""

    x: float
    y: float
    kind: str
    title: str
    under: str
    whole: str
    tone: str
    url: str
    here: bool


def url(**query: str) -> str:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{reverse('graph')}?{asked}" if asked else reverse("graph")


def show(request: HttpRequest) -> HttpResponse:
    def may(model: str) -> bool:
        return bool(request.user.has_perm(model.replace(".", ".view_")))

    if not may("subscriptions.subscription"):
        raise PermissionDenied
    form = GraphForm(
        {"depth": NEAR} | {name: given for name, given in request.GET.items() if given}
    )
    context = {**admin.site.each_context(request), "title": "Graph", "form": form}
    if form.is_valid():
        what, found = form.graph()
        kinds = {kind for kind, model in MODELS.items() if may(model)}
        graph.name(
            found,
            sources="source" in kinds,
            webhooks="webhook" in kinds,
            users=may("accounts.user"),
        )
        drawing = draw(found) if found.parties else None
        here = form.found.id if form.found else ""
        context |= {
            "what": what,
            "partial": found.partial,
            "counts": (len(found.parties), len(found.ties)),
            "drawing": drawing,
            "box": (WIDTH, HEIGHT),
            "shapes": list(_shapes(drawing, kinds, here)) if drawing else (),
            "lines": list(_lines(drawing, found)) if drawing else (),
            "section": _table(found, kinds),
        }
    return TemplateResponse(request, "panel/graph.html", context)


def _shapes(drawing: Drawing, kinds: set[str], here: str) -> Iterator[Shape]:
    for box in drawing.boxes:
        party = box.party
        title = _title(party)
        under = f"{party.id} · {party.state}" if party.state else party.id
        yield Shape(
            box.x,
            box.y,
            party.kind,
            title,
            under if title != party.id else party.state,
            f"{party.kind} {title}, {under}",
            "good" if party.state in GOOD else "bad" if party.state in BAD else "plain",
            _page(party, kinds),
            box.key == here,
        )


def _title(party: Party) -> str:
    if party.kind == "rule":
        return f"every source of {line(party.name or party.owner, 60)}"
    return line(party.name, 60) or party.id


def _page(party: Party, kinds: set[str]) -> str:
    """That of its row; what is gone leads nowhere."""
    if party.kind not in kinds or not party.state:
        return ""
    return row_url(MODELS[party.kind], party.id)


def _channels(tie: Tie) -> str:
    return line(", ".join(channel or "default" for channel in tie.channels), 120)


def _lines(drawing: Drawing, found: Graph) -> Iterator[dict[str, Any]]:
    for drawn in drawing.lines:
        tie = drawn.tie
        ends = [_title(found.parties[key]) for key in (tie.emitter, tie.listener)]
        yield {
            "path": drawn.path,
            "x": drawn.x,
            "y": drawn.y,
            "anchor": drawn.anchor,
            # Most ties carry the default channel alone: that needs no word.
            "label": line(_channels(tie), 24) if any(tie.channels) else "",
            "title": f"{ends[0]} → {ends[1]}: {_channels(tie) or 'stands for it'}",
            "stands": not tie.channels,
        }


def _table(found: Graph, kinds: set[str]) -> Table:
    def cell(key: str) -> Any:
        party = found.parties[key]
        text = f"{_title(party)} ({party.id})" if _title(party) != party.id else party.id
        if _page(party, kinds):
            return row_link(MODELS[party.kind], party.id, text)
        return line(text)

    rows = [
        (
            cell(tie.emitter),
            _channels(tie) or "stands for it",
            cell(tie.listener),
            _states(found.parties[tie.listener]),
            _near(tie),
        )
        for tie in found.ties.values()
    ]
    headers = ("Emits", "Channel", "Listens", "Listener is", "Look closer")
    return Table("As a list", headers, rows, empty="Nobody listens to anybody here.")


def _states(party: Party) -> Any:
    return state(party.state) if party.state else "-"


def _near(tie: Tie) -> Any:
    """The graph around one of the two."""
    for key in (tie.listener, tie.emitter):
        if key.startswith("dc_") and " " not in key:
            return link(f"around {key}", url(source=key))
    return "-"
