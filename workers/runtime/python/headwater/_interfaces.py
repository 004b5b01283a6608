"""What starts a source (timer, HTTP request, app hook) and what it keeps between runs (store).

Each class is the declaration on the component class and, on an instance, the working object.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Self

from ._app import App
from ._errors import ComponentError
from ._json import decode, encode
from ._props import Declared
from ._run import Run

# The classes below have an attribute `type`, which hides the built-in in their annotations.
_Class = type


class _Interface(Declared):
    type: str = ""
    _hw_run: Run | None = None

    def __get__(self, instance: Any, owner: _Class) -> Self:
        if instance is None:
            return self
        bound: Self | None = instance._hw_bound.get(self.prop_name)
        if bound is None:
            bound = copy.copy(self)
            bound._hw_run = instance._hw_run
            bound._configure(instance._hw_props.get(self.prop_name) or {})
            instance._hw_bound[self.prop_name] = bound
        return bound

    def _configure(self, value: Mapping[str, Any]) -> None:
        """Take over what the deployment chose."""

    def _running(self) -> Run:
        if self._hw_run is None:
            raise RuntimeError(f"{self.prop_name or self.type} works during a run only")
        return self._hw_run


class Timer(_Interface):
    """Ticks: every `interval_seconds` (15 at least) or by a five-field `cron` in `timezone`.

    Both are defaults that a deployment may change; on an instance they are what it chose.
    """

    type = "$.interface.timer"

    def __init__(
        self,
        *,
        interval_seconds: int | None = None,
        cron: str | None = None,
        timezone: str | None = None,
    ) -> None:
        if interval_seconds is not None and cron is not None:
            raise ComponentError("a Timer takes interval_seconds or cron, not both")
        self.interval_seconds = interval_seconds
        self.cron = cron
        self.timezone = timezone

    def _configure(self, value: Mapping[str, Any]) -> None:
        if value:
            self.interval_seconds = value.get("interval_seconds")
            self.cron = value.get("cron")
            self.timezone = value.get("timezone")

    def listing(self, owner: _Class) -> dict[str, Any]:
        entry: dict[str, Any] = {"name": self.prop_name, "type": self.type}
        if self.interval_seconds is not None:
            entry["default"] = {"intervalSeconds": self.interval_seconds}
        elif self.cron is not None:
            entry["default"] = {"cron": self.cron}
            if self.timezone is not None:
                entry["default"]["timezone"] = self.timezone
        return entry


class Http(_Interface):
    """An endpoint of the source's own. With `custom_response` the caller waits for `respond`."""

    type = "$.interface.http"

    def __init__(self, *, custom_response: bool = False) -> None:
        self.custom_response = custom_response
        self._endpoint: str | None = None

    def _configure(self, value: Mapping[str, Any]) -> None:
        self._endpoint = value.get("endpoint")
        self.custom_response = bool(value.get("custom_response", self.custom_response))

    @property
    def endpoint(self) -> str:
        """The absolute URL, without a slash at its end; fixed for the life of the source."""
        if self._endpoint is None:
            raise RuntimeError(f"{self.prop_name or 'http'} has no endpoint outside a source")
        return self._endpoint

    def respond(
        self,
        status: int | str = 200,
        headers: Mapping[str, str] | None = None,
        body: object = None,
    ) -> None:
        """Answer the caller at once; the first call of a run counts.

        `status` 200 to 599. `body`: text, bytes, None, or anything that becomes JSON (then with
        the type `application/json` unless `headers` names one). ValueError for a bad status or
        header.
        """
        run = self._running()
        if self.custom_response:
            run.respond(status, headers or {}, body)
        else:
            run.log("warn", "respond ignored: the Http prop is declared without custom_response")

    def listing(self, owner: _Class) -> dict[str, Any]:
        entry: dict[str, Any] = {"name": self.prop_name, "type": self.type}
        if self.custom_response:
            entry["customResponse"] = True
        return entry


class AppHook(_Interface):
    """Events that a service sends to the platform on behalf of its app."""

    type = "$.interface.apphook"

    def __init__(self, *, app: str, events: Sequence[str] = (), static: Sequence[Any] = ()) -> None:
        self.app = app
        self.events = list(events)
        self.static = list(static)

    def listing(self, owner: _Class) -> dict[str, Any]:
        for name in dir(owner):
            declared = getattr(owner, name, None)
            if isinstance(declared, App) and self.app in (name, declared.slug):
                break
        else:
            raise ComponentError(f"{self.prop_name}: the component declares no app {self.app!r}")
        entry = {"name": self.prop_name, "type": self.type, "appProp": name}
        given = {"eventNames": self.events, "static": self.static}
        return {**entry, **{key: value for key, value in given.items() if value}}


class Store(_Interface):
    """What the source remembers between runs: JSON values under text keys, 1 MiB altogether.

    A `set` is kept at the call, also when the run fails later. Two Store props of one component
    are the same store.
    """

    type = "$.service.db"

    def get(self, key: str | int | float, default: Any = None) -> Any:
        """A fresh copy of the value, or `default` if the key was never set.

        A stored null is given as None; tell the two apart with a `default` of your own.
        """
        text = self._running().store.get(_key(key))
        return default if text is None else decode(text)

    def set(self, key: str | int | float, value: object) -> None:
        """Keep `value` (anything that becomes JSON). StoreLimitError above 1 MiB."""
        name = _key(key)
        self._running().set(name, encode(value, name))

    def delete(self, key: str | int | float) -> None:
        """Forget the key; nothing happens if it was never set."""
        self._running().set(_key(key), None)

    def listing(self, owner: _Class) -> dict[str, Any]:
        return {"name": self.prop_name, "type": self.type}


def _key(key: object) -> str:
    if isinstance(key, float) and key.is_integer():
        key = int(key)
    if isinstance(key, (int, float)) and not isinstance(key, bool):
        key = str(key)
    if not isinstance(key, str):
        raise TypeError(f"a store key is text, not {type(key).__name__}")
    if not 0 < len(key.encode("utf-8", "surrogatepass")) <= 256:
        raise ValueError("a store key has 1 to 256 bytes")
    return key
