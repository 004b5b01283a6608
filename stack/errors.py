"""The one kind of failure that the stack reports: a line for the person who started it."""

from __future__ import annotations


class StackError(Exception):
    """Something the caller can put right. The text is one line; it is printed to standard error
    as `error: <text>` and the exit code is 1."""

    def __init__(self, text: str) -> None:
        super().__init__(" ".join(text.split()))
