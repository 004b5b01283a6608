"""Invocations: instances, hooks, output, errors, asynchronous code and what it leaves behind."""

from __future__ import annotations

import pytest

from tests.runtime.python.child import Child, component, run_body

ASYNC_HEAD = "import asyncio, threading, time, sys"


def async_body(body: str) -> str:
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return component(f"    async def run(self, event):\n{lines}\n", head=ASYNC_HEAD)


def test_a_new_instance_serves_every_call() -> None:
    body = "self.emit(getattr(self, 'kept', None))\nself.kept = 1\n"
    with Child(run_body(body)) as child:
        assert child.invoke().events + child.invoke().events == [None, None]


def test_a_run_that_takes_no_event() -> None:
    with Child(component("    def run(self):\n        self.emit(1)\n")) as child:
        assert child.invoke(event={"a": 1}).ok().events == [1]


def test_hooks_plain_and_async_and_absent() -> None:
    code = component(
        "    def run(self): pass\n"
        "    def on_deploy(self):\n        self.emit('deploy')\n"
        "    async def on_activate(self):\n        self.emit(self.http.endpoint)\n",
        attributes="http = Http()",
    )
    http = {"http": {"endpoint": "http://127.0.0.1:1/h/k", "custom_response": False}}
    with Child(code) as child:
        assert child.invoke("deploy").ok().events == ["deploy"]
        assert child.invoke("activate", props=http).ok().events == ["http://127.0.0.1:1/h/k"]
        assert child.invoke("deactivate").ok().frames == []


def test_output_becomes_log_lines() -> None:
    body = """
print("one\\ntwo")
print("unfinished", end="")
sys.stderr.write("wrong\\n")
sys.stdout.buffer.write("bytes ü\\n".encode())
logging.getLogger("x").warning("careful %s", 1)
logging.info("noted")
logging.debug("not noted")
self.log("a", 1)
"""
    with Child(run_body(body, head="import sys, logging")) as child:
        assert child.invoke().ok().logs == [
            ("info", "one"),
            ("info", "two"),
            ("error", "wrong"),
            ("info", "unfinishedbytes ü"),
            ("warn", "careful 1"),
            ("info", "noted"),
            ("info", "a 1"),
        ]
        assert child.output() == ("", "")


def test_an_unfinished_line_belongs_to_its_own_run_and_long_ones_are_cut() -> None:
    body = "print('x' * 40_000, end='')\nself.log('ü' * 20_000)\nprint(event, end='')"
    with Child(run_body(body)) as child:
        first = child.invoke(event=1).logs
        assert [len(message.encode()) for _, message in first] == [16384, 16384, 16384, 7233]
        assert first[-1][1].endswith("x1")
        assert child.invoke(event=2).logs[-1][1].endswith("x2")


def test_an_error_has_name_message_and_the_frames_of_the_component() -> None:
    body = "try:\n    json.loads('{')\nexcept ValueError as e:\n    raise Odd('no') from e"
    with Child(run_body(body, head="import json\nclass Odd(Exception): pass")) as child:
        error = child.invoke().error
        assert (error["name"], error["message"]) == ("Odd", "no")
        assert "code" not in error
        assert error["stack"].count('File "sc_test1.py"') == 2
        assert "json.loads('{')" in error["stack"]
        assert "decoder.py" not in error["stack"]
        assert "harness.py" not in error["stack"]
        assert error["stack"].endswith("no")


