"""The command `headwater` as a developer types it: a real process with a home of its own."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.making import until
from tests.processes import ROOT

COMMAND = Path(sys.executable).with_name("headwater")
OF_THE_COMMAND = ("HEADWATER_URL", "HEADWATER_API_KEY", "XDG_CONFIG_HOME", "HOME")


class Developer:
    """`folder` is where the commands are typed; `home` where their settings are kept."""

    def __init__(self, url: str, key: str, home: Path) -> None:
        self.url = url
        self.key = key
        self.home = home
        self.folder = home / "project"
        self.folder.mkdir()
        inherited = {k: v for k, v in os.environ.items() if k not in OF_THE_COMMAND}
        self.environment = {
            **inherited,
            "HOME": str(home),
            "PATH": f"{COMMAND.parent}:{os.environ['PATH']}",
            # The command of this tree, wherever the installed one came from.
            "PYTHONPATH": str(ROOT / "client"),
            "HEADWATER_URL": url,
            "HEADWATER_API_KEY": key,
            "COLUMNS": "100",
            "PYTHONFAULTHANDLER": "1",
        }

    def types(
        self,
        *words: str,
        code: int = 0,
        given: str = "",
        env: Mapping[str, str | None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """The ended command; `code` is what it must have ended with. None unsets a variable."""
        ran = subprocess.run(
            [COMMAND, *words], cwd=self.folder, env=self.with_(env or {}),
            input=given, capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        assert ran.returncode == code, f"{words} ended with {ran.returncode}: {ran.stderr}"
        assert "Traceback" not in ran.stderr
        assert self.key not in ran.stdout + ran.stderr
        return ran

    def json(self, *words: str, given: str = "") -> Any:
        return json.loads(self.types(*words, "--json", given=given).stdout)

    def refused(
        self,
        *words: str,
        code: int,
        given: str = "",
        env: Mapping[str, str | None] | None = None,
    ) -> str:
        """The one line on standard error with which a command fails, without `error: `."""
        ran = self.types(*words, code=code, given=given, env=env)
        assert ran.stdout == ""
        [line] = ran.stderr.splitlines()
        assert line.startswith("error: ")
        return line.removeprefix("error: ")

    def writes(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def with_(self, environment: Mapping[str, str | None]) -> dict[str, str]:
        whole = {**self.environment, **environment}
        return {name: value for name, value in whole.items() if value is not None}

    @contextmanager
    def follows(
        self, *words: str, env: Mapping[str, str | None] | None = None, reader: str = "cat"
    ) -> Iterator[Following]:
        """A command that goes on until Ctrl-C; its output goes through `reader` into a file."""
        out = self.home / "followed"
        with out.open("w") as file:
            pipe = subprocess.Popen(
                shlex.split(reader), stdin=subprocess.PIPE, stdout=file, start_new_session=True
            )
            process = subprocess.Popen(
                # As in the foreground of a terminal, wherever the tests themselves run.
                ["env", "--default-signal=INT,HUP", COMMAND, *words],
                cwd=self.folder, env=self.with_(env or {}),
                stdin=subprocess.DEVNULL, stdout=pipe.stdin, stderr=file, text=True,
            )  # fmt: skip
            assert pipe.stdin is not None
            pipe.stdin.close()
        try:
            yield Following(process, pipe, out)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            pipe.wait(60)


class Following:
    """`reader` is what the command writes to."""

    def __init__(
        self, process: subprocess.Popen[str], reader: subprocess.Popen[bytes], out: Path
    ) -> None:
        self.process = process
        self.reader = reader
        self._out = out

    @property
    def text(self) -> str:
        return self._out.read_text("utf-8")

    def shows(self, text: str, within_s: float = 60, times: int = 1) -> None:
        until(lambda: self.text.count(text) >= times, within_s, f"{text!r} in {self.text!r}")

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ctrl-C; the exit code. One that does not end tells where its threads are."""
        self.process.send_signal(number)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait(60)
            raise AssertionError(f"it did not end: {self.text}") from None
