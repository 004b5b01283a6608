"""What the checks of schemathesis must be told of this API; it loads this file by its path.

A POST that is repeated under one Idempotency-Key answers as it did at first, also when what it made
has been deleted since: that is no new thing, and its address is 404. The tool looks for the DELETE
in the scenario at hand alone, but within a day any scenario may repeat a key.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import schemathesis
from schemathesis.checks import CHECKS
from schemathesis.specs.openapi import checks

_deleted: set[str] = set()
CHECKS.unregister("ensure_resource_availability")


@schemathesis.hook
def after_call(
    _context: schemathesis.HookContext,
    case: schemathesis.Case[Any],
    response: schemathesis.Response,
) -> None:
    if case.method.upper() == "DELETE" and 200 <= response.status_code < 300:
        _deleted.add(_path(response))


@schemathesis.check
def ensure_resource_availability(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> bool | None:
    """In the place of the tool's check of the same name: what was made is there, until a DELETE of
    any scenario."""
    steps = _path(response).split("/")
    if any("/".join(steps[:n]) in _deleted for n in range(len(steps) + 1)):
        return None
    return checks.ensure_resource_availability(ctx, response, case)


def _path(response: schemathesis.Response) -> str:
    return urlsplit(response.request.url or "").path
