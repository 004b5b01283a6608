"""Changing a source by a form: its props, its component."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.test import Client

from apps.accounts import connected
from apps.accounts.models import User
from apps.core import secrets
from apps.sources.models import Source
from tests.admin.operating import address, text
from tests.admin.test_source_actions import PROPS, ada, client, last_change, olga, row, source
from tests.services import making

__all__ = ["ada", "client", "olga", "source"]  # fixtures

pytestmark = pytest.mark.django_db


def filled(client: Client, where: str) -> dict[str, str]:
    """What the form at the address sends when nothing is changed."""
    answer = client.get(where)
    assert answer.status_code == 200
    form = answer.context["form"]
    return {field.html_name: field.value() or "" for field in form}


def named(client: Client, where: str, prop: str) -> str:
    """The field of a prop."""
    form = client.get(where).context["form"]
    return next(str(field.html_name) for field in form if field.label == prop)


# --- props ----------------------------------------------------------------------------------


def change(client: Client, source: Source, **props: str) -> Any:
    where = address(source, "props")
    data = filled(client, where)
    for name, value in props.items():
        data[name if name in data else named(client, where, name)] = value
    return client.post(where, data)


def test_props_are_changed_and_secrets_stay(client: Client, source: Source, olga: User) -> None:
    page = text(client.get(address(source, "props")))
    assert "hunter22" not in page
    assert source.secret_props["token"] not in page
    answer = change(client, source, city="Bonn", days="3", tags='["a","b"]')
    assert answer.status_code == 302
    now = row(source)
    assert (now.configured_props["city"], now.configured_props["days"]) == ("Bonn", 3)
    assert now.configured_props["tags"] == ["a", "b"]
    assert now.secret_props == source.secret_props
    assert (last_change(source).kind, last_change(source).actor) == ("props_changed", olga.id)


def test_a_secret_is_given_anew(client: Client, source: Source) -> None:
    change(client, source, token="swordfish")
    assert secrets.decrypt(row(source).secret_props["token"]) == "swordfish"


def test_the_timer_and_the_name_and_limits(client: Client, source: Source) -> None:
    change(client, source, timer='{"intervalSeconds": 60}', name="Rain", concurrency="4")
    now = row(source)
    assert making.timer(now).interval_seconds == 60
    assert (now.name, now.concurrency, now.rate_limit) == ("Rain", 4, None)


def test_an_account_of_the_owner_is_chosen(client: Client, source: Source, ada: User) -> None:
    mine = connected.create(ada, "github", "mine", {"token": "t"})
    theirs = connected.create(making.user("bob"), "github", "theirs", {"token": "t"})
    assert theirs.id not in text(client.get(address(source, "props")))
    change(client, source, github=mine.id)
    assert row(source).configured_props["github"] == {"authProvisionId": mine.id}


def test_nothing_changed_is_no_entry(client: Client, source: Source) -> None:
    assert change(client, source).status_code == 302
    assert row(source).version == source.version


@pytest.mark.parametrize(
    ("prop", "value", "says"),
    [
        ("days", "9", "days must be at most 7"),
        ("days", '"many"', "days must be a whole number"),
        ("tags", "[1", "this is no JSON"),
        ("timer", '{"cron": "x"}', "timer"),
        ("city", "", "city is required"),
    ],
)
def test_errors_stand_at_their_field(
    client: Client, source: Source, prop: str, value: str, says: str
) -> None:
    answer = change(client, source, **{prop: value})
    assert answer.status_code == 200
    form = answer.context["form"]
    assert says in str(form.errors[named(client, address(source, "props"), prop)])
    assert row(source).version == source.version


# --- versions -------------------------------------------------------------------------------


def test_move_to_another_version(client: Client, source: Source, ada: User, olga: User) -> None:
    newer = making.component(ada, *PROPS, key="weather", version="0.0.2")
    where = address(source, "version")
    assert "0.0.2" in text(client.get(where))
    assert client.post(where, {"version": newer.id}).status_code == 302
    now = row(source)
    assert now.component_id == newer.id
    assert now.configured_props == source.configured_props
    assert (last_change(source).kind, last_change(source).actor) == ("code_changed", olga.id)


def test_move_to_any_component_with_the_props_it_needs(
    client: Client, source: Source, ada: User
) -> None:
    other = making.component(ada, making.TIMER, {"name": "street", "type": "string"})
    where = address(source, "version")
    refused = client.post(where, {"other": other.id})
    assert "street is required" in str(refused.context["form"].errors["configured_props"])
    assert row(source).component_id == source.component_id
    given = orjson.dumps({"street": "Main"}).decode()
    assert client.post(where, {"other": other.id, "configured_props": given}).status_code == 302
    assert row(source).configured_props["street"] == "Main"


def test_no_component_of_somebody_else(client: Client, source: Source) -> None:
    foreign = making.component(making.user("bob"), *PROPS, key="weather", version="6.6.6")
    where = address(source, "version")
    assert "6.6.6" not in text(client.get(where))
    for other in (foreign.id, "sc_nobody", "\x00"):
        assert client.post(where, {"other": other}).status_code == 200
    assert row(source).component_id == source.component_id
