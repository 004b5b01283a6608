"""Configured props as a child gets them (docs/protocol.md, rule 6), and the texts to mask in logs.

Credentials of connected accounts are not among what `resolved` finds: they are read when the
invocation starts, a token that ends soon having been renewed (`workers.accounts`), and put into
their places by `Resolved.granted`. So nothing that is kept or queued ever holds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import orjson

from apps.components.description import APP, HTTP, TIMER
from apps.components.models import Component
from apps.core import secrets
from apps.sources.props import endpoint_url

# A shorter number says nothing, and to mask it would spoil every line that counts.
SECRET_DIGITS = 4


class Deployed(Protocol):
    """What of a source its props are resolved from. A row of the ORM has it; the hot way brings
    plain values, since making a model instance for each run costs more than resolving."""

    @property
    def configured_props(self) -> dict[str, Any]: ...
    @property
    def secret_props(self) -> dict[str, Any]: ...
    @property
    def endpoint_key(self) -> str | None: ...


class Need(NamedTuple):
    """An app prop and the account that it names."""

    prop: str
    app: str
    account_id: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """The props of an invocation as JSON, the texts to mask in its logs, and the accounts whose
    credentials are still missing."""

    props: bytes
    masked: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()

    def granted(self, auth: Mapping[str, Mapping[str, Any]]) -> Resolved:
        """With the credentials of each prop, by its name."""
        values = orjson.loads(self.props)
        hidden = list(self.masked)
        for name, credentials in auth.items():
            values[name] = {"auth": credentials}
            hidden.extend(filter(None, hidden_texts(credentials)))
        return Resolved(orjson.dumps(values), tuple(hidden))


def resolved(source: Deployed, component: Component) -> Resolved:
    """Raises `secrets.Undecipherable` when the encryption key was lost."""
    values: dict[str, Any] = {}
    masked: list[str] = []
    needs: list[Need] = []
    for prop in component.props:
        name, kind = prop["name"], prop["type"]
        if kind == HTTP:
            # Without an endpoint there is none to show: see `props.trial`.
            if source.endpoint_key is not None:
                custom = bool(prop.get("customResponse"))
                values[name] = {"endpoint": endpoint_url(source), "custom_response": custom}
        elif kind == TIMER:
            values[name] = _timer_of(source.configured_props[name])
        elif kind == APP:
            values[name] = {"auth": {}}
            if reference := source.configured_props.get(name):
                needs.append(Need(name, prop["app"], reference["authProvisionId"]))
        elif prop.get("secret"):
            if name in source.secret_props:
                values[name] = secrets.decrypt(source.secret_props[name])
                masked.extend(_texts(values[name]))
        elif name in source.configured_props:
            values[name] = source.configured_props[name]
    return Resolved(orjson.dumps(values), tuple(masked), tuple(needs))


def _timer_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    if stored["cron"] is None:
        return {"interval_seconds": stored["interval_seconds"]}
    return {"cron": stored["cron"], "timezone": stored.get("timezone", "UTC")}


def _texts(value: Any) -> list[str]:
    texts = value if isinstance(value, list) else [value]
    return [text for text in texts if isinstance(text, str) and text]


def hidden_texts(credentials: Mapping[str, Any]) -> Iterator[str]:
    """What logs must not show of credentials: texts, and numbers that are no mere counts."""
    for value in credentials.values():
        if not isinstance(value, bool):
            text = str(value)
            if isinstance(value, str) or len(text) >= SECRET_DIGITS:
                yield text
