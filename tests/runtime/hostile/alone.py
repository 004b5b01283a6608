"""Attacks in a process of their own, for places that are not the tests': another network, user,
set of system calls. `python -m tests.runtime.hostile.alone <run_dir> <on or unsafe> NAME …`
prints a line for each."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from workers.runtime.attacks import CATALOGUE
from workers.runtime.attacks.trial import trial
from workers.runtime.settings import RuntimeSettings

ROOT = Path(__file__).resolve().parents[3]


def command(run_dir: Path, *names: str, sandbox: str = "on") -> list[str]:
    """`names` of attacks and of languages; without any, all of them."""
    return [
        "env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "tests.runtime.hostile.alone",
        str(run_dir), sandbox, *names,
    ]  # fmt: skip


async def main(run_dir: str, sandbox: str, *names: str) -> None:
    settings = RuntimeSettings(
        run_dir=Path(run_dir), sandbox=sandbox, deno_permissions=sandbox == "on"
    )
    languages = {"python", "javascript"} & set(names) or {"python", "javascript"}
    wanted = set(names) - languages
    async with trial(settings) as started:
        for attack in CATALOGUE:
            for language in attack.languages:
                if language in languages and (not wanted or attack.name in wanted):
                    strength = attack.bounded if sandbox == "unsafe" else {}
                    verdict = await started.run(attack, language, strength=strength)
                    print(attack.name, language, verdict, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
