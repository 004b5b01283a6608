"""A whole stack that deploys published components as a user does: by their address, over REST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.corpus import published
from tests.corpus.providers import Providers, Reply, Request
from tests.corpus.stage import Event
from tests.making import until
from tests.processes import ROOT, Running

CODE = "https://raw.githubusercontent.com/PipedreamHQ/pipedream/master"


class Platform:
    """A started stack that reaches the stand-ins under the providers' names, and its REST API."""

    def __init__(self, directory: Path, providers: Providers) -> None:
        self.providers = providers
        self._components: dict[str, str] = {}
        self._running = Running(
            directory,
            root=ROOT,
            environment={
                "EGRESS_RESOLVE": ",".join(providers.resolve),
                "EGRESS_ALLOW": f"127.0.0.1/32:{providers.port}",
                "EGRESS_CA": str(providers.ca),
            },
        )
        try:
            self._running.ready(100)
            self.address, self.key = self._running.address, self._running.key
            self.api = self._running.client()
        except BaseException:
            self._running.close()
            raise

    def close(self) -> None:
        self.api.close()
        self._running.close()

    def call(self, method: str, path: str, **given: Any) -> Any:
        """The `data` of the answer. Fails when it is not a 2xx."""
        answer = self.api.request(method, path, **given)
        assert answer.is_success, (answer.status_code, answer.text)
        return answer.json()["data"] if answer.content else None

    def component(self, path: str) -> str:
        """The id of the component, fetched from where it is published with the files beside it."""
        if path not in self._components:
            self.providers.get(f"{CODE}/**", _file)
            body = {"component_url": f"{CODE}/components/{path}"}
            self._components[path] = self.call("POST", "/components", json=body)["id"]
        return self._components[path]

    def deploy(
        self, path: str, app: tuple[str, str, dict[str, Any]] | None, /, **props: Any
    ) -> Any:
        """The source; `app` is the name of the app prop, the app, and the credentials."""
        if app is not None:
            name, slug, credentials = app
            body = {"app_slug": slug, "name": slug, "credentials": credentials}
            account = self.call("POST", "/accounts", json=body)
            props[name] = {"authProvisionId": account["id"]}
        body = {"component_id": self.component(path), "configured_props": props}
        return self.call("POST", "/sources", json=body)

    def delete_polling(self) -> None:
        """Deletes the sources that a timer runs; they would go on asking the providers."""
        for source in self.call("GET", "/users/me/sources", params={"limit": 100}):
            if "timer" in source["configured_props"]:
                self.call("DELETE", f"/sources/{source['id']}")

    def endpoint(self, source: Any) -> str:
        url: str = source["configured_props"]["http"]["endpoint_url"]
        return url

    def run(self, source: Any) -> None:
        """One more run, by hand; waits for its end."""
        before = self.ended(source)
        answer = self.api.post(f"/sources/{source['id']}/run")
        assert answer.status_code == 202, answer.text
        until(lambda: self.ended(source) > before, 60, "the run by hand")

    def ended(self, source: Any) -> int:
        """How many of its runs have ended well. Fails for one that did not."""
        runs = self.call("GET", f"/sources/{source['id']}/runs", params={"limit": 100})
        assert not [run for run in runs if run["error"]], runs
        return len([run for run in runs if run["state"] not in ("queued", "running")])

    def events(self, source: Any, channel: str | None = None) -> list[Event]:
        """Those in the ledger, oldest first."""
        params = {"expand": "event", "limit": 100}
        if channel is not None:
            params["event_name"] = channel
        listed = self.call("GET", f"/sources/{source['id']}/event_summaries", params=params)
        return [
            Event(
                item["event"],
                item["metadata"].get("id"),
                item["metadata"].get("summary"),
                item["metadata"].get("ts"),
                item["metadata"].get("name") or "",
            )
            for item in reversed(listed)
        ]

    def eventually(self, source: Any, expected: list[Event], channel: str | None = None) -> None:
        """Waits for as many events as expected, and compares."""
        until(lambda: len(self.events(source, channel)) >= len(expected), 60, f"{expected}")
        assert self.events(source, channel) == expected


def _file(request: Request) -> Any:
    """A file of the published package, under the address of its repository."""
    file = published.root() / request.url.removeprefix(f"{CODE}/")
    return file.read_text() if file.is_file() else Reply("404: Not Found", 404)
