"""The harness speaks the protocol as `docs/protocol.md` and the shared examples have it."""

from __future__ import annotations

import json
import signal
import struct
from typing import Any

import pytest

from tests.runtime.python.child import ROOT, Child, component, pack, run_body

MESSAGES = json.loads((ROOT / "tests/fixtures/protocol.json").read_text("utf-8"))

# Makes every call whose frame the examples show, in their order.
EVERY_CALL = run_body(
    """
self.emit({"a": 1})
self.emit({"text": "line\\nbreak", "null": None, "nul": "\\0"}, id=7, summary="sieben – 七",
          ts=1600000000000)
self.emit(id="x", channel="self", deliver_at=1600003600000)
self.emit("\\ud800")
self.db.set("count", 42)
self.db.set("cleared", None)
self.db.delete("count")
self.log("hello")
self.log("careful", level="warn")
self.log("broken", level="error")
self.http.respond(body={"ok": True})
self.http.respond(status="404", body=b"\\x00\\xff")
""",
    attributes="db = Store()\nhttp = Http(custom_response=True)",
)


def examples(direction: str, *kinds: str) -> list[dict[str, Any]]:
    return [
        message
        for message in MESSAGES
        if message["direction"] == direction and message["header"]["t"] in kinds
    ]


def test_loads_the_example_and_describes_it_as_the_example_says() -> None:
    load = next(
        message
        for message in examples("to_child", "load")
        if message["header"]["language"] == "python"
    )
    with Child(None) as child:
        child.socket.sendall(pack(load["header"], *(part.encode() for part in load["parts"])))
        answer = child.read()
        assert answer is not None
        assert answer.header == examples("to_platform", "loaded")[0]["header"]


def test_accepts_every_example_invocation() -> None:
    code = component(
        "    def run(self, event):\n        self.emit(event)\n"
        "    def on_activate(self):\n        pass\n"
    )
    with Child(code) as child:
        for message in examples("to_child", "invoke"):
            child.socket.sendall(
                pack(message["header"], *(part.encode() for part in message["parts"]))
            )
            seen = []
            while (frame := child.read()) is not None:
                seen.append(frame)
                if frame.kind == "done":
                    break
            assert seen[-1].header == examples("to_platform", "done")[0]["header"]
            if message["header"]["entry"] == "run":
                assert seen[0].parts == [message["parts"][1].encode()]


def test_every_call_gives_the_frame_of_the_examples() -> None:
    expected = examples("to_platform", "emit", "set", "log", "respond")
    with Child(EVERY_CALL) as child:
        ran = child.invoke(props={"http": {"endpoint": "http://x/h/1", "custom_response": True}})
    ran.ok()
    assert len(ran.frames) == len(expected)
    for frame, example in zip(ran.frames, expected, strict=True):
        assert frame.header.keys() == example["header"].keys()
        if "at" in frame.header:
            assert isinstance(frame.header["at"], int)
        assert frame.header | {"at": 0} == example["header"] | {"at": 0}
        assert frame.parts == [part.encode() for part in example["parts"]]


def test_what_was_called_before_the_process_died_has_arrived() -> None:
    """Design F14: without a frame at each call nothing of this run would be left."""
    code = run_body(
        f"""
self.db.set("before", 1)
self.emit(1)
print("said")
os.kill(os.getpid(), {signal.SIGKILL:d})
""",
        head="import os",
        attributes="db = Store()",
    )
    with Child(code) as child:
        ran = child.invoke()
    assert ran.done is None
    assert [frame.kind for frame in ran.frames] == ["set", "emit", "log"]


def test_a_frame_in_pieces_and_two_frames_in_one_piece() -> None:
    invoke = {"t": "invoke", "run": "r", "entry": "run", "source_id": "dc_1"}
    with Child(run_body("self.emit(event)")) as child:
        large = json.dumps("x" * 300_000).encode()
        data = pack(invoke, b"{}", large, b"{}") + pack(invoke, b"{}", b"2", b"{}")
        for start in (0, 2, 5, 70_000, 200_000):
            following = [2, 5, 70_000, 200_000, len(data)]
            end = next(stop for stop in following if stop > start)
            child.socket.sendall(data[start:end])
        kinds = [child.read() for _ in range(4)]
        assert [frame.kind for frame in kinds if frame] == ["emit", "done", "emit", "done"]
        assert kinds[0] is not None
        assert kinds[0].parts == [large]


@pytest.mark.parametrize(
    "data",
    [struct.pack(">I", 9 * 1024 * 1024) + b"x" * 100_000, struct.pack(">I", 10) + b"{}"],
    ids=["above 8 MiB", "cut short"],
)
def test_a_broken_stream_ends_the_process_with_an_error(data: bytes) -> None:
    with Child(run_body("pass")) as child:
        child.socket.sendall(data)
        _, err = child.output()
        assert child.process.returncode != 0
        assert "frame" in err


def test_the_end_of_the_stream_ends_the_process_quietly() -> None:
    with Child(run_body("self.emit(1)")) as child:
        child.invoke().ok()
        assert child.output() == ("", "")
        assert child.process.returncode == 0


def test_the_child_knows_nothing_of_the_platform() -> None:
    code = run_body(
        "self.emit(sorted(name for name in sys.modules if name.split('.')[0] in"
        " ('django', 'celery', 'redis', 'apps', 'config')))",
        head="import sys\nimport harness\nharness.preload()",
    )
    with Child(code) as child:
        assert child.invoke().ok().events == [[]]


def test_the_environment_is_the_one_given_and_names_the_source() -> None:
    body = "self.emit([os.environ['PD_COMPONENT'], os.environ['A'], self.source_id])"
    with Child(run_body(body, head="import os"), env={"A": "b"}) as child:
        assert child.invoke(source_id="dc_1").events == [["dc_1", "b", "dc_1"]]
        assert child.invoke(source_id="dc_2").events == [["dc_2", "b", "dc_2"]]


def test_there_is_an_example_of_every_kind() -> None:
    kinds = {message["header"]["t"] for message in MESSAGES}
    to_child, loading = {"load", "invoke", "options"}, {"loaded", "failed"}
    assert kinds == to_child | loading | {"emit", "set", "log", "respond", "options", "done"}
