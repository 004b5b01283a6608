"""The only door to Headwater: its public REST API (`/v1/docs` of an instance describes it)."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterator
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from headwater_cli import __version__
from headwater_cli.failures import NoAccess, Refused
from headwater_cli.settings import Site

# A source's hooks and the installing of packages are waited for.
PATIENCE = httpx.Timeout(10, read=660)
# How often a request is repeated whose code was still being installed (503 `still_loading`).
REPEATS = 30
SHORTEST_WAIT, LONGEST_WAIT = 5.0, 60.0
PAGE = 100

Resource = dict[str, Any]


def segment(text: str) -> str:
    """One segment of a path."""
    return quote(text, safe="*$") or "%20"


class Api:
    """Calls answer with what stands under `data`. They raise Refused, or NoAccess when nobody
    answers as Headwater does."""

    def __init__(self, site: Site, timeout: httpx.Timeout = PATIENCE) -> None:
        self.url = site.url
        headers = {
            "Authorization": f"Bearer {site.key}",
            "User-Agent": f"headwater-cli/{__version__}",
        }
        try:
            self._client = httpx.Client(
                base_url=f"{site.url}/v1/", headers=headers, timeout=timeout
            )
        except (httpx.InvalidURL, ValueError) as error:
            # Of the address, or of a proxy that the environment names.
            raise NoAccess(f"cannot reach Headwater at {site.url}: {error}") from None

    def __enter__(self) -> Api:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def get(self, path: str, **query: Any) -> Any:
        return self._call("GET", path, query=query)["data"]

    def post(self, path: str, body: Resource | None = None, **query: Any) -> Any:
        return self._call("POST", path, query=query, body=body or {}).get("data")

    def put(self, path: str, body: Resource) -> Any:
        return self._call("PUT", path, body=body)["data"]

    def delete(self, path: str, **query: Any) -> None:
        self._call("DELETE", path, query=query)

    def page(self, path: str, **query: Any) -> tuple[list[Resource], int]:
        """One page, and how many there are on all of them."""
        answer = self._call("GET", path, query=query)
        return answer["data"], answer["page_info"]["total_count"]

    def walk(self, path: str, **query: Any) -> Iterator[Resource]:
        """Everything in a list, page by page."""
        after: dict[str, str] = {}
        while True:
            answer = self._call("GET", path, query={"limit": PAGE, **query, **after})
            yield from answer["data"]
            if len(answer["data"]) < PAGE:
                return
            after = {"after": answer["page_info"]["end_cursor"]}

    def stream(self, path: str, query: dict[str, str], headers: dict[str, str]) -> httpx.Response:
        """An event stream, to be closed. A comment comes every 15 seconds: silence is a loss."""
        request = self._client.build_request(
            "GET",
            path,
            params=query,
            headers={"Accept": "text/event-stream", **headers},
            timeout=httpx.Timeout(10, read=40),
        )
        response = self._send(request, stream=True)
        if response.status_code != 200:
            try:
                response.read()
            except httpx.HTTPError as error:
                raise self._unreachable(error) from None
            finally:
                response.close()
            raise self._refusal(response)
        return response

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Resource | None = None,
    ) -> Any:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        # One request, however often it has to be sent.
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
        request = self._client.build_request(method, path, params=given, json=body, headers=headers)
        repeats = REPEATS
        while not (response := self._send(request)).is_success:
            refused, repeats = self._refusal(response), repeats - 1
            if refused.code != "still_loading" or not repeats:
                raise refused
            print("packages are still being installed, waiting", file=sys.stderr, flush=True)
            time.sleep(refused.wait or SHORTEST_WAIT)
        return self._read(response) if response.content else {}

    def _send(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        try:
            return self._client.send(request, stream=stream)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: httpx.HTTPError) -> NoAccess:
        return NoAccess(
            f"cannot reach Headwater at {self.url}: {str(error) or type(error).__name__}"
        )

    def _read(self, response: httpx.Response) -> Any:
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise NoAccess(f"what answers at {self.url} is not Headwater")
        return answer

    def _refusal(self, response: httpx.Response) -> Refused:
        answer = self._read(response)
        details = answer.get("details")
        message = str(answer.get("error") or response.reason_phrase)
        if response.status_code == 401:
            # What follows tells which header to send.
            message = (
                f"{message.partition(';')[0]}: run `headwater login`, or set HEADWATER_API_KEY"
            )
        return Refused(
            message,
            status=response.status_code,
            code=str(answer.get("code") or ""),
            details=details if isinstance(details, dict) else {},
            wait=_retry_after(response),
        )


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return min(float(text), LONGEST_WAIT) if text.isdecimal() and text.isascii() else 0
