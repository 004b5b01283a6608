"""Options functions of JavaScript components: component specification 3.3, 3.4."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.javascript.driver import Child
from tests.runtime.javascript.test_protocol import ROOT, examples, send

COMPONENT = """
const github = {
  type: "app",
  app: "github",
  propDefinitions: {
    org: { type: "string" },
    repo: {
      type: "string",
      useQuery: true,
      async options({ page, prevContext, query, org }) {
        return {
          options: [{ label: this.prefix(org), value: page }, query ?? "none"],
          context: { seen: (prevContext.seen || 0) + 1 },
        };
      },
    },
  },
  methods: { prefix(name) { return `${this.$auth.token}/${name}`; } },
};
const letters = function ({ page }) { return [this.upper(this.org), page, true, 1.5]; };
module.exports = {
  name: "c",
  methods: { upper: (text) => text.toUpperCase() },
  props: {
    github,
    org: { propDefinition: [github, "org"] },
    repo: { propDefinition: [github, "repo", (c) => ({ org: c.org })] },
    named: { propDefinition: ["github", "repo", { org: "fixed", page: 9 }] },
    mine: { propDefinition: [github, "repo"], options: letters },
    letter: { type: "string", options: letters },
    inline: { type: "string", async options(given) { BODY } },
    plain: { type: "string", options: ["x"] },
    db: "$.service.db",
    http: "$.interface.http",
  },
  run() { this.$emit(process.env.PD_COMPONENT); },
};
"""
PROPS = {"github": {"auth": {"token": "t"}}, "org": "acme"}


def component(body: str = "return [];") -> str:
    return COMPONENT.replace("BODY", body)


def test_case_14_function_of_an_app_sees_app_inputs_context_and_query(child: Child) -> None:
    child.describe(component())
    first = child.options("repo", PROPS).page
    second = child.options("repo", PROPS, page=1, prev_context=first["context"], query="é").page
    assert first == {
        "items": [{"label": "t/acme", "value": 0}, {"label": "none", "value": "none"}],
        "context": {"seen": 1},
    }
    assert second["items"] == [{"label": "t/acme", "value": 1}, {"label": "é", "value": "é"}]
    assert second["context"] == {"seen": 2}


def test_inputs_may_be_an_object_and_do_not_hide_the_page(child: Child) -> None:
    child.describe(component())
    items = child.options("named", PROPS).page["items"]
    assert items[0] == {"label": "t/fixed", "value": 0}


@pytest.mark.parametrize("name", ["letter", "mine"])
def test_function_of_the_component_sees_the_instance(child: Child, name: str) -> None:
    child.describe(component())
    assert child.options(name, PROPS, page=3).page == {
        "items": [
            {"label": "ACME", "value": "ACME"},
            {"label": "3", "value": 3},
            {"label": "true", "value": True},
            {"label": "1.5", "value": 1.5},
        ],
        "context": None,
    }


def test_the_argument_has_no_query_unless_one_was_typed(child: Child) -> None:
    child.describe(component("return Object.keys(given);"))
    items = child.options("inline", PROPS).page["items"]
    assert [item["value"] for item in items] == ["page", "prevContext"]
    items = child.options("inline", PROPS, query="").page["items"]
    assert [item["value"] for item in items] == ["page", "prevContext", "query"]


@pytest.mark.parametrize(
    ("body", "items"),
    [
        ("return [{ label: 1, value: 2 }, { value: 'v' }];", [("1", 2), ("v", "v")]),
        ("return { options: ['x'], context: undefined };", [("x", "x")]),
        ("return undefined;", []),
        ("return null;", []),
        ("return { options: [] };", []),
    ],
)
def test_every_form_of_an_answer(child: Child, body: str, items: list[tuple[str, object]]) -> None:
    child.describe(component(body))
    page = child.options("inline", PROPS).page
    assert [(item["label"], item["value"]) for item in page["items"]] == items


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("throw new Error('no such org');", "no such org"),
        ("return 'text';", "options: a list, or an object with options and context"),
        ("return ['x', null];", "options[1]: a value must be a scalar, not null"),
        ("return [{ label: 'x', value: {} }];", "options[0]: a value must be a scalar, not object"),
        ("return [NaN];", "options[0]: a value must be a scalar, not number"),
        ("return { options: [], context: 'next' };", "context: an object, not string"),
        ("this.$emit(1);", "emit: an options function only answers its choices"),
        ("this.db.set('a', 1);", "set: an options function only answers its choices"),
        ("this.http.respond({});", "respond: an options function only answers its choices"),
        ("await new Promise(() => {});", "the run waits for something that can no longer happen"),
    ],
)
def test_failures_are_errors_with_their_message(child: Child, body: str, message: str) -> None:
    child.describe(component(body))
    result = child.options("inline", PROPS)
    assert result.error["message"] == message
    assert len(result.frames) == 1
    assert child.options("letter", PROPS).page["items"]


@pytest.mark.parametrize("name", ["plain", "nothing", "github", "db"])
def test_prop_without_a_function(child: Child, name: str) -> None:
    child.describe(component())
    assert child.options(name, PROPS).error["message"] == f"{name} has no options function"


def test_the_store_is_empty_output_is_taken_and_no_source_is_named(child: Child) -> None:
    child.describe(
        component(
            "console.log('asked');"
            " return [String(this.db.get('count')), String('PD_COMPONENT' in process.env)];"
        )
    )
    assert child.invoke(store={"count": 1}, props=PROPS).emitted == ["dc_1"]
    result = child.options("inline", PROPS)
    assert [item["value"] for item in result.page["items"]] == ["undefined", "false"]
    assert result.printed == [("info", "asked")]
    assert child.invoke(props=PROPS).emitted == ["dc_1"]


def test_an_app_that_is_no_prop_of_the_component_has_no_credentials(child: Child) -> None:
    code = component().replace("    github,\n", "").replace('["github"', "[github")
    child.describe(code)
    assert child.options("repo", {"org": "acme"}).page["items"][0]["label"] == "undefined/acme"


def test_frames_of_the_examples(child: Child) -> None:
    child.describe(Path(ROOT / "tests/fixtures/options_component.js").read_text())
    asked, answers = examples("to_child", "options"), examples("to_platform", "options")
    for question, answer in zip(asked, answers, strict=True):
        send(child, question)
        frame, done = child.rest(question["header"]["run"]).frames
        assert frame.header == answer["header"]
        assert [part.decode() for part in frame.parts] == answer["parts"]
        assert done.header["ok"]
