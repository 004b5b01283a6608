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

from config.declared import DECLARED
from stack import procfile
from tests.documented import SETTINGS
from tests.documents.blocks import blocks

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
LINES = procfile.read(ROOT / "Procfile")
HOME = "/opt/headwater"
# Of the image's Python, and of the image of PostgreSQL.
FOREIGN = {"PATH", "PYTHONUNBUFFERED", "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}
DATA = "/var/lib/headwater"
# What docs/operations.md says of the units: nothing but the data directory can be written, no
# capability, no namespace, no kernel setting, no device.
DENIED = {
    "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes",
    "CapabilityBoundingSet": "", "NoNewPrivileges": "yes", "RestrictNamespaces": "yes",
    "ProtectKernelTunables": "yes", "ProtectKernelModules": "yes", "ProtectControlGroups": "yes",
}  # fmt: skip
# The wall has a filter of its own, and JavaScript is compiled to machine code.
STAYS_OFF = {"MemoryDenyWriteExecute", "SystemCallFilter"}
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


def on_the_page(containing: str) -> str:
    """The block of docs/operations.md that has this."""
    [block] = [one for one in blocks("docs/operations.md") if containing in one.text]
    return block.text


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
        assert found["Service.Restart"] == ["always"]
        assert found["Unit.StartLimitIntervalSec"] == ["0"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_denies_what_the_page_says(path: Path) -> None:
    found = unit(path)
    assert {key: found[f"Service.{key}"] for key in DENIED} == {
        key: [value] for key, value in DENIED.items()
    }
    assert found["Service.User"] == ["headwater"]
    assert [f"/var/lib/{one}" for one in found["Service.StateDirectory"]] == [DATA]
    assert found["Service.StateDirectoryMode"] == ["0700"]
    assert not {f"Service.{key}" for key in STAYS_OFF} & found.keys()


def test_what_the_page_of_health_says_to_systemd_is_in_the_units() -> None:
    """Of the processes that feed its watchdog."""
    [block] = [one for one in blocks("docs/observability.md") if one.language == "ini"]
    said = {line for line in block.text.splitlines() if "=" in line}
    assert said
    for kind in ("scheduler", "worker@"):
        text = (DEPLOY / f"systemd/headwater-{kind}.service").read_text()
        assert said <= set(text.splitlines())


def test_the_page_installs_what_the_units_name() -> None:
    lines = [line.partition("#")[0].split() for line in on_the_page("systemctl").splitlines()]
    installed: dict[str, str] = {}
    for words in lines:
        command = words[: words.index("&&")] if "&&" in words else words
        if command[:2] != ["install", "-m"]:
            continue
        *patterns, into = command[3:]
        for pattern in patterns:
            files = list(ROOT.glob(pattern))
            assert files, pattern
            installed |= {file.name: into for file in files}
    units = {path.name for path in UNITS} | {"headwater.target"}
    assert {name for name, into in installed.items() if into == "/etc/systemd/system/"} == units
    [settings] = {one for path in UNITS for one in unit(path)["Service.EnvironmentFile"]}
    assert installed["headwater.env.example"] == settings
    assert installed["headwater.sysusers.conf"] == "/etc/sysusers.d/headwater.conf"
    user = (DEPLOY / "systemd/headwater.sysusers.conf").read_text().split()
    assert user == ["u", "headwater", "-", '"Headwater"', DATA]
    started = {words[-1] for words in lines if "enable" in words}
    assert {re.sub(r"@\d+", "@.service", one) for one in started} <= units


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_sets_what_is_a_setting(path: Path) -> None:
    found = unit(path)["Service.Environment"]
    assert names_set(found) <= SETTINGS
    assert f"HEADWATER_DATA={DATA}" in found[0].split()
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
    assert f"HEADWATER_DATA={DATA}" in steps("ENV")[0].split()
    assert steps("VOLUME") == [DATA]
    # Reached from outside of the container, at the port that it listens on.
    assert "HOST=0.0.0.0" in steps("ENV")[0].split()
    assert steps("EXPOSE") == [str(DECLARED["PORT"].default)]


def test_the_image_runs_as_a_user_who_owns_the_data_alone() -> None:
    assert steps("USER") == ["headwater"]
    made = next(step for step in steps("RUN") if "useradd" in step)
    assert "useradd --uid 10001 " in made
    assert made.endswith(f"install -d -o headwater -g headwater {DATA}")


def test_the_image_gets_what_exists_and_its_context_lets_it_in() -> None:
    let_in = re.findall(r"^!(.+)$", (DEPLOY / "Containerfile.dockerignore").read_text(), re.M)
    assert sorted(let_in) == sorted(copied())
    assert [name for name in copied() if not (ROOT / name).exists()] == []


def test_the_platform_runs_from_what_the_image_gets(tmp_path: Path) -> None:
    """Its modules are imported where nothing else of the checkout is (code of children is not)."""
    for name in copied():
        (tmp_path / name).symlink_to(ROOT / name)
    modules = (
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for name in ("apps", "config", "stack", "workers")
        for path in sorted((ROOT / name).rglob("*.py"))
        if not {"builtin", "migrations", "runtime", "__main__.py"} & set(path.parts)
    )
    program = "\n".join(
        [
            "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, '')",
            "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'",
            "import django; django.setup()",
            *(f"import {module.removesuffix('.__init__')}" for module in modules),
        ]
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=tmp_path, capture_output=True, text=True,
        env={"HEADWATER_DATA": str(tmp_path / "data"), "SECRET_KEY": "of the test"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# --- compose ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_the_line_of_the_procfile(name: str) -> None:
    service = OURS[name]
    assert service["command"] == [name]
    assert set(service["environment"]) <= SETTINGS
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert [one.split(":") for one in service["volumes"]] == [["data", DATA]]
    built = service["build"]
    assert (DEPLOY / built["context"] / built["dockerfile"]).is_file()
    if name != procfile.RELEASE:
        assert seconds(service["stop_grace_period"]) > GRACE[name]
        assert service["depends_on"]["release"] == {"condition": "service_completed_successfully"}
        assert service["restart"] == "unless-stopped"
        asked = service["healthcheck"]["test"]
        if name == "web":
            assert asked[:3] == ["CMD", "python", "-c"]
            assert "/healthz'" in asked[3]
        else:
            assert asked == ["CMD", "python", "-m", "workers.health"]


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


def test_the_page_starts_what_the_compose_file_has() -> None:
    page = on_the_page("docker compose up")
    [format_] = re.findall(r"^printf '(.*?)'", page, re.MULTILINE)
    text = (DEPLOY / "compose.yaml").read_text()
    assert set(re.findall(r"([A-Z_]+)=", format_)) == set(re.findall(r"\$\{([A-Z_]+):\?", text))
    named = re.findall(r"docker compose exec (\w+)", page)
    named += re.findall(r"--scale (\w+)=\d", page)
    assert named
    assert set(named) <= OURS.keys()
    assert f" cat {DATA}/api_key" in page
    # It is a secret, and lies in the checkout.
    assert "/deploy/.env" in (ROOT / ".gitignore").read_text().splitlines()
