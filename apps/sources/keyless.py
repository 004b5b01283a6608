"""Which app props may stay without an account: component specification 3.5, decision 0052. Pure.

An app needs none when nothing of it can be read: its definition is among the component's own files,
and in none of them does the word appear by which code reads credentials.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from apps.components.description import APPHOOK

# Apps of the platform itself, whatever the code says.
OPEN_APPS = frozenset({"rss", "http", "schedule"})

# How component code reads credentials: `this.github.$auth`, `self.github.auth`. The words of both
# languages are looked for in both: a word too many only asks for an account.
_READING = re.compile(r"\$auth\b|\bauth\b")

Prop = Mapping[str, Any]
# From an app prop to whether it may stay without an account.
Keyless = Callable[[Prop], bool]


class Coded(Protocol):
    """A component as this rule sees it."""

    @property
    def code(self) -> str: ...
    @property
    def files(self) -> Any: ...
    @property
    def props(self) -> Any: ...


def keyless_of(component: Coded) -> Keyless:
    """The rule for the props of this component. Its code is looked at when a prop is asked about,
    so that what names its account costs nothing."""
    return lambda prop: prop["app"] in OPEN_APPS or _unread(component, str(prop["app"]))


def only_open(prop: Prop) -> bool:
    """The rule where the code is unknown."""
    return prop["app"] in OPEN_APPS


def _unread(component: Coded, app: str) -> bool:
    # A service sends events of an app for an account, which is how they are told apart.
    if any(prop["type"] == APPHOOK for prop in component.props):
        return False
    texts = [component.code, *component.files.values()]
    # An app that came with a package is defined where nobody has looked.
    defined = re.compile(rf"""(["'`]){re.escape(app)}\1""")
    return any(map(defined.search, texts)) and not any(map(_READING.search, texts))
