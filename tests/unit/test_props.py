"""Configured props: what goes in, what is stored, merged, masked and refused."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core import secrets
from apps.core.errors import ApiError
from apps.sources.props import MASK, Configured, Previous, configure, schedule_of
from apps.sources.schedule import Schedule


def one(attributes: dict[str, Any], **given: Any) -> Any:
    """The stored value of the one prop `p`."""
    return configure([{"name": "p", **attributes}], given).plain.get("p")


def refused(attributes: dict[str, Any], value: Any) -> str:
    with pytest.raises(ApiError) as error:
        one(attributes, p=value)
    assert error.value.status == 400
    assert error.value.parameter == "configured_props.p"
    assert "p" in error.value.message
    return error.value.message


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("string", "a", "a"),
        ("string", "", ""),
        ("string[]", "a", ["a"]),
        ("string[]", [], []),
        ("integer", 12, 12),
        ("integer", "12", 12),
        ("integer", -5.0, -5),
        ("integer[]", "7", [7]),
        ("boolean", "true", True),
        ("boolean", False, False),
        ("boolean[]", ["false", True], [False, True]),
        ("object", {"b": [1, None]}, {"b": [1, None]}),
        ("$.airtable.baseId", "app1", "app1"),
        ("$.discord.channel[]", "c", ["c"]),
    ],
)
def test_values_and_their_coercion(kind: str, value: Any, stored: Any) -> None:
    found = one({"type": kind}, p=value)
    assert found == stored
    assert type(found) is type(stored)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", 5), ("string", ["a"]), ("string", {}), ("string", True),
        ("integer", "1.5"), ("integer", 1.5), ("integer", True), ("integer", "x"),
        ("integer", 10**30), ("integer", 2**53), ("integer", "٣"), ("integer", [1]),
        ("boolean", 1), ("boolean", "yes"), ("object", []), ("object", "{}"),
        ("string[]", [1]), ("integer[]", [1, "x"]), ("string[]", [["a"]]),
        ("string", "x" * 70_000), ("object", {"x": 10**30}), ("string", "\ud800"),
    ],
)  # fmt: skip
def test_values_that_are_refused(kind: str, value: Any) -> None:
    refused({"type": kind}, value)


def test_a_value_may_be_64_kb_as_json() -> None:
    assert len(one({"type": "string"}, p="x" * 65_534)) == 65_534
    assert "65536 bytes" in refused({"type": "string"}, "x" * 65_535)


def test_nesting_beyond_what_json_writers_take_is_refused() -> None:
    deep: Any = {}
    for _ in range(1000):
        deep = {"a": deep}
    refused({"type": "object"}, deep)


def test_required_optional_default() -> None:
    with pytest.raises(ApiError, match="p is required"):
        one({"type": "string"})
    with pytest.raises(ApiError, match="p is required"):
        one({"type": "string"}, p=None)
    assert one({"type": "string", "optional": True}) is None
    assert one({"type": "string", "default": "d"}) == "d"
    assert one({"type": "string", "default": "d"}, p=None) == "d"
    assert one({"type": "boolean", "default": False}) is False
    assert one({"type": "integer", "default": 0}) == 0


def test_bounds_are_inclusive() -> None:
    bounds = {"type": "integer", "min": 1, "max": 3}
    assert [one(bounds, p=n) for n in (1, 3)] == [1, 3]
    assert "at least 1" in refused(bounds, 0)
    assert "at most 3" in refused(bounds, 4)
    assert "at most 3" in refused({"type": "integer[]", "max": 3}, [1, 4])


def test_static_options_bind_and_remote_ones_do_not() -> None:
    labelled = [{"label": "One", "value": 1}, {"label": "Two", "value": 2}]
    assert one({"type": "integer", "options": labelled}, p="2") == 2
    refused({"type": "integer", "options": labelled}, 3)
    assert one({"type": "string[]", "options": ["a", "b"]}, p=["b", "a"]) == ["b", "a"]
    refused({"type": "string[]", "options": ["a", "b"]}, ["a", "c"])
    refused({"type": "boolean", "options": [1]}, True)
    assert one({"type": "string", "remoteOptions": True}, p="x") == "x"


def test_unknown_props_are_named() -> None:
    with pytest.raises(ApiError, match="'tpyo' is not a prop"):
        one({"type": "string"}, p="x", tpyo=1)
    with pytest.raises(ApiError, match="__proto__"):
        one({"type": "string"}, p="x", __proto__={})


TIMER = {"type": "$.interface.timer"}


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, {"cron": None, "interval_seconds": 3600}),
        ({"intervalSeconds": 60}, {"cron": None, "interval_seconds": 60}),
        ({"interval_seconds": 60, "cron": None}, {"cron": None, "interval_seconds": 60}),
        ({"cron": "0 0 * * *"}, {"cron": "0 0 * * *", "interval_seconds": None}),
        (
            {"cron": "0 0 * * *", "timezone": "Europe/Berlin"},
            {"cron": "0 0 * * *", "interval_seconds": None, "timezone": "Europe/Berlin"},
        ),
    ],
)
def test_timers(value: Any, stored: dict[str, Any]) -> None:
    assert one(TIMER, p=value) == stored
    # What was read can be written back.
    assert one(TIMER, p=stored) == stored


def test_the_default_of_a_timer_applies() -> None:
    assert one({**TIMER, "default": {"intervalSeconds": 900}})["interval_seconds"] == 900


@pytest.mark.parametrize(
    "value",
    [
        {}, 60, "60", [], {"intervalSeconds": 14}, {"intervalSeconds": "60"},
        {"intervalSeconds": 60, "cron": "* * * * *"}, {"cron": "* * * * * *"}, {"cron": 5},
        {"intervalSeconds": 60, "interval_seconds": 61}, {"cron": "* * * * *", "timezone": "Mars"},
        {"intervalSeconds": 60, "timezone": "UTC"}, {"intervalSeconds": 60, "extra": 1},
        {"intervalSeconds": 1e18}, {"cron": None, "interval_seconds": None},
    ],
)  # fmt: skip
def test_timers_that_are_refused(value: Any) -> None:
    refused(TIMER, value)


def test_schedule_of_stored_props() -> None:
    props = [{"name": "t", **TIMER}]
    plain = configure(props, {"t": {"cron": "0 0 * * *"}}).plain
    assert schedule_of(props, plain) == Schedule(None, "0 0 * * *", "UTC")
    assert schedule_of([], {}) is None


def test_http_and_stores_take_no_value() -> None:
    props = [{"name": "http", "type": "$.interface.http"}, {"name": "db", "type": "$.service.db"}]
    assert configure(props, {"http": {"endpoint_url": "x"}, "db": 5}) == Configured(
        {}, {}, True, None
    )


def test_app_props_need_an_account_unless_the_app_is_open() -> None:
    assert one({"type": "app", "app": "rss"}) is None
    assert one({"type": "app", "app": "github", "optional": True}) is None
    with pytest.raises(ApiError, match="account of github"):
        one({"type": "app", "app": "github"})
    refused({"type": "app", "app": "github"}, "apn_1")
    assert "no account" in refused({"type": "app", "app": "github"}, {"authProvisionId": "apn_1"})


SECRET = [{"name": "s", "type": "string", "secret": True}]


def test_secrets_are_stored_encrypted_and_apart() -> None:
    stored = configure(SECRET, {"s": "hunter22"})
    assert stored.plain == {}
    assert "hunter22" not in stored.secrets["s"]
    assert secrets.decrypt(stored.secrets["s"]) == "hunter22"


def test_the_mask_leaves_a_secret_alone() -> None:
    before = configure(SECRET, {"s": "hunter22"})
    previous = Previous(before.plain, before.secrets)
    for given in ({}, {"s": MASK}):
        assert configure(SECRET, given, previous).secrets == before.secrets
    assert configure(SECRET, {"s": "other"}, previous).secrets != before.secrets
    with pytest.raises(ApiError, match="s is required"):
        configure(SECRET, {"s": None}, previous)
    with pytest.raises(ApiError, match="s is required"):
        configure(SECRET, {"s": MASK})


def test_a_secret_of_another_key_is_not_opened(settings: Any) -> None:
    token = secrets.encrypt("x")
    settings.ENCRYPTION_KEYS = ("new",)
    with pytest.raises(secrets.Undecipherable):
        secrets.decrypt(token)
    settings.ENCRYPTION_KEYS = ("new", "only-for-tests")
    assert secrets.decrypt(token) == "x"


def test_an_update_merges_per_prop() -> None:
    props: list[dict[str, Any]] = [
        {"name": "a", "type": "string", "default": "x"},
        {"name": "b", "type": "integer"},
        {"name": "t", **TIMER, "default": {"intervalSeconds": 900}},
    ]
    before = configure(props, {"a": "mine", "b": 1, "t": {"intervalSeconds": 60}})
    previous = Previous(before.plain, before.secrets)
    merged = configure(props, {"b": 2, "a": None}, previous)
    assert merged.plain == {"a": "x", "b": 2, "t": {"cron": None, "interval_seconds": 60}}
    assert configure(props, {"t": None}, previous).timer == Schedule(interval_seconds=900)


def test_new_code_keeps_what_it_knows_and_drops_the_rest() -> None:
    previous = Previous({"a": "x", "gone": 1, "n": "text"}, {"s": secrets.encrypt("k")})
    props = [{"name": "a", "type": "string", "default": "new"}]
    assert configure(props, {}, previous) == Configured({"a": "x"}, {}, False, None)
    with pytest.raises(ApiError, match="n must be a whole number"):
        configure([{"name": "n", "type": "integer"}], {}, previous)
    # A secret never turns plain by itself; a plain value is sealed when it becomes a secret.
    with pytest.raises(ApiError, match="s is required"):
        configure([{"name": "s", "type": "string"}], {}, previous)
    sealed = configure([{"name": "a", "type": "string", "secret": True}], {}, previous)
    assert (sealed.plain, secrets.decrypt(sealed.secrets["a"])) == ({}, "x")
