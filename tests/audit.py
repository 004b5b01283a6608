"""`make audit`: the pinned requirements against the advisories for Python packages (pip-audit).

pip-audit counts what an index does not know as skipped and ends well all the same; here that is
said. Ends with 1 when there is a known vulnerability; with 0 when there is none, and also when
advisories cannot be reached, which is then the last line.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FILES = ("requirements.txt", "requirements-observe.txt", "requirements-dev.txt")
SECONDS = 120


def ask(file: Path) -> tuple[list[dict[str, Any]], str]:
    """What pip-audit says of each requirement, and its reason when it says nothing."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    command += ["--no-deps", "--disable-pip", "--timeout", "20", "-r", str(file)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return [], f"no answer within {SECONDS} s"
    try:
        return json.loads(ended.stdout)["dependencies"], ""
    except (ValueError, KeyError, TypeError):
        return [], (ended.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1][:300]


def verdict(found: list[dict[str, Any]], reason: str) -> tuple[list[str], int]:
    """What to print of one file, and the status."""
    looked = [one for one in found if "vulns" in one]
    skipped = [one for one in found if "skip_reason" in one]
    bad = [one for one in looked if one["vulns"]]
    lines = [
        f"VULNERABLE {one['name']} {one['version']}: {flaw['id']},"
        f" fixed in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for one in bad
        for flaw in one["vulns"]
    ]
    if not looked:
        why = reason or (skipped[0]["skip_reason"] if skipped else "nothing to look at")
        lines.append(f"SKIPPED, nothing was looked at: {why}")
    else:
        lines.append(f"{len(looked)} looked at, {len(bad)} vulnerable, {len(skipped)} skipped")
        lines += [f"skipped: {one['name']}: {one['skip_reason']}" for one in skipped]
    return lines, 1 if bad else 0


def main() -> int:
    status = 0
    for file in FILES:
        lines, bad = verdict(*ask(ROOT / file))
        print(*(f"{file}: {line}" for line in lines), sep="\n", flush=True)
        status = max(status, bad)
    return status


if __name__ == "__main__":
    sys.exit(main())
