"""Errors of component code as the `error` object of the protocol."""

from __future__ import annotations

import linecache
import traceback
from typing import Any

from ._errors import ConfigurationError
from ._run import cut

MAX_MESSAGE = 4096
MAX_STACK = 16 * 1024


def remember_source(filename: str, text: str) -> None:
    """Let stacks quote the component's lines, which are in no file."""
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)


def report(error: BaseException, filename: str, code: str | None = None) -> dict[str, Any]:
    """Name, message and the stack's frames that lie in the component's own text."""
    if isinstance(error, MemoryError):
        return {"name": "Out of Memory", "message": _message(error) or "no memory left"}
    shown_as = getattr(type(error), "shown_as", None)
    name = shown_as if isinstance(shown_as, str) else type(error).__name__
    result: dict[str, Any] = {"name": name, "message": _message(error)}
    if isinstance(error, ConfigurationError):
        return {**result, "code": code or "configuration_error"}
    result["stack"] = _stack(error, filename, result)
    return {**result, "code": code} if code else result


def syntax_report(error: SyntaxError) -> dict[str, Any]:
    """Line and column count from 1; 1 and 1 where the compiler names none."""
    return {
        "name": type(error).__name__,
        "message": cut(str(error.msg), MAX_MESSAGE),
        "code": "syntax_error",
        "line": max(error.lineno or 1, 1),
        "column": max(error.offset or 1, 1),
    }


def _message(error: BaseException) -> str:
    try:
        return cut(str(error), MAX_MESSAGE)
    except Exception:
        return f"an error whose text cannot be had ({type(error).__name__})"


def _stack(error: BaseException, filename: str, shown: dict[str, Any]) -> str:
    try:
        trace = traceback.TracebackException.from_exception(error, lookup_lines=False, compact=True)
        _trim(trace, filename)
        return cut("".join(trace.format()).rstrip("\n"), MAX_STACK)
    except Exception:
        return f"{shown['name']}: {shown['message']}"


def _trim(trace: traceback.TracebackException, filename: str) -> None:
    own = [frame for frame in trace.stack if frame.filename == filename]
    trace.stack = traceback.StackSummary.from_list(own)
    for linked in (trace.__cause__, trace.__context__, *(trace.exceptions or ())):
        if linked is not None:
            _trim(linked, filename)
