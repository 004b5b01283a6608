"""`headwater events, logs, run` against a running stack."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stack.places import Address
from tests.acceptance.developer import Developer
from tests.faults.proxy import Proxy
from tests.making import until
from tests.processes import Running

NOISY = """
from headwater import Source


class Noisy(Source):
    name = "Noisy"

    def run(self, event):
        print("first line\\nsecond line")
        self.log("careful", level="warn")
        self.emit(event, summary=f"event {event.get('n')}")
        self.emit(event, channel="aside")
        if "fail" in event:
            raise ValueError(event["fail"])
"""


@pytest.fixture
def noisy(developer: Developer, request: pytest.FixtureRequest) -> str:
    """The slug of a source that emits what it is run with, on two channels."""
    developer.writes("noisy.py", NOISY)
    slug = request.node.name.replace("_", "-")[:60]
    made: str = developer.json("deploy", "noisy.py", "--name", slug)["name_slug"]
    return made


def run(developer: Developer, source: str, **event: Any) -> None:
    developer.types("run", source, "--event", "-", given=json.dumps(event))


def ends(developer: Developer, source: str, runs: int) -> list[str]:
    """The lines of the log, once so many runs have ended."""

    def lines() -> list[str]:
        return developer.types("logs", source, "-n", "100").stdout.splitlines()

    until(lambda: sum(" run " in s and "emitted" in s for s in lines()) == runs, 60, "runs")
    return lines()


def test_what_was_emitted_and_said(developer: Developer, noisy: str) -> None:
    run(developer, noisy, n=1, text="a\u2028b\x1b[2J")
    first = ends(developer, noisy, 1)
    run(developer, noisy, n=2, fail="for once")
    said = ends(developer, noisy, 2)[len(first) :]

    texts = [line.split("  ", 2)[2] for line in said if line.startswith("20")]
    assert texts[:4] == ["run begins (manual)", "first line", "second line", "WARN careful"]
    assert texts[4].startswith("ERROR Traceback")
    assert texts[5].startswith("run failed (")
    assert "    ValueError: for once" in said

    emitted = developer.types("events", noisy).stdout.splitlines()
    assert [line.split("  ")[2] for line in emitted] == ["event 1", "event 2"]
    assert '"text":"a\\u2028b\\u001b[2J"' in emitted[0]
    [last] = developer.json("events", noisy, "-n", "1")
    assert last["event"] == {"n": 2, "fail": "for once"}
    aside = developer.types("events", noisy, "--channel", "aside").stdout
    assert aside.count("[aside]") == 2
    assert "ValueError: for once" in developer.types("events", noisy, "--errors").stdout


@pytest.mark.parametrize("words", [(), ("--json",)], ids=["lines", "json"])
def test_following_shows_what_comes_until_it_is_ended(
    developer: Developer, noisy: str, words: tuple[str, ...]
) -> None:
    run(developer, noisy, n="before")
    ends(developer, noisy, 1)
    with developer.follows("events", noisy, "--follow", *words) as following:
        following.shows("before")
        run(developer, noisy, n="\u2028after")
        following.shows("after")
        assert following.interrupt() == 0
    if words:
        told = [json.loads(line) for line in following.text.splitlines()]
        assert [event["event"]["n"] for event in told] == ["before", "\u2028after"]


def test_following_misses_nothing_and_repeats_nothing(
    developer: Developer, noisy: str, stack: Running
) -> None:
    server = Address(port=stack.port)
    proxy = Proxy(server)
    through = {"HEADWATER_URL": f"http://127.0.0.1:{proxy.port}"}
    run(developer, noisy, n=1)
    ends(developer, noisy, 1)
    try:
        with developer.follows("logs", noisy, "-f", env=through) as following:
            following.shows("run succeeded")
            proxy.close()
            run(developer, noisy, n=2)
            ends(developer, noisy, 2)
            following.shows("trying again")
            proxy = Proxy(server, proxy.port)
            following.shows("run succeeded", times=2)
            run(developer, noisy, n=3)
            following.shows("run succeeded", times=3)
            assert following.interrupt() == 0
        for text, times in (("run begins", 3), ("second line", 3), ("run succeeded", 3)):
            assert following.text.count(text) == times, following.text
    finally:
        proxy.close()


def test_following_ends_with_its_source(developer: Developer, noisy: str) -> None:
    with developer.follows("events", noisy, "-f") as following:
        run(developer, noisy, n=1)
        following.shows("event 1")
        developer.types("delete", noisy)
        until(lambda: following.process.poll() is not None, 60, "the end")
        assert following.process.returncode == 1
        assert "error: the source is gone" in following.text


def test_a_reader_that_has_seen_enough_is_no_error(developer: Developer, noisy: str) -> None:
    run(developer, noisy, n=1)
    ends(developer, noisy, 1)
    with developer.follows("logs", noisy, "-f", reader="head -n 1") as following:
        assert following.reader.wait(60) == 0
        run(developer, noisy, n=2)
        assert following.process.wait(60) == 0
        assert following.text.endswith("run begins (manual)\n")
