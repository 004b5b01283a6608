"""POST /components/{id}/props/{name}/options: component specification 3.3, 3.4 and case 14."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse

from apps.components.models import Component
from apps.runs import asking
from apps.runs.models import Operation
from tests.api.conftest import Api, assert_error, body_of, make_caller
from tests.api.worker import Worker
from tests.services import making

pytestmark = pytest.mark.django_db(transaction=True)

PYTHON = """
from headwater import *

class GitHub(App):
    slug = "http"
    repo = StringProp(use_query=True)

    @repo.options
    def list_repos(self, ctx):
        if ctx.page == 2:
            return []
        seen = ctx.prev_context.get("seen", [])
        return OptionsPage(
            [Option(f"{ctx.inputs['org']} {ctx.page}", ctx.page), ctx.query or "no query"],
            {"seen": [*seen, ctx.page]},
        )

class Repos(Source):
    name = "Repos"
    github = GitHub()
    org = StringProp(default="acme")
    token = StringProp(secret=True, optional=True)
    limit = IntegerProp(max=10)
    repo = GitHub.repo.use(inputs=lambda c: {"org": c.org})
    label = StringProp(optional=True)
    plain = StringProp(options=["a"])
    db = Store()

    @label.options
    def list_labels(self, ctx):
BODY

    def run(self, event):
        pass
