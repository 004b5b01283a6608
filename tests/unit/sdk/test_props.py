"""What a component class declares, as `configurable_props` lists it."""

from __future__ import annotations

from typing import Any

import pytest
from headwater import (
    App,
    AppHook,
    BooleanListProp,
    BooleanProp,
    ComponentError,
    Dedupe,
    Http,
    IntegerListProp,
    IntegerProp,
    ObjectProp,
    Option,
    OptionsContext,
    OptionsPage,
    Source,
    Store,
    StringListProp,
    StringProp,
    Timer,
)
from headwater._describe import describe


class GitHub(App):
    slug = "github"
    repo = StringProp(label="Repository", description="One of yours.")

    @repo.options
    def repos(self, ctx: OptionsContext) -> OptionsPage:
        return OptionsPage([f"{ctx.inputs['org']}/{ctx.page}"], {"cursor": "x"})


def test_every_type_is_listed_as_a_javascript_component_would() -> None:
    class All(Source):
        name = "All"
        key = "all"
        version = "1.2.3"
        description = "Everything."
        dedupe = Dedupe.GREATEST
        github = GitHub()
        org = StringProp(label="Org", secret=True, options=["a", Option("B", "b")])
        repo = GitHub.repo.use(inputs=lambda c: {"org": c.org}, optional=True)
        count = IntegerProp(min=1, max=0, default=0, description="How many.")
        flag = BooleanProp(default=False)
        extra = ObjectProp(optional=True)
        words = StringListProp(options=lambda self, ctx: [], use_query=True)
        numbers = IntegerListProp(default=[1, 2])
        flags = BooleanListProp(hidden=True, disabled=True)
        timer = Timer(interval_seconds=900)
        http = Http(custom_response=True)
        db = Store()
        hook = AppHook(app="github", events=["push"])

        def run(self, event: Any) -> None: ...
        def on_activate(self) -> None: ...

    assert describe(All) == {
        "name": "All",
        "key": "all",
        "version": "1.2.3",
        "description": "Everything.",
        "type": "source",
        "dedupe": "greatest",
        "hooks": ["activate"],
        "props": [
            {"name": "github", "type": "app", "app": "github"},
            {
                "name": "org",
                "type": "string",
                "label": "Org",
                "secret": True,
                "options": ["a", {"label": "B", "value": "b"}],
            },
            {
                "name": "repo",
                "type": "string",
                "label": "Repository",
                "description": "One of yours.",
                "optional": True,
                "remoteOptions": True,
            },
            {
                "name": "count",
                "type": "integer",
                "description": "How many.",
                "default": 0,
                "min": 1,
                "max": 0,
            },
            {"name": "flag", "type": "boolean", "default": False},
            {"name": "extra", "type": "object", "optional": True},
            {"name": "words", "type": "string[]", "useQuery": True, "remoteOptions": True},
            {"name": "numbers", "type": "integer[]", "default": [1, 2]},
            {"name": "flags", "type": "boolean[]", "disabled": True, "hidden": True},
            {"name": "timer", "type": "$.interface.timer", "default": {"intervalSeconds": 900}},
            {"name": "http", "type": "$.interface.http", "customResponse": True},
            {"name": "db", "type": "$.service.db"},
            {
                "name": "hook",
                "type": "$.interface.apphook",
                "appProp": "github",
                "eventNames": ["push"],
            },
        ],
    }


@pytest.mark.parametrize(
    ("timer", "default"),
    [
        (Timer(cron="0 0 * * *"), {"cron": "0 0 * * *"}),
        (
            Timer(cron="0 0 * * *", timezone="Europe/Berlin"),
            {"cron": "0 0 * * *", "timezone": "Europe/Berlin"},
        ),
        (Timer(), None),
    ],
)
def test_the_default_of_a_timer(timer: Timer, default: Any) -> None:
    class Ticking(Source):
        name = "t"
        clock = timer

        def run(self) -> None: ...

    (prop,) = describe(Ticking)["props"]
    expected = {"name": "clock", "type": "$.interface.timer"}
    assert prop == (expected if default is None else {**expected, "default": default})


def test_a_definition_of_an_app_needs_the_app() -> None:
    class Lost(Source):
        name = "lost"
        repo = GitHub.repo.use()

        def run(self) -> None: ...

    with pytest.raises(ComponentError, match="repo: the component declares no GitHub app"):
        describe(Lost)


def test_using_a_definition_leaves_the_original_alone() -> None:
    changed = GitHub.repo.use(label="Other")
    assert changed.attributes["label"] == "Other"
    assert GitHub.repo.attributes["label"] == "Repository"
    assert changed.attributes["options"] is GitHub.repo.attributes["options"]


@pytest.mark.parametrize("name", ["emit", "log", "run", "source_id", "platform", "on_deploy", "_x"])
def test_names_that_the_platform_uses_are_refused(name: str) -> None:
    def run(self: Source) -> None: ...

    attributes = {"name": "x", "run": run, name: StringProp()}
    with pytest.raises(ComponentError):
        describe(type("Clash", (Source,), attributes))


def test_a_prop_taken_from_nowhere_is_refused() -> None:
    with pytest.raises(ComponentError, match="App class"):
        StringProp().use()
    with pytest.raises(ComponentError, match="'secret'"):
        IntegerProp(secret=True)  # type: ignore[call-overload]
