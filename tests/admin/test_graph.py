"""Who listens to whom: what the page shows, how it is drawn, how little is read for it."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from itertools import combinations, pairwise
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.test import Client

from apps.accounts import services
from apps.accounts.models import User
from apps.core import admin_lists
from apps.panel import graph
from apps.panel.graph import Graph
from apps.panel.graph_drawing import HEIGHT, WIDTH, draw
from apps.panel.seeding import Sizes
from apps.sources.models import Source
from apps.subscriptions.models import Subscription, Webhook
from tests.admin import plans
from tests.admin.test_lists import MOST, ROWS_ALONE

HOSTILE = "</text><script>alert(1)</script>\u202eevil"
URL = "/admin/graph/"


@pytest.fixture
def operator(seeded: Sizes) -> Iterator[User]:
    with transaction.atomic():
        made = services.create_user("staff")
        made.is_staff = True
        made.save()
        permit(made, "view_subscription", "view_source", "view_webhook", "view_user")
        yield made
        transaction.set_rollback(True)


@pytest.fixture
def chain(operator: User) -> list[str]:
    """Sources of one owner, each of which listens to the one before; the last speaks to a webhook.
    One more belongs to nobody's chain."""
    alice = services.create_user("alice")
    component = Source.objects.all()[0].component
    ids = [f"dc_chain{i}" for i in range(6)]
    for i, source_id in enumerate(ids):
        Source.objects.create(
            id=source_id, owner=alice, component=component, name=f"Chain {i}", state="active",
            name_slug=f"chain-{i}", configured_props={}, secret_props={},
        )  # fmt: skip
    Webhook.objects.create(id="wh_chain", owner=alice, url="https://x.example/", secret=[])
    for emitter, listener in [*pairwise(ids[:5]), (ids[4], "wh_chain")]:
        subscribe(alice, emitter, listener)
    return ids


def subscribe(owner: User, emitter: str, listener: str, channel: str = "") -> Subscription:
    return Subscription.objects.create(
        owner=owner, emitter_id=emitter, listener_id=listener, event_name=channel
    )


def permit(user: User, *codenames: str) -> None:
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))


def page(user: User, query: str = "", status: int = 200) -> str:
    client = Client()
    client.force_login(user)
    answer = client.get(URL + query)
    assert answer.status_code == status
    return answer.content.decode()


def shown(html: str) -> set[str]:
    """Ids under the names of what is drawn."""
    return set(re.findall(r'<text class="hw-under"[^>]*>([\w*]+) ·', html))


@pytest.mark.parametrize(("depth", "last"), [(1, 1), (2, 2), (4, 4)])
def test_what_is_near_a_source(chain: list[str], operator: User, depth: int, last: int) -> None:
    html = page(operator, f"?source={chain[0]}&depth={depth}")
    assert shown(html) == set(chain[: last + 1])
    assert f'href="/admin/sources/source/{chain[1].replace("_", "_5F")}/change/"' in html
    assert len(re.findall('<g class="hw-tie">', html)) == last
    # It is the one that the graph is around, and the list has the same as the drawing.
    assert html.count('aria-current="true"') == 1
    assert len(re.findall(r"<td>default</td>", html)) == last


def test_what_is_left_out_is_said(chain: list[str], operator: User, monkeypatch: Any) -> None:
    """Of what listens and of what is listened to each has its own bound."""
    alice = User.objects.get(username="alice")
    monkeypatch.setattr(graph, "ROWS", 2)
    assert not graph.around(chain[2], alice.id, 1).partial
    subscribe(alice, chain[2], chain[0])
    assert graph.around(chain[2], alice.id, 1).partial


def test_whatever_its_id_a_source_is_found(chain: list[str], operator: User) -> None:
    """Django's admin reads `_3A` in an address as a colon."""
    alice = User.objects.get(username="alice")
    odd = Source.objects.get(id=chain[5])
    odd.pk, odd.name_slug = "dc_3Axyz1", "odd"
    odd.save(force_insert=True)
    subscribe(alice, chain[0], odd.id)
    client = Client()
    client.force_login(operator)
    html = client.get(f"{URL}?source={chain[0]}&depth=1").content.decode()
    links = set(re.findall(r'href="(/admin/sources/source/[^"]*3Axyz1/change/)"', html))
    assert links
    assert [client.get(url).status_code for url in links] == [200] * len(links)


