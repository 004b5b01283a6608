"""`headwater login, deploy, list, describe` against a running stack."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.developer import Developer
from tests.hosts import RAW, Hosts

TICKING = """
from headwater import BooleanProp, IntegerProp, Source, StringProp, Timer


class Ticking(Source):
    name = "Ticking"
    version = "{version}"
    words = StringProp(label="Words", default="none")
    many = IntegerProp(default=1)
    often = BooleanProp(default=False)
    timer = Timer(interval_seconds=3600)

    def run(self, event):
        self.emit({{"version": self.version}})
"""
TYPED = """
interface Reading { degrees: number }
export default {
  name: "Typed",
  props: { http: "$.interface.http" },
  run(event: { body: Reading }) { this.$emit(event.body); },
};
"""


@dataclass(frozen=True)
class Kept:
    home: Path

    @property
    def file(self) -> Path:
        return self.home / ".config/headwater/config.json"

    @property
    def env(self) -> dict[str, str | None]:
        return {"HOME": str(self.home), "HEADWATER_URL": None, "HEADWATER_API_KEY": None}


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """A home in which nobody has logged in."""
    return Kept(tmp_path)


def test_login_keeps_the_key_for_its_owners_eyes(developer: Developer, kept: Kept) -> None:
    developer.types("login", f"{developer.url}/v1/", given=developer.key, env=kept.env)
    assert stat.S_IMODE(kept.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.file.parent.stat().st_mode) == 0o700
    assert [path.name for path in kept.file.parent.iterdir()] == ["config.json"]
    developer.types("list", env=kept.env)
    developer.types("logout", env=kept.env)
    assert developer.key not in kept.file.read_text()
    assert "not logged in" in developer.refused("list", code=3, env=kept.env)


def test_a_wrong_key_is_not_kept(developer: Developer, kept: Kept) -> None:
    wrong = "hw_" + "x" * 38
    line = developer.refused("login", developer.url, code=3, given=wrong, env=kept.env)
    assert "the API key is not valid" in line
    assert wrong not in line
    assert not kept.file.exists()


def test_a_kept_key_goes_to_no_other_address(developer: Developer, kept: Kept) -> None:
    developer.types("login", developer.url, given=developer.key, env=kept.env)
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0)
        address = f"http://127.0.0.1:{other.getsockname()[1]}"
        elsewhere = kept.env | {"HEADWATER_URL": address}
        assert f"not logged in to {address}" in developer.refused("list", code=3, env=elsewhere)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_deploying_again_updates_the_source(developer: Developer) -> None:
    developer.writes("ticking.py", TICKING.format(version="0.0.1"))
    words = ("--prop", "words=1 and only", "-p", "many=7", "-p", "often=true", "--every", "1h30m")
    first = developer.json("deploy", "ticking.py", *words)
    assert first["name"] == "Ticking"
    timer: dict[str, Any] = {"cron": None, "interval_seconds": 5400}
    props = {"words": "1 and only", "many": 7, "often": True, "timer": timer}
    assert first["configured_props"] == props

    developer.writes("ticking.py", TICKING.format(version="0.0.2"))
    again = developer.json(
        "deploy", "ticking.py", "--cron", "0 6 * * *", "--timezone", "Europe/Berlin"
    )
    assert again["id"] == first["id"]
    assert again["component_id"] != first["component_id"]
    timer = {"cron": "0 6 * * *", "interval_seconds": None, "timezone": "Europe/Berlin"}
    assert again["configured_props"] == props | {"timer": timer}

    described = developer.json("describe", first["name_slug"])
    assert described["component"]["version"] == "0.0.2"
    table = developer.types("describe", first["id"]).stdout
    assert "Ticking 0.0.2" in table
    assert first["id"] in developer.types("list").stdout

    other = developer.json("deploy", "ticking.py", "--new")
    assert other["id"] != first["id"]
    line = developer.refused("deploy", "ticking.py", code=1)
    assert line.startswith("2 sources are called 'Ticking' (ticking, ticking-1)")
    chosen = developer.json("deploy", "ticking.py", "--source", "ticking-1", "--name", "Tocking")
    assert (chosen["id"], chosen["name_slug"]) == (other["id"], "tocking")


def test_what_can_be_deployed_besides(developer: Developer, hosts: Hosts) -> None:
    developer.writes("typed.ts", TYPED)
    told = developer.types("deploy", "typed.ts")
    assert f"{developer.url}/h/" in told.stdout
    props = json.dumps({"url": "http://127.0.0.1:1/feed", "timer": {"intervalSeconds": 900}})
    feed = developer.json(
        "deploy", "rss-new-item-in-feed", "--name", "news", "--props-file", "-", given=props
    )
    assert feed["name_slug"] == "news"
    saved = developer.json("deploy", feed["component_id"], "--name", "more", "-p", "url=http://x.y")
    assert saved["component_id"] == feed["component_id"]
    hosts.serve(RAW, "/a/b/main/typed.ts", TYPED)
    fetched = developer.json("deploy", f"https://{RAW}/a/b/main/typed.ts", "--name", "far")
    components = developer.json("list", "components")
    assert fetched["component_id"] in {component["id"] for component in components}


def test_a_mistake_in_the_code_is_shown_at_its_place(developer: Developer) -> None:
    developer.writes("bad.py", "from headwater import Source\n\n\nclass Bad(Source)\n    pass\n")
    line = developer.refused("deploy", "bad.py", code=1)
    assert line == "bad.py:4:18: SyntaxError: expected ':'"
    developer.writes("bad.ts", "export default {\n  run( { }\n")
    assert developer.refused("deploy", "bad.ts", code=1).startswith("bad.ts:2:11: SyntaxError: ")


NOWHERE = {"HEADWATER_URL": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        pytest.param(["deploy", "rss-new-item-in-feed"], 1, "configured_props.url", id="prop"),
        pytest.param(["deploy", "no-such-key"], 1, "'no-such-key' is no file, and", id="key"),
        pytest.param(["deploy", "missing.py"], 1, "missing.py: No such file", id="file"),
        pytest.param(["describe", "dc_000000"], 1, "no source has the id dc_000000", id="id"),
        pytest.param(["describe", "no-such"], 1, "'no-such' is no source's id", id="slug"),
        pytest.param(["list", "--nope"], 2, "No such option", id="option"),
        pytest.param(["deploy", "x", "--every", "soon"], 2, "Invalid value", id="time"),
        pytest.param(["deploy", "x", "--props-file", "-"], 2, "--props-file is not", id="json"),
        pytest.param(["deploy", "schedule-tick", "-p", "x"], 2, "--prop takes NAME=", id="pair"),
        pytest.param(["deploy", "schedule-tick", "-p", "x=\udcff"], 2, "what was given", id="utf8"),
        pytest.param(["describe", "\udcff"], 2, "what was given is not UTF-8", id="utf8 slug"),
        pytest.param(["login", "http://a b"], 3, "cannot reach Headwater at", id="space"),
        pytest.param(["login", "ftp://x"], 2, "Invalid value for URL", id="address"),
    ],
)
def test_each_failure_is_one_line_and_a_code(
    developer: Developer, words: list[str], code: int, line: str
) -> None:
    assert developer.refused(*words, code=code, given="[key]").startswith(line)


def test_who_is_not_there_or_not_let_in(developer: Developer) -> None:
    line = developer.refused("list", code=3, env=NOWHERE)
    assert line.startswith("cannot reach Headwater at http://127.0.0.1:1: ")
    line = developer.refused("list", code=3, env={"HEADWATER_API_KEY": "hw_wrong"})
    assert line.startswith("the API key is not valid")
    assert "hw_wrong" not in line


def test_a_shell_completes_commands_and_slugs(developer: Developer) -> None:
    developer.writes("completed.py", TICKING.format(version="0.0.1"))
    developer.types("deploy", "completed.py", "--name", "Zebra in a shell")
    script = """
        eval "$(headwater completion bash)"
        COMP_WORDS=(headwater describe zebra) COMP_CWORD=2
        _headwater_completion headwater; echo "${COMPREPLY[@]}"
        COMP_WORDS=(headwater depl) COMP_CWORD=1 COMPREPLY=()
        _headwater_completion headwater; echo "${COMPREPLY[@]}"
    """
    ran = subprocess.run(
        ["bash", "-c", script], env=developer.environment, capture_output=True, text=True
    )
    assert ran.stdout.split() == ["zebra-in-a-shell", "deploy"]
