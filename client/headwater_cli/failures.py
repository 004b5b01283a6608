"""How a command fails: one line on standard error, and an exit code that scripts can tell apart.

0    done
1    not done: Headwater refused, or a question was answered with no
2    wrong usage
3    Headwater cannot be reached, or takes no key of yours (not logged in)
130  ended by Ctrl-C (`--follow` and `dev`, which are ended so, end with 0)
"""

from __future__ import annotations

from typing import Any

NOT_DONE, USAGE, NO_ACCESS, INTERRUPTED = 1, 2, 3, 130


class Failure(Exception):
    """`str()` of it is the line that is shown."""

    exit_code = NOT_DONE


class NoAccess(Failure):
    exit_code = NO_ACCESS


class Refused(Failure):
    """The API answered an error.

    status   HTTP status
    code     the API's slug
    details  its facts: `parameter`, `line`, `column`, …
    wait     seconds after which it may be asked again (`Retry-After`), 0: it does not say
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str = "",
        details: dict[str, Any] | None = None,
        wait: float = 0,
    ) -> None:
        self.details = details or {}
        parameter = str(self.details.get("parameter") or "")
        # Most messages begin with the name of the field; those that do not get it.
        super().__init__(message if parameter in message else f"{parameter}: {message}")
        self.status = status
        self.code = code
        self.wait = wait
        if status == 401:
            self.exit_code = NO_ACCESS
