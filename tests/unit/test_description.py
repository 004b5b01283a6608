"""What a component says of itself: what is kept, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from apps.components.description import input_type, validate
from apps.core.errors import ApiError
from apps.runs.contract import Description
from apps.sources.props import check_timer_default


def make(**changes: Any) -> Description:
    facts: dict[str, Any] = {
        "name": "RSS", "key": "rss-new", "version": "0.0.1", "description": None,
        "type": "source", "dedupe": "unique", "props": [], "hooks": [],
    }  # fmt: skip
    return validate(Description(**(facts | changes)), check_timer_default)


def prop(**attributes: Any) -> dict[str, Any]:
    """The one prop `p` after validation."""
    return make(props=[{"name": "p", **attributes}]).props[0]


@pytest.mark.parametrize(
    "kind",
    [
        "string", "string[]", "integer", "integer[]", "boolean", "boolean[]", "object",
        "$.interface.timer", "$.interface.http", "$.service.db", "$.airtable.baseId",
        "$.discord.channel[]",
    ],
)  # fmt: skip
def test_known_types(kind: str) -> None:
    assert prop(type=kind)["type"] == kind


@pytest.mark.parametrize(
    "kind", ["any", "data_store", "object[]", "String", "", None, 5, "$.service", "$.airtable.x.y"]
)
def test_unknown_types(kind: object) -> None:
    with pytest.raises(ApiError) as refused:
        prop(type=kind)
    assert (refused.value.status, refused.value.parameter) == (400, "props.p")


def test_early_spellings() -> None:
    assert prop(type="number") == {"name": "p", "type": "integer"}
    assert prop(type="secret") == {"name": "p", "type": "string", "secret": True}


def test_pickers_hold_text() -> None:
    assert input_type("$.airtable.tableId") == "string"
    assert input_type("$.discord.channel[]") == "string[]"
    assert input_type("$.interface.http") is None


def test_attributes_keep_their_names_and_order() -> None:
    given = {"name": "p", "type": "string", "label": "L", "useQuery": True, "remoteOptions": True,
             "somethingElse": {"b": 1, "a": 2}}  # fmt: skip
    kept = make(props=[given]).props[0]
    assert list(kept.items()) == list(given.items())


APPHOOK = {"name": "hook", "type": "$.interface.apphook", "appProp": "zoom"}


@pytest.mark.parametrize("names", [{}, {"eventNames": ["x"]}, {"remoteEventNames": True}])
def test_app_hooks_name_an_app_prop_wherever_it_stands(names: dict[str, Any]) -> None:
    hook, app = {**APPHOOK, **names}, {"name": "zoom", "type": "app", "app": "zoom_app"}
    assert make(props=[hook, app]).props == [hook, app]


@pytest.mark.parametrize(
    "wrong",
    [{"appProp": "other"}, {"appProp": "text"}, {"appProp": None}, {"eventNames": "x"},
     {"eventNames": [1]}],
)  # fmt: skip
def test_app_hooks_that_are_refused(wrong: dict[str, Any]) -> None:
    props = [
        {"name": "zoom", "type": "app", "app": "zoom"},
        {"name": "text", "type": "string"},
        {**APPHOOK, **wrong},
    ]
    with pytest.raises(ApiError) as refused:
        make(props=props)
    assert (refused.value.status, refused.value.parameter) == (400, "props.hook")


@pytest.mark.parametrize(
    "name", ["__proto__", "constructor", "__class__", "prototype", "run", "", "a b", "1a", None,
             "a\x00", "é", "x" * 129]
)  # fmt: skip
def test_names_of_props_that_are_refused(name: object) -> None:
    with pytest.raises(ApiError) as refused:
        make(props=[{"name": name, "type": "string"}])
    assert refused.value.status == 400
    assert (refused.value.parameter or "").startswith("props")


@pytest.mark.parametrize(
    "attributes",
    [
        {"type": "string", "min": 1},
        {"type": "integer", "min": "1"},
        {"type": "integer", "max": True},
        {"type": "integer", "secret": True},
        {"type": "string", "optional": "yes"},
        {"type": "string", "label": 5},
        {"type": "string", "options": "abc"},
        {"type": "string", "options": [{"label": "x"}]},
        {"type": "string", "options": [["x"]]},
        {"type": "string", "propDefinition": ["github", "repo"]},
        {"type": "app"},
        {"type": "app", "app": ""},
        {"type": "string", "default": "a\x00b"},
        {"type": "$.interface.timer", "default": {"intervalSeconds": 14}},
        {"type": "$.interface.timer", "default": {"cron": "* * * * * *"}},
        {"type": "$.interface.timer", "default": {"cron": "0 0 30 2 *"}},
        {"type": "$.interface.timer", "default": {}},
        {"type": "$.interface.timer", "default": 60},
    ],
)
def test_attributes_that_are_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refused:
        prop(**attributes)
    assert refused.value.parameter == "props.p"


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": None}, "name"),
        ({"name": 5}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"name": "x" * 401}, "name"),
        ({"key": 5}, "key"),
        ({"version": 1}, "version"),
        ({"description": "\ud800"}, "description"),
        ({"type": "action"}, "type"),
        ({"type": 5}, "type"),
        ({"dedupe": "all"}, "dedupe"),
        ({"dedupe": ["unique"]}, "dedupe"),
        ({"hooks": ["install"]}, "hooks"),
        ({"hooks": [["deploy"]]}, "hooks"),
        ({"hooks": None}, "hooks"),
        ({"props": "x"}, "props"),
        ({"props": ["x"]}, "props"),
        ({"props": [{"name": f"p{i}", "type": "string"} for i in range(201)]}, "props"),
    ],
)
def test_components_that_are_refused(changes: dict[str, Any], parameter: str) -> None:
    with pytest.raises(ApiError) as refused:
        make(**changes)
    assert (refused.value.status, refused.value.parameter) == (400, parameter)
    assert parameter in refused.value.message


def test_a_prop_declared_twice_and_two_timers() -> None:
    for second in ({"name": "a", "type": "string"}, {"name": "b", "type": "$.interface.timer"}):
        with pytest.raises(ApiError) as refused:
            make(props=[{"name": "a", "type": "$.interface.timer"}, second])
        assert refused.value.parameter == f"props.{second['name']}"


def test_absent_type_and_version_are_fine() -> None:
    kept = make(type="", version="", key="", hooks=["deactivate", "activate"])
    assert (kept.type, kept.version, kept.key) == ("source", "", None)
    assert kept.hooks == ["activate", "deactivate"]
