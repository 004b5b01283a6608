"""What an outbound call ends in (`apps.core.http`): an answer, or none."""

from __future__ import annotations

from dataclasses import dataclass


class Blocked(OSError):
    """An address that must not be called."""


class Failed(Exception):
    """No answer. `code`: `blocked_address`, `bad_url`, `dns_failed`, `connection_failed`,
    `tls_failed`, `timeout`, `bad_answer`; where the body is kept also `too_large`;
    of a GET also `bad_redirect`, `too_many_redirects`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    retry_after: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """The answer to a GET. `url` is the one that answered, after redirects; `content_type` is in
    lower case and without parameters; of an answer that is not 200 the body is empty."""

    url: str
    status: int
    content_type: str
    body: bytes
