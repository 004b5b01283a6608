"""The lines of `docs/cli.md`, typed one after the other against a running stack."""

from __future__ import annotations

import re
import shlex
import subprocess

from tests.acceptance.developer import Developer
from tests.processes import ROOT

GOES_ON = re.compile("--follow|headwater dev")
GUIDE = (ROOT / "docs/cli.md").read_text("utf-8")


def test_the_guide_is_typed_as_it_stands(developer: Developer) -> None:
    code = re.search(r"```python\n# (\S+)\n(.*?)```", GUIDE, re.DOTALL)
    assert code is not None
    developer.writes(code[1], code[2])
    developer.writes("var/api_key", developer.key)
    nobody = {"HEADWATER_URL": None, "HEADWATER_API_KEY": None}
    for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL):
        lines = block.replace("http://127.0.0.1:8000", developer.url)
        if GOES_ON.search(lines):
            with developer.follows(*shlex.split(lines)[1:], env=nobody) as following:
                following.shows("\n")
                assert following.interrupt() == 0
            continue
        ran = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", lines],
            cwd=developer.folder, env=developer.with_(nobody), capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=100,
        )  # fmt: skip
        assert ran.returncode == 0, block + ran.stdout + ran.stderr