def test_both_ways_lead_near(chain: list[str], operator: User) -> None:
    assert shown(page(operator, f"?source={chain[2]}&depth=1")) == set(chain[1:4])
    assert "Chain 5" in page(operator, f"?source={chain[5]}")


def test_a_tie_has_all_its_channels_once(chain: list[str], operator: User) -> None:
    alice = User.objects.get(username="alice")
    subscribe(alice, chain[0], chain[1], "$errors")
    subscribe(alice, chain[0], chain[1], "paid")
    html = page(operator, f"?source={chain[0]}&depth=1")
    assert re.findall(r'<text class="hw-label"[^>]*>([^<]*)<', html) == ["default, $errors, paid"]
    assert html.count('<g class="hw-tie">') == 1


def test_a_rule_stands_for_every_source_of_its_owner(chain: list[str], operator: User) -> None:
    alice = User.objects.get(username="alice")
    subscribe(alice, "dc_*", "wh_chain", "$errors")
    subscribe(alice, "dc_*", chain[5], "$errors")
    html = page(operator, f"?source={chain[5]}&depth=1")
    assert "every source of alice" in html
    assert "every source of seed" not in html
    # The listener is not heard by itself; what else listens to the rule hears it.
    assert '<g class="hw-tie hw-stands"><title>Chain 5 → every source of alice' in html
    assert "<title>every source of alice → https://x.example/: $errors</title>" in html


def test_what_is_deleted_is_not_shown(chain: list[str], operator: User) -> None:
    Subscription.objects.filter(emitter_id=chain[1]).update(deleted_at="2026-01-01T00:00Z")
    assert shown(page(operator, f"?source={chain[0]}&depth=4")) == set(chain[:2])


def test_of_one_owner_and_of_all(chain: list[str], operator: User) -> None:
    assert shown(page(operator, "?owner=alice")) == {*chain[:5], "wh_chain"}
    found = graph.connected()
    assert 0 < len(found.parties) <= graph.PARTIES
    assert 0 < len(found.ties) <= graph.TIES
    assert found.partial
    assert "not all are shown" in page(operator)


def test_first_come_those_who_have_many_at_both_ends(seeded: Sizes) -> None:
    """However the seeded rows fell: degrees are counted here by other means."""
    rows = [
        (f"{emitter} {owner}" if emitter in graph.GLOBS else emitter, listener)
        for emitter, listener, owner in Subscription.objects.filter(deleted_at=None).values_list(
            "emitter_id", "listener_id", "owner_id"
        )
    ]
    degree = Counter(party for row in rows for party in row)
    rank = {row: sorted(degree[party] for party in row) for row in rows}
    shown_ranks = [rank[ends] for ends in graph.connected().ties]
    assert shown_ranks[0] == max(rank.values())
    assert shown_ranks == sorted(shown_ranks, reverse=True)


def test_what_is_unknown_is_said(operator: User) -> None:
    for query, said in (
        ("?source=dc_none", "No source has this id."),
        ("?owner=nobody", "No user has this id or name."),
        ("?source=dc_none&depth=9", "Select a valid choice"),
        ("?source=%00", "Null characters are not allowed."),
    ):
        html = page(operator, query)
        assert said in html
        assert "<svg width" not in html


def test_names_are_text(chain: list[str], operator: User) -> None:
    Source.objects.filter(id=chain[1]).update(name=HOSTILE)
    alice = User.objects.get(username="alice")
    subscribe(alice, chain[0], chain[2], "<b>loud</b>")
    html = page(operator, f"?source={chain[0]}")
    assert "<script>alert" not in html
    assert "<b>loud" not in html
    assert "\u202e" not in html
    assert "</text><script>alert(1)</script>\\u202eevil" in unescape(html)


def test_only_what_may_be_seen_is_named(chain: list[str], operator: User) -> None:
    permit(operator, "view_subscription")
    html = page(operator, f"?source={chain[0]}")
    assert chain[1] in html
    assert "Chain 1" not in html
    assert "/admin/sources/source/" not in html
    permit(operator, "view_source")
    page(operator, status=403)