"""
JAVASCRIPT = """
const app = {
  type: "app",
  app: "http",
  propDefinitions: {
    repo: {
      type: "string",
      useQuery: true,
      options({ page, prevContext, query, org }) {
        if (page === 2) return [];
        return {
          options: [{ label: `${org} ${page}`, value: page }, query || "no query"],
          context: { seen: [...(prevContext.seen || []), page] },
        };
      },
    },
  },
};
module.exports = {
  name: "Repos",
  props: {
    app,
    org: { type: "string", default: "acme" },
    limit: { type: "integer", max: 10 },
    repo: { propDefinition: [app, "repo", (c) => ({ org: c.org })] },
  },
  run() {},
};
"""
PROPS: dict[str, list[dict[str, Any]]] = {
    "python": [
        {"name": "github", "type": "app", "app": "http"},
        {"name": "org", "type": "string", "default": "acme"},
        {"name": "token", "type": "string", "secret": True, "optional": True},
        {"name": "limit", "type": "integer", "max": 10},
        {"name": "repo", "type": "string", "useQuery": True, "remoteOptions": True},
        {"name": "label", "type": "string", "optional": True, "remoteOptions": True},
        {"name": "plain", "type": "string", "options": ["a"]},
        {"name": "db", "type": "$.service.db"},
    ],
    "javascript": [
        {"name": "app", "type": "app", "app": "http"},
        {"name": "org", "type": "string", "default": "acme"},
        {"name": "limit", "type": "integer", "max": 10},
        {"name": "repo", "type": "string", "useQuery": True, "remoteOptions": True},
    ],
}


def component(owner: Api | None, body: str = "return []", language: str = "python") -> Component:
    code = JAVASCRIPT
    if language == "python":
        code = PYTHON.replace("BODY", "\n".join(f"        {line}" for line in body.splitlines()))
    made = making.component(owner.user if owner else None, *PROPS[language], code=code)
    Component.objects.filter(id=made.id).update(language=language)
    return made


def ask(caller: Api, of: Component, prop: str = "repo", **body: Any) -> HttpResponse:
    return caller.call("POST", f"/components/{of.id}/props/{prop}/options", body)


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_case_14_context_is_handed_on_and_inputs_see_earlier_props(
    worker: Worker, alice: Api, language: str
) -> None:
    """`prevContext` is `{}` on page 0; context handed on; inputs function sees earlier props."""
    of = component(alice, language=language)
    props = {"org": "zürich"}
    first = body_of(ask(alice, of, configured_props=props))["data"]
    assert first == {
        "options": [
            {"label": "zürich 0", "value": 0},
            {"label": "no query", "value": "no query"},
        ],
        "context": {"seen": [0]},
    }
    second = body_of(
        ask(alice, of, configured_props=props, page=1, prev_context=first["context"], query="q")
    )["data"]
    assert second["options"][0] == {"label": "zürich 1", "value": 1}
    assert second["options"][1] == {"label": "q", "value": "q"}
    assert second["context"] == {"seen": [0, 1]}
    last = body_of(ask(alice, of, configured_props=props, page=2))["data"]
    assert last == {"options": [], "context": None}


def test_3_4_defaults_stand_for_what_was_not_chosen(worker: Worker, alice: Api) -> None:
    data = body_of(ask(alice, component(alice)))["data"]
    assert data["options"][0]["label"] == "acme 0"


def test_3_4_the_instance_has_the_values_chosen_so_far(worker: Worker, alice: Api) -> None:
    of = component(alice, "return [self.limit, self.token]")
    props = {"limit": "7", "token": "s3cret"}
    data = body_of(ask(alice, of, "label", configured_props=props))["data"]
    assert data["options"] == [
        {"label": "7", "value": 7},
        {"label": "s3cret", "value": "s3cret"},
    ]
    assert data["context"] is None


def test_3_4_a_query_is_handed_on_only_where_it_is_declared(worker: Worker, alice: Api) -> None:
    of = component(alice, "return [str(ctx.query)]")
    data = body_of(ask(alice, of, "label", query="typed"))["data"]
    assert data["options"][0]["value"] == "None"


def test_include_and_a_registry_component_by_another_user(worker: Worker, alice: Api) -> None:
    response = alice.call(
        "POST", f"/components/{component(None).id}/props/repo/options?include=options", {}
    )
    assert list(body_of(response)["data"]) == ["options"]


def test_3_4_a_failing_function_is_400_with_its_message(worker: Worker, alice: Api) -> None:
    of = component(alice, "raise ValueError(f'no such token: {self.token}')")
    response = ask(alice, of, "label", configured_props={"token": "s3cret"})
    body = assert_error(response, 400, code="options_failed")
    assert body["error"] == "no such token: ***"
    assert body["details"] == {"name": "ValueError"}


def test_3_4_no_emits_no_db_writes(worker: Worker, alice: Api) -> None:
    for body in ("self.emit(1)", "self.db.set('a', 1)"):
        response = ask(alice, component(alice, body), "label")
        assert_error(response, 400, code="options_failed")


def test_3_4_an_endless_function_ends_at_its_time(
    worker: Worker, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "SECONDS", 0.5)
    response = ask(alice, component(alice, "while True: pass"), "label")
    body = assert_error(response, 400, code="options_failed")
    assert body["error"] == "ended after 0.5 s"


def test_nothing_of_a_question_is_kept(worker: Worker, alice: Api) -> None:
    ask(alice, component(alice), configured_props={"token": "s3cret"})
    assert not Operation.objects.exists()


def test_secrets_wait_encrypted(alice: Api) -> None:
    asked = asking.Question("label", {"token": "s3cret"}, prev_context={"token": "t0ken"})
    args = str(asking.start(alice.user, component(alice), asked).args)
    assert "s3cret" not in args
    assert "t0ken" not in args


def test_no_worker_in_time_is_503(alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.api.options.WAIT_SECONDS", 0.1)
    response = ask(alice, component(alice))
    assert_error(response, 503, code="unavailable")
    assert response["Retry-After"]
    assert not Operation.objects.exists()


@pytest.mark.parametrize("prop", ["nothing", "%00", "__proto__", "%2e%2e"])
def test_unknown_prop_is_404(alice: Api, prop: str) -> None:
    assert_error(ask(alice, component(alice), prop), 404, code="not_found")


@pytest.mark.parametrize("prop", ["plain", "org", "github", "db"])
def test_prop_without_a_function_is_400(alice: Api, prop: str) -> None:
    assert_error(ask(alice, component(alice), prop), 400, parameter="name")


def test_another_users_component_is_404_like_an_unknown_one(alice: Api) -> None:
    of = component(make_caller("bob"))
    foreign = ask(alice, of)
    of.id = "sc_000000"
    assert foreign.content == ask(alice, of).content
    assert_error(foreign, 404)


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"page": -1}, "page"),
        ({"page": 1.5}, "page"),
        ({"page": "1"}, "page"),
        ({"page": True}, "page"),
        ({"page": 2**31}, "page"),
        ({"prev_context": "next"}, "prev_context"),
        ({"prev_context": []}, "prev_context"),
        ({"query": 1}, "query"),
        ({"query": "x" * 5000}, "query"),
        ({"configured_props": []}, "configured_props"),
        ({"configured_props": {"nothing": 1}}, "configured_props.nothing"),
        ({"configured_props": {"__proto__": 1}}, "configured_props.__proto__"),
        ({"configured_props": {"limit": 11}}, "configured_props.limit"),
        ({"configured_props": {"limit": "x"}}, "configured_props.limit"),
        ({"configured_props": {"org": 1}}, "configured_props.org"),
        ({"configured_props": {"plain": "b"}}, "configured_props.plain"),
        ({"configured_props": {"org": "x" * 65_537}}, "configured_props.org"),
    ],
)
def test_bad_input_names_the_parameter(alice: Api, body: Any, parameter: str) -> None:
    response = ask(alice, component(alice), **body)
    body = assert_error(response, 400)
    assert body["details"]["parameter"] == parameter
    assert not Operation.objects.exists()
