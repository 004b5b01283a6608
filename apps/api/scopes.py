"""Which scope of a key each method of a view needs; `ApiView` refuses the others with 403.

`read`: answers that look and change nothing, event streams among them. `write`: whatever changes
something or runs component code, which also the dry run and the options of a prop do.
A method without a declaration answers keys that are not restricted, and nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from apps.accounts.scopes import ALL, READ, WRITE, lacking
from apps.core import errors

__all__ = ["READ", "WRITE", "check", "needed", "needs"]

Method = TypeVar("Method", bound=Callable[..., Any])
_MARK = "needed_scope"


def needs(scope: str) -> Callable[[Method], Method]:
    """Declare the scope of a view's method."""

    def declare(method: Method) -> Method:
        setattr(method, _MARK, scope)
        return method

    return declare


def needed(view: Any, method: str) -> str | None:
    """The declared scope of `view`'s method (GET, …), of a view or its class; HEAD is GET's."""
    name = "get" if method == "HEAD" else method.lower()
    found: str | None = getattr(getattr(view, name, None), _MARK, None)
    return found


def check(view: Any, method: str, held: Sequence[str]) -> None:
    """Raises 403 when the view has the method and the key has not its scope."""
    if method.lower() not in view.http_method_names or not hasattr(view, method.lower()):
        return  # 405 comes of itself
    scope = needed(view, method) or ALL
    if lacking(held, [scope]):
        raise errors.insufficient_scope(scope, held)
