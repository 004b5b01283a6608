"""What a component says of itself when loaded."""

# ruff: noqa: E501 (lines of JavaScript)

from __future__ import annotations

from tests.runtime.javascript.driver import Child


def test_a_full_component(child: Child) -> None:
    assert child.describe(
        """
        const github = {
          type: "app", app: "github",
          propDefinitions: {
            repo: { type: "string", label: "Repository", useQuery: true,
                    async options({ page }) { return [] } },
          },
          methods: { list() {} },
        };
        module.exports = {
          name: "New commit", key: "github-new-commit", version: "0.0.2",
          description: "Emits each commit.", type: "source", dedupe: "unique",
          methods: { help() {} },
          props: {
            db: "$.service.db",
            github,
            repo: { propDefinition: [github, "repo", (c) => ({ org: c.org })], optional: true },
            other: { propDefinition: ["github", "repo"], label: "Other" },
            timer: { type: "$.interface.timer", label: "Every", default: { intervalSeconds: 900 } },
            http: { type: "$.interface.http", customResponse: true },
            count: { type: "integer", min: 1, max: 10, default: 3, secret: undefined },
            pick: { type: "string[]", options: ["a", { label: "B", value: "b" }] },
            when: { type: "string", default: new Date(0) },
          },
          hooks: { async activate() {}, deploy() {}, other() {} },
          async run(event) {},
        };
        """
    ) == {
        "name": "New commit",
        "key": "github-new-commit",
        "version": "0.0.2",
        "description": "Emits each commit.",
        "type": "source",
        "dedupe": "unique",
        "props": [
            {"name": "db", "type": "$.service.db"},
            {"name": "github", "type": "app", "app": "github"},
            {
                "name": "repo",
                "type": "string",
                "label": "Repository",
                "useQuery": True,
                "remoteOptions": True,
                "optional": True,
            },
            {
                "name": "other",
                "type": "string",
                "label": "Other",
                "useQuery": True,
                "remoteOptions": True,
            },
            {
                "name": "timer",
                "type": "$.interface.timer",
                "label": "Every",
                "default": {"intervalSeconds": 900},
            },
            {"name": "http", "type": "$.interface.http", "customResponse": True},
            {"name": "count", "type": "integer", "min": 1, "max": 10, "default": 3},
            {"name": "pick", "type": "string[]", "options": ["a", {"label": "B", "value": "b"}]},
            {"name": "when", "type": "string", "default": "1970-01-01T00:00:00.000Z"},
        ],
        "hooks": ["deploy", "activate"],
    }


def test_what_is_left_out_has_a_default(child: Child) -> None:
    assert child.describe("module.exports = { name: 'x', run() {} };") == {
        "name": "x",
        "version": "",
        "type": "source",
        "props": [],
        "hooks": [],
    }


def test_props_keep_their_order_and_the_type_of_an_action_is_told(child: Child) -> None:
    description = child.describe(
        "module.exports = { type: 'action', props: { z: 'string', a: 'string', m: 'boolean' }, run() {} };"
    )
    assert [prop["name"] for prop in description["props"]] == ["z", "a", "m"]
    assert description["type"] == "action"


def test_a_broken_reference_names_the_prop_and_the_definition(child: Child) -> None:
    error = child.failure(
        """
        const twitter = { type: "app", app: "twitter", propDefinitions: {} };
        module.exports = { props: { twitter, user: { propDefinition: [twitter, "user"] } }, run() {} };
        """
    )
    assert error["code"] == "load_failed"
    assert error["message"] == (
        'prop "user" refers to the definition "user" of twitter, which does not exist'
    )


def test_an_attribute_that_json_cannot_hold_is_named(child: Child) -> None:
    error = child.failure(
        "module.exports = { props: { a: { type: 'string', default: 1n } }, run() {} };"
    )
    assert error["message"] == 'prop "a", default is a BigInt, which JSON cannot hold'
