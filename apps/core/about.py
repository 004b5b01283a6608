"""What a log line is about: ids that every line of a task carries until it has ended.

They follow the context (`contextvars`): into what is called, awaited, or done in a thread for it,
and into tasks that are begun meanwhile. So what serves many and begins in the name of one, as a
loop or a shared look, is begun `apart`: else its lines would name the first one for ever.

Names of ids: docs/observability.md. No payload, prop, header or key is bound here.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

from structlog.contextvars import bind_contextvars, bound_contextvars

P = ParamSpec("P")
T = TypeVar("T")

# While a block runs; for the rest of a task of one's own.
about = bound_contextvars
this_is_about = bind_contextvars


class Leased(Protocol):
    source_id: str
    component_id: str
    owner_id: str
    fence: int


def ids(held: Leased) -> dict[str, Any]:
    """Of a source under a lease."""
    return {
        "source_id": held.source_id,
        "component_id": held.component_id,
        "owner_id": held.owner_id,
        "fence": held.fence,
    }


def apart(begin: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what begins a task or a callback that is about nobody in particular."""
    return contextvars.Context().run(begin, *args, **kwargs)