@pytest.mark.parametrize("query", ["", "?owner=seed-0", "?source={busy}&depth=4"])
def test_it_reads_little(operator: User, monkeypatch: Any, query: str) -> None:
    monkeypatch.setattr(admin_lists, "LOOKED_THROUGH", 500)
    found = Subscription.objects.exclude(emitter_id="dc_*")[0]
    owner = User.objects.get(id=found.owner_id).username
    query = query.format(busy=found.emitter_id).replace("seed-0", owner)
    with connection.cursor() as cursor:
        cursor.execute(ROWS_ALONE)
    plan = plans.worst(lambda: page(operator, query))
    assert plan.whole == [], plan.text
    assert plan.rows <= MOST, plan.text


def test_no_more_is_drawn_than_there_is_room_for(operator: User) -> None:
    alice = services.create_user("alice")
    Subscription.objects.bulk_create(
        Subscription(owner=alice, emitter_id="dc_hub", listener_id=f"dc_spoke{i}")
        for i in range(300)
    )
    found = graph.around("dc_hub", alice.id, 2)
    assert found.partial
    assert len(found.parties) == graph.PARTIES
    assert len(found.ties) == graph.PARTIES - 1


def some(seed: int) -> Graph:
    """Any graph: rings, loops, and parts that do not hang together."""
    choose = random.Random(seed)
    size = choose.randrange(1, 50)
    made = Graph()
    for i in range(size):
        made.party(f"dc_{i}")
    for _ in range(choose.randrange(2 * size)):
        made.tie(f"dc_{choose.randrange(size)}", f"dc_{choose.randrange(size)}")
    return made


def crowded() -> Graph:
    """One that the layout sets onto itself: one of two hundred and fifty."""
    choose = random.Random(38)
    made, size = Graph(), choose.randrange(10, 100)
    for _ in range(graph.TIES):
        made.tie(f"dc_{choose.randrange(size)}", f"dc_{choose.randrange(size)}")
    return made


def test_nothing_stands_on_anything_else() -> None:
    for seed in range(80):
        found = some(seed) if seed else crowded()
        drawing = draw(found)
        assert {box.key for box in drawing.boxes} == set(found.parties)
        assert {id(line.tie) for line in drawing.lines} == {id(tie) for tie in found.ties.values()}
        for one, other in combinations(drawing.boxes, 2):
            apart = abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT
            assert apart, (seed, one, other)
        for box in drawing.boxes:
            assert 0 <= box.x <= drawing.width - WIDTH
            assert 0 <= box.y <= drawing.height - HEIGHT
        numbers = [float(n) for line in drawing.lines for n in re.findall(r"-?[\d.]+", line.path)]
        assert min(numbers, default=0) >= 0, seed
        # The same graph is the same drawing.
        assert draw(some(seed) if seed else crowded()) == drawing


def test_listeners_stand_to_the_right() -> None:
    found = Graph()
    for emitter, listener in (("dc_a", "dc_b"), ("dc_b", "wh_c"), ("dc_a", "wh_c")):
        found.tie(emitter, listener)
    at = {box.key: box.x for box in draw(found).boxes}
    assert at["dc_a"] < at["dc_b"] < at["wh_c"]


def test_a_tie_passes_a_layer_between_its_boxes() -> None:
    found = Graph()
    for emitter, listener in (("dc_a", "dc_b"), ("dc_b", "wh_c"), ("dc_a", "wh_c")):
        found.tie(emitter, listener)
    drawing = draw(found)
    (passed,) = (box for box in drawing.boxes if box.key == "dc_b")
    (long,) = (line for line in drawing.lines if (line.tie.emitter, line.tie.listener)
               == ("dc_a", "wh_c"))  # fmt: skip
    points = [tuple(map(float, at.split(","))) for at in re.findall(r"[\d.]+,[\d.]+", long.path)]
    within = [y for x, y in points if passed.x <= x <= passed.x + WIDTH]
    assert len(set(within)) == 1
    assert not passed.y <= within[0] <= passed.y + HEIGHT


def test_texts_at_one_end_stand_above_one_another() -> None:
    found = Graph()
    for emitter in ("dc_a", "dc_b", "dc_c"):
        for listener in ("wh_d", "wh_e", "wh_f", "wh_g"):
            tie = found.tie(emitter, listener)
            assert tie is not None
            tie.channels.append("paid")
    places = [(line.x, line.y) for line in draw(found).lines]
    assert len(set(places)) == len(places) == 12
