"""Connecting an account as a person does it: from the address to the provider and back."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.test import Client

from tests.api.conftest import Api, body_of
from tests.oauth_provider import Provider


def ask(caller: Api, app: str = "github", **body: Any) -> dict[str, Any]:
    response = caller.call("POST", f"/connect/{app}", body)
    assert response.status_code == 200, response.content
    data: dict[str, Any] = body_of(response)["data"]
    return data


class Browser:
    """A person's, in which forms need their token."""

    def __init__(self, provider: Provider) -> None:
        self.client = Client(enforce_csrf_checks=True)
        self.provider = provider

    def begin(self, url: str) -> Any:
        """Open the address and agree to go on; what the platform answers."""
        path = url.removeprefix(settings.PUBLIC_URL)
        page: Any = self.client.get(path)
        if page.status_code != 200:
            return page
        [token] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())
        return self.client.post(path, {"csrfmiddlewaretoken": token})

    def consent(self, url: str) -> str:
        """As far as the provider sending the browser back: the path that it is sent to."""
        sent = self.begin(url)
        assert sent.status_code == 303, sent.content
        back = self.provider.browse(sent["Location"])
        assert back.status_code == 302
        return back.headers["location"].removeprefix(settings.PUBLIC_URL)

    def connect(self, url: str) -> Any:
        return self.client.get(self.consent(url))
