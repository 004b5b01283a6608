"""Words of the command line as props."""

from __future__ import annotations

from typing import Any

import pytest

from headwater_cli.props import Given, WrongProps, configured, duration, value_of

TIMER = [{"name": "beat", "type": "$.interface.timer"}]


@pytest.mark.parametrize(
    ("texts", "kind", "value"),
    [
        (["12"], "string", "12"),
        (["true"], "string", "true"),
        (["12"], "integer", 12),
        (["twelve"], "integer", "twelve"),
        (["NaN"], "integer", "NaN"),
        (["true"], "boolean", True),
        (["yes"], "boolean", "yes"),
        (['{"a": 1}'], "object", {"a": 1}),
        (["a"], "string[]", ["a"]),
        (["a", "1"], "string[]", ["a", "1"]),
        (['["a", "b"]'], "string[]", ["a", "b"]),
        (["[a"], "string[]", ["[a"]),
        (["1", "2"], "integer[]", [1, 2]),
        (["apn_2kVhLR"], "app", {"authProvisionId": "apn_2kVhLR"}),
        (["mine"], "app", "mine"),
        (["a", "b"], "string", "b"),
        (["12"], "", "12"),
        ([""], "string", ""),
    ],
)
def test_a_value_is_what_the_type_wants_where_it_can_be(
    texts: list[str], kind: str, value: Any
) -> None:
    found = value_of(texts, kind)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("2d", 172_800), ("1D2h", 93_600)],
)
def test_a_time(text: str, seconds: int) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "soon", "5 m", "-5m", "1.5h", "1m1h", "m"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time such as"):
        duration(text)


def test_options_stand_over_the_file() -> None:
    given = Given(["a=x=y"], {"a": "of the file", "b": None}, every=60, unset=["c"])
    props = [*TIMER, {"name": "a", "type": "string"}]
    timer = {"intervalSeconds": 60}
    assert configured(given, props) == {"a": "x=y", "b": None, "c": None, "beat": timer}


def test_a_cron_line_and_its_zone() -> None:
    assert configured(Given(cron="0 6 * * *"), TIMER) == {"beat": {"cron": "0 6 * * *"}}
    timer = {"cron": "0 6 * * *", "timezone": "Asia/Tokyo"}
    assert configured(Given(cron="0 6 * * *", timezone="Asia/Tokyo"), TIMER) == {"beat": timer}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Given(["secret"]), "--prop takes NAME=VALUE"),
        (Given(["=secret"]), "--prop takes NAME=VALUE"),
        (Given(every=60, cron="0 * * * *"), "exclude each other"),
        (Given(every=60, timezone="UTC"), "goes with --cron"),
    ],
    ids=["pair", "nameless", "both", "zone"],
)
def test_what_makes_no_props(given: Given, message: str) -> None:
    with pytest.raises(WrongProps, match=message) as caught:
        configured(given, TIMER)
    assert "secret" not in str(caught.value)


def test_a_component_without_a_timer_takes_none() -> None:
    with pytest.raises(WrongProps, match="has no timer"):
        configured(Given(every=60), [])
