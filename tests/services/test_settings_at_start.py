"""Entries of settings that cannot be read stop a process when it starts, not when they are used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parents[2]
CORE = apps.get_app_config("core")
NETWORKS = "it takes CIDR or CIDR:port"
HOSTS = "it takes host=address or host=address:port"


@pytest.mark.parametrize(
    ("setting", "entry", "forms"),
    [
        ("EGRESS_ALLOW", "10.0.0.0/33", NETWORKS),
        ("EGRESS_ALLOW", "10.0.0.0/8:http", NETWORKS),
        ("EGRESS_DENY", "example.org", NETWORKS),
        ("EGRESS_DENY", "[fd00::/8", NETWORKS),
        ("EGRESS_RESOLVE", "a.example", HOSTS),
        ("EGRESS_RESOLVE", "a.example=b.example", HOSTS),
    ],
)
def test_the_setting_and_its_entry_are_named(
    settings: Any, setting: str, entry: str, forms: str
) -> None:
    good = {"EGRESS_ALLOW": "10.0.0.0/8", "EGRESS_DENY": "[fd00::/8]:1", "EGRESS_RESOLVE": "a=::1"}
    for name, value in good.items():
        setattr(settings, name, (value,))
    CORE.ready()
    setattr(settings, setting, (good[setting], entry))
    with pytest.raises(ImproperlyConfigured) as raised:
        CORE.ready()
    assert str(raised.value) == f"{setting}: {entry!r} cannot be read; {forms}"


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "proxy.example", "10.0.0.0/33"])
def test_a_proxy_that_cannot_be_read_is_named(settings: Any, entry: str) -> None:
    api = apps.get_app_config("api")
    settings.TRUSTED_PROXIES = ("10.0.0.0/8", "::1")
    api.ready()
    settings.TRUSTED_PROXIES = ("::1", entry)
    with pytest.raises(ImproperlyConfigured) as raised:
        api.ready()
    told = f"TRUSTED_PROXIES: {entry!r} cannot be read; it takes an address or CIDR"
    assert str(raised.value) == told


def test_the_web_process_stops_at_its_start() -> None:
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--port", "0", "--no-ws"]
    ended = subprocess.run(
        [*command, "config.asgi:application"],
        cwd=ROOT,
        env={**os.environ, "EGRESS_ALLOW": "10.0.0.0/8,anywhere"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    told = [line for line in ended.stderr.splitlines() if "EGRESS_ALLOW" in line]
    assert len(told) == 1, ended.stderr
    assert told[0].endswith(f"EGRESS_ALLOW: 'anywhere' cannot be read; {NETWORKS}")
