"""`headwater dev` against a running stack: save, see, go on after a mistake, leave nothing."""

from __future__ import annotations

import json
import signal

import pytest

from tests.acceptance.developer import Developer
from tests.making import until

WORKED_ON = """
from headwater import Source, StringProp


class WorkedOn(Source):
    name = "{name}"
    word = StringProp(default="none")

    def run(self, event):
        print("this is {version}")
        self.emit({{"version": "{version}", "word": self.word}}, summary="{version}")
"""


def test_each_save_is_deployed_and_a_mistake_ends_nothing(developer: Developer) -> None:
    broken = "from headwater import Source\n\n\nclass WorkedOn(Source)\n    pass\n"
    developer.writes("worked.py", broken)
    with developer.follows("dev", "worked.py", "-p", "word=given") as working:
        working.shows("worked.py:4:23: SyntaxError: expected ':'\n  class WorkedOn(Source)\n")
        working.shows(f"\n  {' ' * 22}^\n")
        developer.writes("worked.py", WORKED_ON.format(name="Worked on", version="the first"))
        working.shows("deployed 'Worked on dev'")
        working.shows("worked-on-dev")
        developer.types("run", "worked-on-dev")
        working.shows('the first  {"version":"the first","word":"given"}')
        working.shows("this is the first")

        developer.writes("worked.py", broken)
        working.shows("SyntaxError", times=2)
        developer.writes("worked.py", WORKED_ON.format(name="Worked on", version="the second"))
        working.shows("deployed worked.py again")
        developer.types("run", "worked-on-dev")
        working.shows('the second  {"version":"the second","word":"given"}')

        assert working.interrupt() == 0
        assert "deleted 'Worked on dev'" in working.text
    assert "no source's id" in developer.refused("describe", "worked-on-dev", code=1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["term", "hup"])
def test_it_leaves_what_it_shall_keep(developer: Developer, number: signal.Signals) -> None:
    name = f"Kept {number.name}"
    developer.writes("kept.py", WORKED_ON.format(name=name, version="one"))
    with developer.follows("dev", "kept.py", "--keep", "--json") as working:
        until(lambda: f"{name} dev" in developer.types("list").stdout, 60, "it")
        assert working.interrupt(number) == 0
        assert "stays and goes on" in working.text
    # Found again under its name, it is not this one's to delete.
    with developer.follows("dev", "kept.py", "--json") as working:
        working.shows(f"deployed '{name} dev'")
        developer.types("run", f"kept-{number.name.lower()}-dev")
        working.shows('"status":"succeeded"')
        assert working.interrupt(number) == 0
        assert "stays and goes on" in working.text
        lines = [json.loads(line) for line in working.text.splitlines() if line[0] == "{"]
    assert {"version": "one", "word": "none"} in [line["event"] for line in lines]
    assert developer.json("describe", f"kept-{number.name.lower()}-dev")["active"]


def test_it_ends_with_its_source(developer: Developer) -> None:
    developer.writes("gone.py", WORKED_ON.format(name="Gone", version="one"))
    with developer.follows("dev", "gone.py") as working:
        working.shows("gone-dev")
        developer.types("delete", "gone-dev")
        until(lambda: working.process.poll() is not None, 60, "the end")
        assert working.process.returncode == 1
        assert "error: the source is gone" in working.text


def test_what_it_cannot_begin_with(developer: Developer) -> None:
    line = developer.refused("dev", "no-such.py", code=2)
    assert "'no-such.py' does not exist" in line
    developer.writes("fine.py", WORKED_ON.format(name="Fine", version="one"))
    nowhere = {"HEADWATER_URL": "http://127.0.0.1:1"}
    assert "cannot reach" in developer.refused("dev", "fine.py", code=3, env=nowhere)


def test_what_it_imports_goes_along_and_is_looked_at(developer: Developer) -> None:
    entry = """
        import { word } from "../common/words";
        export default { name: "Split", run() { this.$emit({ word }, { summary: word }); } };
    """
    developer.writes("split/sources/entry.ts", entry)
    developer.writes("split/common/words.ts", "export const word: string = 'first';")
    with developer.follows("dev", "split/sources/entry.ts") as working:
        working.shows("deployed 'Split dev'")
        developer.types("run", "split-dev")
        working.shows('{"word":"first"}')
        developer.writes("split/common/words.ts", "export const word: string = 'second';")
        working.shows("deployed split/sources/entry.ts again")
        developer.types("run", "split-dev")
        working.shows('{"word":"second"}')
        assert working.interrupt() == 0
