"""Errors that services raise and the API shows (REST specification 4).

No web framework here: `apps.api.errors` turns an `ApiError` into the body
`{"error": message, "code": code, "details": {…}}` with its status. The message names the
parameter, and never holds a path, a secret or a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class ApiError(Exception):
    """What the caller did wrong, or must do otherwise.

    status      HTTP status, 400..499 (503 when a part of the platform does not answer in time)
    code        slug for machines
    message     one line for people
    parameter   the name of the offending parameter; shown as `details.parameter`
    details     more facts for `details`: JSON values
    headers     extra response headers (`Retry-After`, `Allow`, …)
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        parameter: str | None = None,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.parameter = parameter
        self.details: dict[str, Any] = dict(details or {})
        if parameter is not None:
            self.details.setdefault("parameter", parameter)
        self.headers: dict[str, str] = dict(headers or {})

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"error": self.message, "code": self.code}
        if self.details:
            body["details"] = self.details
        return body


def invalid(parameter: str | None, message: str, **details: Any) -> ApiError:
    """400: a parameter is missing or wrong. `message` should begin with the parameter's name."""
    return ApiError(400, "invalid_parameter", message, parameter=parameter, details=details)


def bad_request(code: str, message: str, **details: Any) -> ApiError:
    """400 with a code of its own: `invalid_json`, `too_deep`, `load_failed`, `hook_failed` …"""
    return ApiError(400, code, message, details=details)


def hook_failed(hook: str, message: str, **details: Any) -> ApiError:
    """400: a lifecycle hook of component code failed; `message` is the hook's own."""
    return bad_request("hook_failed", message, hook=hook, **details)


def unauthorized(message: str) -> ApiError:
    return ApiError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})


def insufficient_scope(scope: str, held: Iterable[str], parameter: str | None = None) -> ApiError:
    """403: the key is good, but not for this. Its `WWW-Authenticate` is RFC 6750's."""
    has = ", ".join(held)
    return ApiError(
        403,
        "insufficient_scope",
        f"this needs an API key with the scope {scope}; the one that was sent has {has}"
        if parameter is None
        else f"{parameter}: the API key that was sent has {has}, and cannot give {scope}",
        parameter=parameter,
        details={"scope": scope},
        headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
    )


def not_found() -> ApiError:
    """404, the same for an unknown route, an unknown id and somebody else's id."""
    return ApiError(404, "not_found", "not found")


def method_not_allowed(method: str, allowed: list[str]) -> ApiError:
    return ApiError(
        405,
        "method_not_allowed",
        f"{method} is not allowed here; allowed: {', '.join(allowed)}",
        headers={"Allow": ", ".join(allowed)},
    )


def conflict(message: str, code: str = "conflict", **details: Any) -> ApiError:
    """409: another change or a run is in the way; nothing was changed."""
    return ApiError(409, code, message, details=details)


def too_large(parameter: str | None, limit_bytes: int) -> ApiError:
    what = parameter or "request body"
    return ApiError(
        413, "too_large", f"{what} is larger than {limit_bytes} bytes", parameter=parameter
    )


def unsupported_media_type(message: str) -> ApiError:
    return ApiError(415, "unsupported_media_type", message)


def unprocessable(parameter: str | None, message: str, code: str = "unprocessable") -> ApiError:
    """422: well-formed, and unusable all the same."""
    return ApiError(422, code, message, parameter=parameter)


def too_many(message: str, *, retry_after: int, code: str = "too_many_requests") -> ApiError:
    """429. `retry_after` in whole seconds."""
    return ApiError(429, code, message, headers={"Retry-After": str(retry_after)})


def unavailable(message: str, *, retry_after: int = 5, code: str = "unavailable") -> ApiError:
    """503: a part of the platform did not answer in time."""
    return ApiError(503, code, message, headers={"Retry-After": str(retry_after)})


def key_reused() -> ApiError:
    """422: the Idempotency-Key was used for another request within a day."""
    return unprocessable(
        "Idempotency-Key",
        "Idempotency-Key was used for another request; use a new one",
        code="idempotency_key_reused",
    )


def in_progress() -> ApiError:
    """409: the first request of this Idempotency-Key has not been answered yet."""
    return ApiError(
        409,
        "idempotency_in_progress",
        "a request with this Idempotency-Key is under way; ask again for its answer",
        headers={"Retry-After": "1"},
    )
