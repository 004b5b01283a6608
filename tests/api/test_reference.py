"""The curl lines of the REST reference (website/rest.py) are calls that the API takes.

What they name does not exist, so most are answered 404; none is answered as a wrong call.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
from django.urls import resolve

from apps.api.dry_run import PATIENCE_SECONDS
from apps.api.openapi import document
from tests.api.conftest import Api
from website import rest

LINES = [
    found
    for page in rest.pages(document()).values()
    for found in re.findall(r"```sh\n(curl .*?)\n```", page, re.DOTALL)
]
# Without a key, and event streams: the edge serves them, and tests of their own call them.
ELSEWHERE = re.compile(r'-sN|"\$BASE/(h/|healthz|readyz|metrics|v1/openapi.json|v1/docs)')
CALLS = [line for line in LINES if not ELSEWHERE.search(line)]
WRONG_CALL = (400, 401, 403, 405, 413, 415, 422, 500)


def _of(line: str) -> tuple[str, str, Any]:
    """Method, path with query, body."""
    words = shlex.split(line)
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    [address] = [word for word in words if word.startswith("$BASE")]
    body = json.loads(words[words.index("-d") + 1]) if "-d" in words else None
    # Which `shlex` leaves.
    return method, address.removeprefix("$BASE").replace("\\$", "$"), body


def _named(line: str) -> str:
    method, address, _body = _of(line)
    return f"{method} {address.partition('?')[0]}"


def test_there_is_a_line_for_each_call() -> None:
    assert len(LINES) == sum(len(methods) for methods in document()["paths"].values())


@pytest.mark.parametrize("line", CALLS, ids=map(_named, CALLS))
def test_the_line_is_a_call(line: str, alice: Api, settings: Any) -> None:
    # No worker works here: what would wait for one is told so at once.
    settings.LOAD_WAIT_SECONDS, settings.HOOK_SECONDS = 0, -PATIENCE_SECONDS
    method, address, body = _of(line)
    answer = alice.call(method, address.removeprefix("/v1"), body)
    allowed = () if "/apphooks/" in address else WRONG_CALL
    assert answer.status_code not in allowed, answer.content
    assert resolve(address.partition("?")[0]).func.__name__ != "unknown_route"
