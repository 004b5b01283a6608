"""The tests' OAuth 2.0 provider (tests.oauth_server) as a test sees it."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from apps.accounts.connecting import redirect_uri
from apps.accounts.oauth import Provider as Settings
from apps.core.addresses import Policy
from apps.core.http import Client
from apps.core.names import by_table
from tests.certificates import certificate
from tests.oauth_server import CLIENT_ID, CLIENT_SECRET, SCOPE

ROOT = Path(__file__).resolve().parents[1]
HOST = "login.provider.example"


class Provider:
    """A running provider. Its name is known to the client that `client` makes, and to nobody else:
    `browser` calls it at its address."""

    def __init__(self, port: int, authority: Path) -> None:
        self.port = port
        self.authority = authority
        self.base = f"https://{HOST}:{port}"
        context = ssl.create_default_context(cafile=str(authority))
        self._browser = httpx.Client(verify=context, timeout=30)

    def client(self, seconds: float = 15) -> Client:
        """The platform's client, for which the provider's host is permitted."""
        return Client(
            Policy((f"127.0.0.1/32:{self.port}",)),
            seconds=seconds,
            resolve=by_table((f"{HOST}=127.0.0.1",)),
            ca=str(self.authority),
        )

    def settings(self, app_slug: str = "github", **changes: Any) -> dict[str, Any]:
        """What the operator's row holds, the secret in clear under `client_secret`."""
        return {
            "app_slug": app_slug,
            "authorize_url": f"{self.base}/authorize",
            "token_url": f"{self.base}/token",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scopes": SCOPE,
            **changes,
        }

    def as_settings(self, **changes: Any) -> Settings:
        return Settings(**self.settings(**changes))

    def browse(self, url: str) -> httpx.Response:
        """What a browser gets that is sent here; redirects are the test's to follow."""
        parts = urlsplit(url)
        assert parts.hostname == HOST
        return self._browser.get(
            f"https://127.0.0.1:{self.port}{parts.path}?{parts.query}",
            headers={"Host": parts.netloc},
            extensions={"sni_hostname": HOST},
        )

    def control(self, **behaviour: Any) -> None:
        self._call("POST", "/control", behaviour)

    def reset(self) -> None:
        self._call("POST", "/reset")

    def revoke(self) -> None:
        """No refresh token that was given so far is good any more."""
        self._call("POST", "/revoke")

    @property
    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = self._call("GET", "/facts")
        return found

    def close(self) -> None:
        self._browser.close()

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        url = f"https://127.0.0.1:{self.port}{path}"
        return self._browser.request(method, url, json=body).raise_for_status().json()


@contextmanager
def providing(folder: Path) -> Iterator[Provider]:
    """A provider of its own process; every redirect goes to this platform's address."""
    authority, _ = certificate(folder, HOST)
    command = [sys.executable, "-m", "tests.oauth_server"]
    command += [str(folder / "server.pem"), str(folder / "key.pem"), redirect_uri()]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        provider = Provider(int(line), authority)
        yield provider
        provider.close()
    finally:
        process.terminate()
        process.wait(10)