@pytest.mark.parametrize(
    ("statement", "name", "message"),
    [
        ("sys.exit(0)", "SystemExit", "0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("raise Silent", "Silent", "an error whose text cannot be had (Silent)"),
        ("bytearray(1 << 62)", "Out of Memory", "no memory left"),
        ("def f(): f()\nf()", "RecursionError", "maximum recursion depth exceeded"),
        ("raise GeneratorExit('x')", "GeneratorExit", "x"),
    ],
)
def test_every_way_out_of_a_run_is_a_failed_run(statement: str, name: str, message: str) -> None:
    head = "import sys\nclass Silent(Exception):\n    def __str__(self): raise ValueError"
    with Child(run_body(f"self.emit(1)\n{statement}", head=head)) as child:
        ran = child.invoke()
        assert (ran.error["name"], ran.error["message"]) == (name, message)
        assert ran.events == [1]


def test_a_configuration_error_has_a_code_and_no_stack() -> None:
    with Child(run_body("raise ConfigurationError('a new token, please')")) as child:
        assert child.invoke().error == {
            "name": "ConfigurationError",
            "message": "a new token, please",
            "code": "configuration_error",
        }


def test_a_warm_process_goes_on_after_an_error() -> None:
    with Child(run_body("if event: raise ValueError('x')\nself.emit(1)")) as child:
        assert child.invoke(event=True).reuse is True
        assert child.invoke(event=False).ok().events == [1]


def test_async_runs_share_a_loop_and_stay_warm() -> None:
    body = "await asyncio.sleep(0)\nself.emit(await asyncio.to_thread(lambda: 1))"
    with Child(async_body(body)) as child:
        for _ in range(3):
            ran = child.invoke().ok()
            assert ran.events == [1]
            assert ran.reuse is True


def test_a_sync_run_may_have_a_loop_of_its_own() -> None:
    body = "self.emit(asyncio.run(asyncio.to_thread(lambda: 1)))"
    with Child(run_body(body, head=ASYNC_HEAD)) as child:
        for _ in range(2):
            ran = child.invoke().ok()
            assert ran.events == [1]
            assert ran.reuse is True


def test_a_sync_run_starts_no_event_loop() -> None:
    body = "self.emit('asyncio.runners' in sys.modules and asyncio._get_running_loop() is not None)"
    with Child(run_body(body, head="import asyncio, sys")) as child:
        assert child.invoke().ok().events == [False]


@pytest.mark.parametrize(
    "body",
    [
        "asyncio.create_task(self.fail())",
        "asyncio.create_task(self.fail())\nawait asyncio.sleep(0.01)",
        "self.held = asyncio.create_task(self.fail())\nglobal kept\nkept = self.held\n"
        "await asyncio.sleep(0.01)",
        "asyncio.get_running_loop().call_soon(lambda: 1 / 0)\nawait asyncio.sleep(0.01)",
    ],
    ids=["not begun", "ended", "held", "callback"],
)
def test_an_error_that_nobody_looked_at_fails_the_run(body: str) -> None:
    code = async_body(body) + "\n    async def fail(self):\n        return 1 / 0\n"
    with Child(code) as child:
        assert child.invoke().error["name"] == "ZeroDivisionError"


def test_an_error_that_somebody_looked_at_does_not() -> None:
    body = (
        "await asyncio.gather(self.fail(), return_exceptions=True)\n"
        "task = asyncio.create_task(self.fail())\n"
        "try:\n    await task\nexcept ZeroDivisionError:\n    self.emit(1)"
    )
    code = async_body(body) + "\n    async def fail(self):\n        return 1 / 0\n"
    with Child(code) as child:
        ran = child.invoke().ok()
        assert ran.events == [1]
        assert ran.reuse is True


@pytest.mark.parametrize(
    "code",
    [
        async_body("asyncio.create_task(asyncio.sleep(60))"),
        async_body("asyncio.get_running_loop().call_later(60, print)"),
        async_body("asyncio.get_running_loop().run_in_executor(None, time.sleep, 5)"),
        run_body("threading.Thread(target=time.sleep, args=(5,)).start()", head=ASYNC_HEAD),
        run_body(
            "begun = threading.Event()\n"
            "_thread.start_new_thread(lambda: (begun.set(), time.sleep(5)), ())\n"
            "begun.wait()",
            head=f"{ASYNC_HEAD}\nimport _thread",
        ),
    ],
    ids=["task", "callback", "executor", "thread", "raw thread"],
)
def test_what_is_still_alive_makes_the_process_unfit(code: str) -> None:
    with Child(code) as child:
        ran = child.invoke().ok()
        assert ran.reuse is False
        assert ran.logs[-1][0] == "warn"
        assert "still alive" in ran.logs[-1][1]


def test_a_thread_that_ended_does_not() -> None:
    body = "t = threading.Thread(target=self.emit, args=(1,))\nt.start()\nt.join()"
    with Child(run_body(body, head=ASYNC_HEAD)) as child:
        ran = child.invoke().ok()
        assert ran.events == [1]
        assert ran.reuse is True


def test_an_emit_after_the_return_is_refused() -> None:
    """The thread waits until the next run has begun, so that its call is surely late."""
    body = """
if event == "start":
    def late():
        begun.wait()
        try:
            self.emit("late")
        except RunOverError as error:
            said.append(str(error))
        done.set()
    threading.Thread(target=late, daemon=True).start()
else:
    begun.set()
    done.wait()
    self.emit(said)
"""
    head = f"{ASYNC_HEAD}\nbegun, done, said = threading.Event(), threading.Event(), []"
    with Child(run_body(body, head=head)) as child:
        assert child.invoke(event="start").reuse is False
        assert child.invoke(event="look").events == [["emit after the run had returned"]]


def test_a_task_that_emits_after_the_return_fails_the_run() -> None:
    body = "asyncio.create_task(self.later())"
    code = async_body(body) + "\n    async def later(self):\n        self.emit(1)\n"
    with Child(code) as child:
        ran = child.invoke()
        assert ran.error["name"] == "RunOverError"
        assert ran.events == []
