"""Options functions of Python components: component specification 3.3, 3.4."""

from __future__ import annotations

import textwrap

import pytest

from tests.runtime.python.child import ROOT, Child, pack
from tests.runtime.python.test_protocol import examples

HEAD = """
from headwater import *

class GitHub(App):
    slug = "github"
    org = StringProp(options=["a", "b"])
    repo = StringProp(use_query=True)

    def prefix(self, name):
        return self.auth["token"] + "/" + name

    @repo.options
    async def list_repos(self, ctx):
        return OptionsPage(
            [Option(self.prefix(ctx.inputs["org"]), ctx.page), ctx.query or "none"],
            {"seen": ctx.prev_context.get("seen", 0) + 1},
        )

def letters(component, ctx):
    return [component.org, ctx.page, True, 1.5]

class C(Source):
    name = "c"
    github = GitHub()
    org = GitHub.org.use()
    repo = GitHub.repo.use(inputs=lambda c: {"org": c.org}, optional=True)
    mine = GitHub.repo.use(options=letters)
    letter = StringProp(options=letters)
    method = StringProp()
    plain = StringProp(options=["x"])
    db = Store()
    http = Http()

    @method.options
    def list_method(self, ctx):
"""
TAIL = "\n    def run(self, event):\n        self.emit(self.source_id)\n"


def component(body: str = "return []") -> str:
    return HEAD + textwrap.indent(textwrap.dedent(body), "        ") + TAIL


PROPS = {"github": {"auth": {"token": "t"}}, "org": "acme"}


def test_case_14_function_of_an_app_sees_app_inputs_context_and_query() -> None:
    with Child(component()) as child:
        first = child.options("repo", PROPS).page
        second = child.options("repo", PROPS, page=1, prev_context=first["context"], query="é").page
    assert first == {
        "items": [{"label": "t/acme", "value": 0}, {"label": "none", "value": "none"}],
        "context": {"seen": 1},
    }
    assert second["items"] == [{"label": "t/acme", "value": 1}, {"label": "é", "value": "é"}]
    assert second["context"] == {"seen": 2}


@pytest.mark.parametrize("name", ["letter", "mine"])
def test_function_of_the_component_sees_the_instance(name: str) -> None:
    with Child(component()) as child:
        assert child.options(name, PROPS, page=3).page == {
            "items": [
                {"label": "acme", "value": "acme"},
                {"label": "3", "value": 3},
                {"label": "true", "value": True},
                {"label": "1.5", "value": 1.5},
            ],
            "context": None,
        }


@pytest.mark.parametrize(
    ("body", "items"),
    [
        ("return [{'label': 1, 'value': 2}, {'value': 'v'}]", [("1", 2), ("v", "v")]),
        ("return {'options': ['x'], 'context': {'a': [1]}}", [("x", "x")]),
        ("return ('x',)", [("x", "x")]),
        ("return None", []),
        ("return OptionsPage([])", []),
    ],
)
def test_every_form_of_an_answer(body: str, items: list[tuple[str, object]]) -> None:
    with Child(component(body)) as child:
        page = child.options("method", PROPS).page
    assert [(item["label"], item["value"]) for item in page["items"]] == items


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('no such org')", "no such org"),
        ("return 'text'", "options: a list or an OptionsPage, not str"),
        ("return ['x', None]", "options[1]: a value must be a scalar, not NoneType"),
        ("return [{'label': 'x', 'value': {}}]", "options[0]: a value must be a scalar, not dict"),
        ("return [float('nan')]", "options[0]: a value must be finite"),
        ("return OptionsPage([], 'next')", "context: an object, not str"),
        ("self.emit(1)", "emit: an options function only answers its choices"),
        ("self.db.set('a', 1)", "set: an options function only answers its choices"),
        ("return [self.http.endpoint]", "http has no endpoint outside a source"),
    ],
)
def test_failures_are_errors_with_their_message(body: str, message: str) -> None:
    with Child(component(body)) as child:
        ran = child.options("method", PROPS)
        assert ran.error["message"] == message
        assert ran.frames == []
        assert child.options("letter", PROPS).page["items"]


@pytest.mark.parametrize("name", ["plain", "nothing", "github", "db"])
def test_prop_without_a_function(name: str) -> None:
    with Child(component()) as child:
        assert child.options(name, PROPS).error["message"] == f"{name} has no options function"


def test_the_store_is_empty_output_is_taken_and_no_source_is_named() -> None:
    body = """
    import os
    print("asked")
    return [str(self.db.get("count")), str(os.environ.get("PD_COMPONENT")), self.source_id]
    """
    with Child(component(body)) as child:
        child.invoke(store={"count": 1}, props=PROPS).ok()
        ran = child.options("method", PROPS)
        assert [item["value"] for item in ran.page["items"]] == ["None", "None", ""]
        assert ran.logs == [("info", "asked")]
        assert child.invoke(props=PROPS).events == ["dc_test1"]


def test_a_task_left_behind_makes_the_process_unfit() -> None:
    code = component("return []").replace(
        "    def list_method(self, ctx):\n",
        "    async def list_method(self, ctx):\n        import asyncio\n"
        "        asyncio.get_running_loop().call_later(60, print)\n",
    )
    with Child(code) as child:
        ran = child.options("method", PROPS)
        assert ran.page["items"] == []
        assert not ran.reuse


def test_frames_of_the_examples() -> None:
    code = (ROOT / "tests/fixtures/options_component.py").read_text()
    asked, answers = examples("to_child", "options"), examples("to_platform", "options")
    with Child(code) as child:
        for question, answer in zip(asked, answers, strict=True):
            parts = (part.encode() for part in question["parts"])
            child.socket.sendall(pack(question["header"], *parts))
            frame, done = child.read(), child.read()
            assert frame is not None
            assert done is not None
            assert frame.header == answer["header"]
            assert frame.parts == [part.encode() for part in answer["parts"]]
            assert done.header["ok"]
