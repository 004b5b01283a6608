"""`python -m tests.fuzz --minutes 60 [WORD …]`: all properties (whose names hold a word) for so
long together, each in a process of its own; prints a table of the cases. Ends with 1 when one
failed."""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def properties() -> list[tuple[str, str]]:
    """Module and function of each, found without importing them."""
    return [
        (f"tests.fuzz.{file.stem}", node.name)
        for file in sorted(HERE.glob("test_*.py"))
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def run(module: str, function: str, seconds: float) -> tuple[int, int, bool]:
    """Cases at random, cases guided, whether it held."""
    with tempfile.NamedTemporaryFile() as counts:
        arguments = [module, function, str(seconds), counts.name]
        command = [sys.executable, "-m", "tests.fuzz.one", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parents[1])
        numbers = [int(word) for word in Path(counts.name).read_text().split()] or [0, 0]
    if ended.returncode != 0:
        told = [line for line in ended.stderr.splitlines() if "INFO: Instrumenting" not in line]
        print(ended.stdout[-4000:], *told[-100:], sep="\n", file=sys.stderr)
    return numbers[0], numbers[1], ended.returncode == 0


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--minutes", type=float, default=60)
    options.add_argument("words", nargs="*")
    given = options.parse_args()
    chosen = [
        (module, function)
        for module, function in properties()
        if not given.words or any(word in f"{module}.{function}" for word in given.words)
    ]
    seconds = max(2.0, given.minutes * 60 / max(1, len(chosen)))
    began, total, failed = time.monotonic(), 0, 0
    for module, function in chosen:
        random, guided, held = run(module, function, seconds)
        total, failed = total + random + guided, failed + (not held)
        name = f"{module.rpartition('.')[2]}::{function}"
        print(f"{'held  ' if held else 'FAILED'} {random:>9} {guided:>9}  {name}", flush=True)
    minutes = (time.monotonic() - began) / 60
    print(f"{total} cases of {len(chosen)} properties in {minutes:.0f} minutes, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
