"""App hooks: which events a source asks for (component specification 5.3)."""

from __future__ import annotations

from tests.runtime.javascript.driver import Child

HEAD = "const zoom = { type: 'app', app: 'zoom' };"


def component(names: str, more: str = "") -> str:
    hook = f"{{ type: '$.interface.apphook', appProp: 'zoom', {names} }}"
    return f"""{HEAD} module.exports = {{
      props: {{ zoom, wanted: "string[]", hook: {hook} }},
      {more} run(event) {{ this.$emit([this.hook, event]); }} }};"""


def test_names_that_stand_in_the_code_are_described(child: Child) -> None:
    described = child.describe(component("eventNames: ['a.b'], static: []"))
    assert described["hooks"] == []
    assert described["props"][2] == {
        "name": "hook",
        "type": "$.interface.apphook",
        "appProp": "zoom",
        "eventNames": ["a.b"],
        "static": [],
    }
    assert child.invoke({"payload": 1}).emitted == [
        [{"type": "$.interface.apphook"}, {"payload": 1}]
    ]
    assert child.invoke(entry="activate").of("set") == []


def test_a_function_is_called_with_the_instance_at_activation(child: Child) -> None:
    described = child.describe(component("async eventNames() { return this.wanted }"))
    assert described["hooks"] == ["activate"]
    assert described["props"][2]["remoteEventNames"] is True
    result = child.invoke(entry="activate", props={"wanted": ["a.b", "c"]})
    [change] = result.of("set")
    assert (change.header["key"], change.value) == ("$apphook", {"hook": ["a.b", "c"]})
    assert child.invoke(props={"wanted": ["a.b"]}).of("set") == []


def test_the_component_s_own_hook_comes_first(child: Child) -> None:
    child.describe(
        component(
            "eventNames() { return [this.state.name] }",
            "hooks: { activate() { this.state = { name: 'set by the hook' } } },",
        )
    )
    [change] = child.invoke(entry="activate").of("set")
    assert change.value == {"hook": ["set by the hook"]}


def test_names_that_are_none_fail_the_activation(child: Child) -> None:
    child.describe(component("eventNames() { return [1] }"))
    assert "hook: eventNames" in child.invoke(entry="activate").error["message"]


def test_no_names_are_an_empty_list(child: Child) -> None:
    child.describe(component("eventNames() {}"))
    [change] = child.invoke(entry="activate").of("set")
    assert change.value == {"hook": []}
