"""Which test holds the platform to which rule: writes docs/conformance.md (`make conformance`).

A test names its rules at the front of its name (`test_t8_…`, `test_o12_o13_…`, `test_7_3_…`,
`test_25_…`) or in its docstring (`F17`, `G1`); a file of tests names those that all of it is about
in its first docstring (`T2, T3`, `REST specification 9`). Results come from the JUnit file of a
run, when one is given: `python -m tests.conformance [junit.xml]`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/conformance.md"

GROUPS: dict[str, dict[str, str]] = {
    "Transport": {
        "T1": "routes below /v1", "T2": "every call needs a key", "T3": "401 and when",
        "T4": "several keys, revocable", "T5": "JSON content type", "T6": "415, empty bodies",
        "T7": "bodies that are no object", "T8": "both slash forms, no redirect",
        "T9": "unknown routes, wrong methods, HEAD", "T10": "content types of answers",
        "T11": "seconds and milliseconds",
    },
    "Questions that were decided": {
        "Q1": "PUT is partial", "Q2": "limits out of range", "Q3": "newest first",
        "Q4": "truncated events", "Q5": "deleting without a channel", "Q6": "204 for deletions",
        "Q7": "JavaScript in component_code", "Q8": "data of event streams",
        "C1": "first tick at once", "C2": "greatest against the batch before",
        "C3": "emits before an error", "C4": "languages", "C5": "serial by default",
        "C6": "deploy before activate", "C7": "dedupe memory per channel",
    },
    "Oddities of the original": {
        "O1": "slashes", "O2": "interval names", "O3": "parameters in the query of a POST",
        "O4": "update copied from create", "O5": "api_key and admin", "O6": "configured_props",
        "O7": "id before code before URL", "O8": "total ignores the cursor",
        "O9": "start cursor is the first item", "O10": "full objects in lists",
        "O11": "the source list is paged", "O12": "JSON of the source list",
        "O13": "user_id always", "O14": "exclude leaves out", "O15": "short GitHub URLs",
        "O16": "a component is no emitter", "O17": "key in components", "O18": "10 and 100",
        "O19": "form of an event", "O20": "common parameters with PUT and DELETE",
        "O21": "units of times", "O22": "when events are cut", "O23": "deleting a source",
    },
    "Sections": {
        "1": "where parameters stand", "2": "ids", "3": "envelopes, selection, paging",
        "4": "errors and ownership", "5.1": "the caller", "5.2": "components",
        "5.3": "deploying", "5.4": "changing a source", "5.5": "deleting a source",
        "5.6": "running a source", "6.1": "what is listed", "6.2": "reading events",
        "6.3": "deleting events", "7.1": "subscribing", "7.2": "what a listener gets",
        "7.3": "unsubscribing", "7.4": "listing subscriptions", "7.5": "rules for new sources",
        "7.6": "channels", "8": "webhooks", "9": "event streams",
    },
    "Routes by their number in the index": {
        "18b": "events without page_info", "25": "runs", "26": "rerun", "27": "ticks",
        "28": "suppressed", "29": "replay", "30": "dry run", "31": "one webhook",
        "32": "deliveries", "33": "replay of deliveries", "34": "accounts", "35": "keys",
    },
    "Fine print": {
        "F1": "event ids allotted in the commit", "F2": "stream order and takeover",
        "F3": "a flushed Redis", "F4": "requests while a hook runs", "F5": "leases renewed",
        "F6": "attempts of a poisonous run", "F7": "hints while the lease is held",
        "F8": "the component's own answer", "F9": "deleting what waits for fan-out",
        "F10": "scheduled events", "F11": "subscribed between commit and fan-out",
        "F12": "log listeners do not multiply", "F13": "payloads byte for byte",
        "F14": "a child that dies half way", "F15": "no lock on usage",
        "F16": "a web process that dies", "F17": "pausing and changing", "F18": "skipped slots",
        "F19": "retention of runs", "F20": "stopping in order", "F21": "one clock",
    },
    "Guarantees": {
        "G1": "2xx means stored", "G2": "events once, with their state",
        "G3": "every subscription, in order, once", "G4": "webhooks: same id, then dead letter",
        "G5": "no slot skipped silently", "G6": "stream order is commit order",
        "G7": "stopping and killing", "G8": "poison hurts itself alone",
        "G9": "Redis can be rebuilt", "G10": "bad input is a named 4xx",
    },
}  # fmt: skip
RULES = {rule for rules in GROUPS.values() for rule in rules}

_FRONT = re.compile(r"_(?:([tqcofg]\d{1,2})|(\d)_(\d)|(\d{1,2}b?))(?=_)")
_TOLD = re.compile(r"\b[TQCOFG]\d{1,2}\b")
_SECTION = re.compile(r"REST spec(?:ification|\.),? (\d(?:\.\d)?)")

Found = dict[str, list[str]]


def rules_of(name: str, docstring: str) -> set[str]:
    """The rules that a test names."""
    found = {*_TOLD.findall(docstring), *_SECTION.findall(docstring)}
    rest = name.removeprefix("test")
    while front := _FRONT.match(rest):
        letter, section, part, number = front.groups()
        found.add(letter.upper() if letter else f"{section}.{part}" if section else number)
        rest = rest[front.end() :]
    return found & RULES


def collect() -> Found:
    """Rule → its tests, as `path::name`, or `path` for all of a file."""
    found: Found = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        for rule in rules_of("", ast.get_docstring(tree) or ""):
            found[rule].append(path.relative_to(ROOT).as_posix())
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if not node.name.startswith("test_"):
                continue
            for rule in rules_of(node.name, ast.get_docstring(node) or ""):
                found[rule].append(f"{path.relative_to(ROOT).as_posix()}::{node.name}")
    return {rule: sorted(tests) for rule, tests in found.items()}


def results(junit: Path) -> dict[str, bool]:
    """Test (parameters left out) → whether all of it passed; skipped ones are not there."""
    found: dict[str, bool] = {}
    for case in ElementTree.parse(junit).iter("testcase"):
        if case.find("skipped") is not None:
            continue
        path = str(case.get("classname")).replace(".", "/") + ".py"
        test = f"{path}::{str(case.get('name')).partition('[')[0]}"
        good = case.find("failure") is None and case.find("error") is None
        for name in (test, path):
            found[name] = found.get(name, True) and good
    return found


def _result(tests: list[str], passed: dict[str, bool]) -> str:
    ran = [passed[test] for test in tests if test in passed]
    if not all(ran):
        return "failed"
    if len(ran) < len(tests):
        return f"{len(ran)} of {len(tests)} run, passed" if ran else "not run"
    return "passed"


def page(passed: dict[str, bool]) -> str:
    found = collect()
    lines = [
        "# Conformance",
        "",
        "Written by `make conformance` from the names and docstrings of the tests: rule of the",
        "specification or of the design, the tests that name it, and what they said at that run.",
    ]
    for group, rules in GROUPS.items():
        lines += ["", f"## {group}", "", "| Rule | About | Tests | Result |", "|---|---|---|---|"]
        for rule, about in rules.items():
            tests = found.get(rule, [])
            shown = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in tests)
            result = _result(tests, passed) if tests else ""
            lines.append(f"| {rule} | {about} | {shown or 'no test names it'} | {result} |")
    return "\n".join(lines) + "\n"


def names(text: str) -> list[str]:
    """A page without its results."""
    return [
        line.rpartition(" | ")[0] if line.startswith("| ") else line for line in text.split("\n")
    ]


if __name__ == "__main__":
    PAGE.write_text(page(results(Path(sys.argv[1])) if len(sys.argv) > 1 else {}))
