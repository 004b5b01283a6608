"""Loading: what a component says of itself, and every way in which its text can be wrong."""

from __future__ import annotations

import pytest

from tests.runtime.python.child import Child, component

ONE = 'from headwater import Source\nclass A(Source):\n    name = "a"\n    def run(self): pass\n'


@pytest.mark.parametrize(
    ("code", "line", "column"),
    [
        ("x = 1\ny = (2\n", 2, 5),
        ("def f():\nreturn 1\n", 2, 1),
        ("x = 1\ny = '\0'\n", 2, 6),
        ("x = 1;;\n", 1, 7),
    ],
    ids=["open bracket", "indentation", "NUL", "token"],
)
def test_a_syntax_error_names_line_and_column(code: str, line: int, column: int) -> None:
    with Child(code) as child:
        assert child.failed is not None
        assert child.failed["code"] == "syntax_error"
        assert (child.failed["line"], child.failed["column"]) == (line, column)
        assert child.failed["message"]
        child.output()
        assert child.process.returncode == 0


@pytest.mark.parametrize(
    ("code", "name", "says"),
    [
        ("x = 1\n", "NoComponent", "no component"),
        (ONE + ONE.replace("A(", "B("), "ComponentError", "A, B"),
        ("__component__ = 3\n" + ONE, "ComponentError", "__component__"),
        ("import nowhere_to_be_found\n", "ModuleNotFoundError", "nowhere_to_be_found"),
        ("1 / 0\n", "ZeroDivisionError", "division"),
        ("raise SystemExit(3)\n", "SystemExit", "3"),
        ("import sys\nsys.exit()\n", "SystemExit", ""),
        ("raise KeyboardInterrupt\n", "KeyboardInterrupt", ""),
        (ONE.replace("def run(self): pass", "x = 1"), "ComponentError", "run"),
        (ONE.replace('name = "a"', "x = 1"), "ComponentError", "name"),
        (ONE.replace('name = "a"', "name = 1"), "ComponentError", "name"),
        (ONE + '    dedupe = "first"\n', "ComponentError", "dedupe"),
        (ONE + "    on_deploy = 3\n", "ComponentError", "on_deploy"),
        (ONE.replace("def run(self): pass", "run = 3"), "ComponentError", "run"),
        (ONE.replace("def run(self): pass", "def run(self): yield"), "ComponentError", "run"),
        (ONE.replace("def run(self): pass", "async def run(self): yield"), "ComponentError", "run"),
        (ONE.replace("def run", "@staticmethod\n    def run"), "ComponentError", "run"),
        (component("    emit = StringProp()\n    def run(self): pass"), "ComponentError", "emit"),
        (component("    x = StringProp(min=1)\n    def run(self): pass"), "ComponentError", "min"),
        (
            component("    x = StringProp(labl='x')\n    def run(self): pass"),
            "ComponentError",
            "labl",
        ),
        (component("    x = ObjectProp(default={1})\n    def run(self): pass"), "JsonError", "set"),
        (
            component("    t = Timer(interval_seconds=15, cron='* * * * *')\n"),
            "ComponentError",
            "both",
        ),
        (component("    a = App()\n    def run(self): pass"), "ComponentError", "slug"),
        (
            component("    h = AppHook(app='zoom')\n    def run(self): pass"),
            "ComponentError",
            "zoom",
        ),
    ],
)
def test_a_component_that_cannot_work_is_refused_by_name(code: str, name: str, says: str) -> None:
    with Child(code) as child:
        assert child.failed is not None
        assert child.failed["code"] == "load_failed"
        assert child.failed["name"] == name
        assert says in child.failed["message"]


def test_a_failing_line_is_quoted_from_the_component() -> None:
    with Child("x = 1\n\ny = x / 0\n") as child:
        assert child.failed is not None
        assert 'File "sc_test1.py", line 3' in child.failed["stack"]
        assert "y = x / 0" in child.failed["stack"]
        assert "harness" not in child.failed["stack"]


def test_a_class_is_chosen_by_name_among_several() -> None:
    with Child(ONE + ONE.replace("A(", "B(") + "__component__ = B\n") as child:
        assert child.loaded is not None


def test_shared_parts_are_inherited_and_may_be_private_or_imported() -> None:
    code = """
from headwater import *
class _Base(Source):
    first = StringProp()
    second = StringProp(optional=True)
    gone = StringProp()
    def run(self, event): self.emit([self.first, self.second])
class Real(_Base):
    name = "real"
    gone = None
    third = Store()
    second = IntegerProp(default=2)
"""
    with Child(code) as child:
        assert child.loaded is not None
        names = [prop["name"] for prop in child.loaded["props"]]
        assert names == ["first", "second", "third"]
        assert child.invoke(props={"first": "x"}).events == [["x", 2]]


def test_hooks_and_defaults_of_a_bare_component() -> None:
    code = component(
        "    def run(self): pass\n    def on_deploy(self): pass\n"
        "    async def on_deactivate(self): pass\n"
    )
    with Child(code) as child:
        assert child.loaded == {
            "name": "c",
            "version": "",
            "type": "source",
            "props": [],
            "hooks": ["deploy", "deactivate"],
        }


def test_output_while_loading_reaches_the_output_descriptors() -> None:
    with Child("print('while loading')\n" + ONE) as child:
        assert child.loaded is not None
        assert child.output()[0] == "while loading\n"
