"""`Idempotency-Key` on the POSTs of the API: within a day, the same key is one effect, one answer.

The key's row and the effect are written in one transaction, so that one is there exactly when the
other is; who repeats the call meanwhile waits at the unique key for its COMMIT. Where the view has
to wait for a runner (`Deferred`), each stage is one transaction with the note how far it came:

    same key, other request (path, query or body)   422 `idempotency_key_reused`
    answered                                        the same answer
    a source is being created                       waits for the same operation (`ApiView.join`)
    something else is under way                     409 `idempotency_in_progress`, Retry-After
    its web process died                            after its time: done anew, it had no effect yet

What was refused at once had no effect, and its key stays free. Answers are kept encrypted: some
hold a secret that is shown only once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Protocol

import orjson
from django.db import connection, transaction
from django.http import HttpResponse
from rest_framework.request import Request

from apps.accounts.services import Caller
from apps.api.deferred import Deferred
from apps.core import errors, secrets

HEADER = "Idempotency-Key"
MAX_BYTES = 255
# Beyond what a stage may take; then its process is taken for dead.
SLACK_SECONDS = 30.0
# Not an outcome: the caller shall come again.
_PASSING = (408, 409, 429)

_TAKE = """
INSERT INTO idempotency AS i (scope, key, asked, created_at, until)
VALUES (%(scope)s, %(key)s, %(asked)s, app_now(), app_now() + %(slack)s * interval '1 second')
ON CONFLICT (scope, key) DO UPDATE
  SET asked = excluded.asked, created_at = excluded.created_at, until = excluded.until,
      operation_id = NULL, status = NULL, headers = NULL, body = NULL
  WHERE i.created_at < app_now() - interval '1 day'
RETURNING true
"""

_LOOK = """
SELECT asked, status, headers, body, operation_id FROM idempotency
WHERE scope = %(scope)s AND key = %(key)s
"""

# Of two that find it abandoned, one takes it over.
_TAKE_OVER = """
UPDATE idempotency SET until = app_now() + %(slack)s * interval '1 second', operation_id = NULL
WHERE scope = %(scope)s AND key = %(key)s AND status IS NULL AND until < app_now()
"""

_NOTE_STAGE = """
UPDATE idempotency
SET operation_id = %(operation)s, until = app_now() + %(seconds)s * interval '1 second'
WHERE scope = %(scope)s AND key = %(key)s AND status IS NULL
"""

_NOTE_ANSWER = """
UPDATE idempotency SET status = %(status)s, headers = %(headers)s, body = %(body)s
WHERE scope = %(scope)s AND key = %(key)s AND status IS NULL
"""

_LET_GO = """
UPDATE idempotency SET until = app_now() - interval '1 second'
WHERE scope = %(scope)s AND key = %(key)s AND status IS NULL
"""

Call = Callable[..., HttpResponse]


class Joining(Protocol):
    """What a view offers to a call that finds an operation of its own under way."""

    def join(self, operation_id: int) -> HttpResponse | None: ...


def once(view: Joining, request: Request, caller: Caller, call: Call) -> Call:
    """The handler, done once for its key; the handler itself when the request has none."""
    key = str(request.headers.get(HEADER) or "").encode()
    if not key:
        return call
    if len(key) > MAX_BYTES:
        raise errors.invalid(HEADER, f"{HEADER} has over {MAX_BYTES} bytes")
    # With its scopes: what a key of more rights was answered (a new key, say) is not for another.
    head = f"{request.get_full_path()} {' '.join(caller.scopes)}\n"
    asked = hashlib.sha256(head.encode() + request._request.body)
    claim = _Claim(caller.user.id, hashlib.sha256(key).digest(), asked.digest())

    def guarded(*args: Any, **kwargs: Any) -> HttpResponse:
        with transaction.atomic():
            if not claim.take():
                earlier = claim.earlier(view)
                if earlier is not None:
                    return earlier
            return claim.note(call(*args, **kwargs))

    return guarded


class _Claim:
    """A key, and what is noted of it."""

    def __init__(self, scope: str, key: bytes, asked: bytes) -> None:
        self._values: dict[str, Any] = {
            "scope": scope,
            "key": key,
            "asked": asked,
            "slack": SLACK_SECONDS,
        }

    def take(self) -> bool:
        """True: nobody has used the key (within a day)."""
        return self._execute(_TAKE)

    def earlier(self, view: Joining) -> HttpResponse | None:
        """What became of the first call; None: nothing, and this one is to do it."""
        with connection.cursor() as cursor:
            cursor.execute(_LOOK, self._values)
            row = cursor.fetchone()
        if row is None:
            return None
        asked, status, headers, body, operation_id = row
        if bytes(asked) != self._values["asked"]:
            raise errors.key_reused()
        if status is not None:
            return _answer(status, bytes(headers), bytes(body))
        joined = None if operation_id is None else view.join(operation_id)
        if joined is None and not self._execute(_TAKE_OVER):
            raise errors.in_progress()
        return joined

    def note(self, response: HttpResponse) -> HttpResponse:
        """Keep the answer, or how far it came; in the transaction of the effect."""
        if isinstance(response, Deferred):
            seconds = response.seconds + SLACK_SECONDS
            self._execute(_NOTE_STAGE, operation=response.operation_id, seconds=seconds)
            return _Noted(self, response)
        if response.status_code >= 500 or response.status_code in _PASSING:
            self._execute(_LET_GO)
        else:
            self._execute(
                _NOTE_ANSWER,
                status=response.status_code,
                headers=orjson.dumps(dict(response.items())),
                body=secrets.encrypt(response.content.decode()).encode(),
            )
        return response

    def _execute(self, statement: str, **more: Any) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(statement, {**self._values, **more})
            return bool(cursor.rowcount == 1)


class _Noted(Deferred):
    """A late answer that is kept under its key when it comes."""

    def __init__(self, claim: _Claim, inner: Deferred) -> None:
        super().__init__(inner.operation_id, inner.seconds, inner.resume)
        self._claim = claim

    def resume(self, ended: bool) -> HttpResponse:
        with transaction.atomic():
            return self._claim.note(super().resume(ended))


def _answer(status: int, headers: bytes, body: bytes) -> HttpResponse:
    text = secrets.decrypt(body.decode())
    assert isinstance(text, str)
    response = HttpResponse(text.encode(), status=status)
    del response["Content-Type"]
    for name, value in orjson.loads(headers).items():
        response[name] = value
    return response
