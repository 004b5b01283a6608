"""deploy/: units, image and compose file name commands, settings and files that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack import procfile
from tests.documented import SETTINGS

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
LINES = procfile.read(ROOT / "Procfile")
HOME = "/opt/headwater"
# Of the image's Python, and of the image of PostgreSQL.
FOREIGN = {"PATH", "PYTHONUNBUFFERED", "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}
# A process gets this long to end by itself (docs/operations.md); then whoever started it kills it.
GRACE = {"web": 4, "scheduler": 4, "worker": 10}
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
OURS = {name: one for name, one in COMPOSE["services"].items() if one["image"] == "headwater"}
CONTAINERFILE = re.sub(r"\\\n\s*", "", (DEPLOY / "Containerfile").read_text())


def unit(path: Path) -> dict[str, list[str]]:
    """`Section.Key` → its values."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(f"{section}.{key}", []).append(value)
    return found


def kind(path: Path) -> str:
    return path.stem.removeprefix("headwater-").rstrip("@")


def steps(name: str) -> list[str]:
    """The arguments of one kind of instruction of the Containerfile, in order."""
    return re.findall(rf"^{name} (.*)$", CONTAINERFILE, re.MULTILINE)


def names_set(lines: list[str]) -> set[str]:
    return {word for line in lines for word in re.findall(r"\b([A-Z][A-Z_]+)=", line)}


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


# --- systemd ------------------------------------------------------------------------------------


def test_each_process_type_has_a_unit_and_a_service() -> None:
    assert sorted(map(kind, UNITS)) == sorted(LINES)
    assert sorted(OURS) == sorted(LINES)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_the_line_of_the_procfile(path: Path) -> None:
    found = unit(path)
    command = f"{HOME}/.venv/bin/python -m stack process {kind(path)}"
    assert found["Service.ExecStart"] == [command]
    assert found["Service.WorkingDirectory"] == [HOME]
    assert found["Unit.PartOf"] == ["headwater.target"]
    if kind(path) != procfile.RELEASE:
        assert seconds(found["Service.TimeoutStopSec"][0]) > GRACE[kind(path)]
        assert found["Unit.After"] == found["Unit.Requires"] == ["headwater-release.service"]
        assert found["Install.WantedBy"] == ["headwater.target"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_sets_what_is_a_setting(path: Path) -> None:
    found = unit(path)["Service.Environment"]
    assert names_set(found) <= SETTINGS
    assert "HEADWATER_DATA=/var/lib/headwater" in found[0]
    assert unit(path)["Service.EnvironmentFile"] == ["/etc/headwater.env"]


def test_the_units_environment_file_sets_settings() -> None:
    lines = (DEPLOY / "systemd/headwater.env.example").read_text().splitlines()
    assert {"DATABASE_URL", "REDIS_URL", "SECRET_KEY"} <= names_set(lines) <= SETTINGS


def test_the_target_wants_units_that_exist() -> None:
    wanted = unit(DEPLOY / "systemd/headwater.target")["Unit.Wants"][0].split()
    assert {re.sub(r"@\d+", "@", one) for one in wanted} == {
        path.name for path in UNITS if kind(path) != procfile.RELEASE
    }


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    """The same units, with a Python that exists here."""
    for path in (*UNITS, DEPLOY / "systemd/headwater.target"):
        text = path.read_text().replace(f"{HOME}/.venv/bin/python", sys.executable)
        (tmp_path / path.name.replace("@", "@1")).write_text(text)
    files = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if "headwater" in line]
    assert (done.returncode, ours) == (0, [])


# --- image --------------------------------------------------------------------------------------


def copied() -> list[str]:
    """What the image gets of the checkout."""
    return [name for step in steps("COPY") if "--from" not in step for name in step.split()[:-1]]


def test_the_image_runs_the_procfile() -> None:
    assert steps("ENTRYPOINT") == ['["python", "-m", "stack", "process"]']
    assert steps("CMD")[0].strip('[]"') in LINES
    assert names_set(steps("ENV")) <= SETTINGS | FOREIGN


def test_the_image_gets_what_exists_and_its_context_lets_it_in() -> None:
    let_in = re.findall(r"^!(.+)$", (DEPLOY / "Containerfile.dockerignore").read_text(), re.M)
    assert sorted(let_in) == sorted(copied())
    assert [name for name in copied() if not (ROOT / name).exists()] == []


# --- compose ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_the_line_of_the_procfile(name: str) -> None:
    service = OURS[name]
    assert service["command"] == [name]
    assert set(service["environment"]) <= SETTINGS
    assert service["cap_drop"] == ["ALL"]
    built = service["build"]
    assert (DEPLOY / built["context"] / built["dockerfile"]).is_file()
    if name != procfile.RELEASE:
        assert seconds(service["stop_grace_period"]) > GRACE[name]
        assert service["depends_on"]["release"] == {"condition": "service_completed_successfully"}
        assert service["healthcheck"]["test"][0] == "CMD"


def test_services_and_volumes_that_are_named_are_there() -> None:
    services = COMPOSE["services"]
    volumes = {v.split(":")[0] for one in services.values() for v in one.get("volumes", [])}
    assert volumes == COMPOSE["volumes"].keys()
    assert {name for one in services.values() for name in one.get("depends_on", {})} <= set(
        services
    )
    for one in services.values():
        assert set(one.get("environment", {})) <= SETTINGS | FOREIGN
        for place in re.findall(
            r"(?:@|//)(\w+):\d+/", " ".join(map(str, one.get("environment", {}).values()))
        ):
            assert place in services


def test_the_head_of_the_compose_file_names_what_it_asks_for() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{([A-Z_]+):[?-]", text))
    assert asked == set(re.findall(r"^#   ([A-Z_]+)=", text, re.MULTILINE))


def test_the_database_takes_all_connections() -> None:
    """DB_POOL of each process, and those that a superuser has to himself."""
    command = COMPOSE["services"]["postgres"]["command"]
    allowed = int(command[-1].removeprefix("max_connections="))
    processes = sum(one.get("scale", 1) for one in OURS.values())
    assert processes * 20 + 3 <= allowed
