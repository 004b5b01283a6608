"""Creating sources: what is stored, what is shown, when the timer is due."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from apps.core.clock import app_now
from apps.core.errors import ApiError
from apps.runs import lifecycle
from apps.runs.models import Actor, ComponentState
from apps.sources import props
from apps.sources.models import Source
from apps.sources.resolving import resolved
from tests.services import making

pytestmark = pytest.mark.django_db

URL = {"name": "url", "type": "string"}


def test_create_with_an_interval_is_due_at_once() -> None:
    ada = making.user()
    made = making.source(
        ada,
        making.component(ada, URL, making.TIMER),
        configured_props={"url": "https://example.org", "timer": {"intervalSeconds": 15}},
    )
    assert made.state == Source.State.ACTIVE
    assert made.configured_props == {
        "url": "https://example.org",
        "timer": {"cron": None, "interval_seconds": 15},
    }
    timer = making.timer(made)
    assert timer.interval_seconds == 15
    assert timer.next_fire_at is not None
    assert timer.next_fire_at <= app_now()
    assert making.kinds(made) == ["deployed"]
    assert Actor.objects.filter(source_id=made.id).exists()
    assert bytes(ComponentState.objects.get(source_id=made.id).store) == b"{}"


def test_create_with_cron_is_due_at_its_next_match() -> None:
    ada = making.user()
    made = making.source(
        ada, configured_props={"timer": {"cron": "0 0 1 1 *", "timezone": "Asia/Tokyo"}}
    )
    timer = making.timer(made)
    assert (timer.cron, timer.timezone) == ("0 0 1 1 *", "Asia/Tokyo")
    assert timer.next_fire_at is not None
    assert timer.next_fire_at > app_now() + timedelta(minutes=1)
    assert (timer.next_fire_at.month, timer.next_fire_at.hour) == (12, 15)


def test_an_inactive_source_is_never_due() -> None:
    made = making.source(making.user(), active=False)
    assert made.state == Source.State.INACTIVE
    assert making.timer(made).next_fire_at is None


def test_the_name_falls_back_to_the_slug_of_the_component() -> None:
    ada = making.user()
    ticker = making.component(ada)
    made = [making.source(ada, ticker) for _ in range(3)]
    assert [(one.name, one.name_slug) for one in made] == [
        ("ticker", "ticker"), ("ticker-1", "ticker-1"), ("ticker-2", "ticker-2"),
    ]  # fmt: skip


def test_slugs_are_free_again_after_deletion_and_taken_per_user() -> None:
    ada, bob = making.user(), making.user("bob")
    first = making.source(ada, name="My Component")
    assert making.source(ada, name="my component!", active=False).name_slug == "my-component-1"
    assert making.source(bob, name="My Component").name_slug == "my-component"
    lifecycle.delete(first, ada.id)
    assert making.source(ada, name="My Component").name_slug == "my-component"


@pytest.mark.parametrize("name", ["", "   ", "a\x00b", "x" * 401, "a\nb", "abc\u202etxt", "\ud800"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(ApiError) as refused:
        making.source(making.user(), name=name)
    assert (refused.value.status, refused.value.parameter) == (400, "name")
    assert not Source.objects.exists()


def test_what_is_shown_and_what_the_child_gets() -> None:
    ada = making.user()
    made = making.source(
        ada,
        making.component(
            ada,
            {"name": "db", "type": "$.service.db"},
            {"name": "http", "type": "$.interface.http", "customResponse": True},
            {"name": "token", "type": "string", "secret": True},
            {"name": "other", "type": "string", "secret": True, "optional": True},
            {"name": "count", "type": "integer", "default": 3},
        ),
        configured_props={"token": "hunter22", "http": {"endpoint_url": "https://ignored"}},
    )
    url = props.endpoint_url(made)
    assert url.startswith("http://127.0.0.1:")
    assert len(url.rsplit("/h/", 1)[1]) >= 24
    assert props.shown(made) == {
        "http": {"endpoint_url": url},
        "token": "********",
        "other": None,
        "count": 3,
    }
    assert "hunter22" not in str(made.secret_props)
    found = resolved(made, made.component)
    assert orjson.loads(found.props) == {
        "http": {"endpoint": url, "custom_response": True},
        "token": "hunter22",
        "count": 3,
    }
    assert found.masked == ("hunter22",)


def test_only_the_owner_sees_a_source() -> None:
    ada, bob = making.user(), making.user("bob")
    made = making.source(ada)
    assert lifecycle.visible(ada, made.id) == made
    for user, source_id in [(bob, made.id), (ada, "dc_000000"), (ada, "dc_\x00"), (ada, "")]:
        with pytest.raises(ApiError) as refused:
            lifecycle.visible(user, source_id)
        assert refused.value.status == 404
