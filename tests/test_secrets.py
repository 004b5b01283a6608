"""No secret is in the files of the project: known forms of keys and tokens, texts that look random,
and this platform's own keys. Needs no network (detect-secrets)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

from apps.accounts import keys

ROOT = Path(__file__).resolve().parents[1]
# Real feeds, as their publishers serve them.
LEFT_OUT = ("tests/fixtures/feeds/", "LICENSE")
FORMS = (
    "AWSKey", "ArtifactoryDetector", "AzureStorageKey", "BasicAuth", "Cloudant", "DiscordBotToken",
    "GitHubToken", "GitLabToken", "IbmCloudIam", "JwtToken", "Mailchimp", "Npm", "OpenAI",
    "PrivateKey", "PypiToken", "SendGrid", "Slack", "SquareOAuth", "Stripe", "TelegramBotToken",
    "TwilioKey",
)  # fmt: skip
PLUGINS: list[dict[str, Any]] = [
    *({"name": form if form.endswith("Detector") else f"{form}Detector"} for form in FORMS),
    {"name": "Base64HighEntropyString", "limit": 4.7},
    {"name": "HexHighEntropyString", "limit": 3.3},
]
# File and kind → why it is none.
NONE = {
    ("apps/api/openapi/components.py", "Hex High Entropy String"): "the hash of an example",
    ("apps/api/openapi/paths.py", "Hex High Entropy String"): "the hash of an example",
    ("tests/api/test_webhooks.py", "Basic Auth Credentials"): "a URL that must be refused",
    ("tests/corpus/published.py", "Base64 High Entropy String"): "the integrity of an archive",
    ("tests/runtime/javascript/test_load.py", "Hex High Entropy String"): "an HMAC of 'text'",
    ("tests/services/test_fetching.py", "Basic Auth Credentials"): "a URL that must be refused",
}
_OWN = re.compile(r"hw_[0-9A-Za-z]{38}\b")


@pytest.fixture(scope="module")
def files() -> list[str]:
    """Those that git knows, or would know; all of a copy without git."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        listed = done.stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        listed = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
        listed = [path for path in listed if not path.startswith(("var/", "build/", "."))]
    return [
        path
        for path in sorted(set(listed) - {""})
        if not path.startswith(LEFT_OUT) and (ROOT / path).is_file()
    ]


def _scan(files: list[str], root: Path) -> set[tuple[str, str]]:
    with transient_settings({"plugins_used": PLUGINS}):
        found = SecretsCollection(root=str(root))
        for path in files:
            found.scan_file(path)
        return {(path, secret.type) for path, secret in found}


def test_there_is_none(files: list[str]) -> None:
    assert len(files) > 500
    found = _scan(files, ROOT)
    assert found - NONE.keys() == set(), "put it elsewhere, and turn it over: it is known now"
    assert NONE.keys() - found == set(), "no exception is left over"


def test_none_of_our_own_keys(files: list[str]) -> None:
    texts = {path: (ROOT / path).read_text(errors="replace") for path in files}
    real = [
        path for path, text in texts.items() for key in _OWN.findall(text) if keys.well_formed(key)
    ]
    assert real == []


def test_it_would_be_seen(tmp_path: Path) -> None:
    token = "ghp_" + "a1B2" * 9
    (tmp_path / "a.py").write_text(f'TOKEN = "{token}"\n')
    (tmp_path / "b.pem").write_text("-----BEGIN RSA " + "PRIVATE KEY-----\n")
    assert {path for path, _ in _scan(["a.py", "b.pem"], tmp_path)} == {"a.py", "b.pem"}
    assert keys.well_formed(keys.generate())
