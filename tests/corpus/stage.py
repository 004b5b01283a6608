"""One published component on the real runtime, and around it what the platform does for a source:
props checked, hooks called, the store kept from run to run, emits put in order and deduplicated.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

import orjson
import pytest

from apps.api.requests import event as http_event
from apps.components.description import APP, HTTP, STORE, TIMER, validate
from apps.events.dedupe import Memory, sift
from apps.runs.contract import (
    Cause,
    Code,
    Description,
    Entry,
    Invocation,
    Limits,
    Options,
    OptionsCall,
    Outcome,
    Respond,
)
from apps.sources.props import check_timer_default, configure
from tests.corpus import published
from tests.corpus.providers import Providers
from workers.runtime.packages.installer import Installer
from workers.runtime.pool import Runtime

Hook = Literal["deploy", "activate", "deactivate"]
LIMITS = Limits(wall_s=60)


class _Now:
    """Equal to any moment, in epoch milliseconds, from the start of this process's tests to now."""

    _since: ClassVar[int] = time.time_ns() // 1_000_000

    def __eq__(self, other: object) -> bool:
        # A millisecond more: clocks are cut, not rounded.
        return isinstance(other, int) and self._since <= other <= time.time_ns() // 1_000_000 + 1

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "<now>"


NOW: Any = _Now()


@dataclass(frozen=True)
class Event:
    """One emitted event, as a reader sees it; what was not given is None."""

    payload: Any
    id: Any = None
    summary: str | None = None
    ts: Any = None
    channel: str = ""


@dataclass
class Source:
    """A deployed component. `outcome` is that of its last invocation."""

    stage: Stage
    code: Code
    description: Description
    values: dict[str, Any]
    endpoint: str
    store: dict[str, Any] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    outcome: Outcome = field(default_factory=Outcome)
    suppressed: list[tuple[Any, str]] = field(default_factory=list)

    async def tick(self, at: int | None = None) -> list[Event]:
        """A slot of the timer."""
        [timer] = [prop for prop in self.description.props if prop["type"] == TIMER]
        event = {"timestamp": int(time.time()) if at is None else at, **self.values[timer["name"]]}
        return await self.run(event, "timer")

    async def request(
        self,
        body: Any = None,
        *,
        path: str = "/",
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> list[Event]:
        """A request to the endpoint; a `body` that is not bytes is sent as JSON. The answer that
        the component gave is `response`."""
        given = dict(headers or {})
        if not isinstance(body, bytes):
            body = b"" if body is None else orjson.dumps(body)
            given.setdefault("Content-Type", "application/json")
        raw = [(name.encode(), value.encode()) for name, value in given.items()]
        return await self.run(orjson.loads(http_event(method, path, b"", raw, body)), "http")

    async def form(self, fields: Mapping[str, str], **headers: str) -> list[Event]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Content-Type"] = "application/x-www-form-urlencoded"
        return await self.request(urlencode(fields).encode(), headers=named)

    @property
    def response(self) -> Respond:
        assert self.outcome.response is not None, self.outcome
        return self.outcome.response

    async def run(self, event: Any, cause: Cause = "event") -> list[Event]:
        """What is emitted, after dedupe and in stored order. Fails when the run failed."""
        outcome = await self.invoke("run", cause, event)
        assert outcome.error is None, outcome.error
        return self._sifted(outcome)

    async def hook(self, name: Hook) -> list[Event]:
        """Calls the hook where the component has it."""
        if name not in self.description.hooks:
            return []
        outcome = await self.invoke(name, name, None)
        assert outcome.error is None, (outcome.error, outcome.logs)
        return self._sifted(outcome)

    async def invoke(self, entry: Entry, cause: Cause, event: Any) -> Outcome:
        call = Invocation(
            run_id=str(uuid.uuid4()),
            source_id="dc_corpus",
            entry=entry,
            cause=cause,
            props=orjson.dumps(self.values),
            event=orjson.dumps(event),
            store=orjson.dumps(self.store),
        )
        self.outcome = outcome = await self.stage.runtime.run(self.code, call, LIMITS)
        for change in outcome.store:
            if change.value is None:
                self.store.pop(change.key, None)
            else:
                self.store[change.key] = orjson.loads(change.value)
        return outcome

    async def choices(self, prop: str) -> AsyncIterator[list[Any]]:
        """The pages of an options function until an empty one, as `(label, value)`."""
        page = 0
        context: dict[str, Any] = {}
        while True:
            answer = await self.options(prop, page, context)
            if not answer.items:
                return
            yield [(item["label"], item["value"]) for item in answer.items]
            page, context = page + 1, answer.context or {}

    async def options(
        self,
        prop: str,
        page: int = 0,
        context: Mapping[str, Any] | None = None,
        query: str | None = None,
    ) -> Options:
        call = OptionsCall(
            call_id=str(uuid.uuid4()),
            name=prop,
            props=orjson.dumps(self.values),
            page=page,
            prev_context=orjson.dumps(context or {}),
            query=query,
        )
        answer, error = await self.stage.runtime.options(self.code, call, LIMITS)
        assert error is None, error
        return answer

    def _sifted(self, outcome: Outcome) -> list[Event]:
        sifted = sift(
            self.description.dedupe, self.memory, outcome.emits, succeeded=outcome.error is None
        )
        self.suppressed = [(emit.meta.get("id"), why) for emit, why in sifted.suppressed]
        return [
            Event(
                orjson.loads(emit.payload),
                emit.meta.get("id"),
                emit.meta.get("summary"),
                emit.meta.get("ts"),
                emit.channel,
            )
            for emit in sifted.passed
        ]


class Stage:
    """The runtime, the installer and the stand-ins that all components of a module share."""

    def __init__(self, runtime: Runtime, installer: Installer, providers: Providers) -> None:
        self.runtime = runtime
        self.installer = installer
        self.providers = providers

    async def described(self, path: str) -> Description:
        """What the published component at `path` says of itself, checked."""
        return await self._describe(await self._installed(published.code(path)))

    async def _describe(self, code: Code) -> Description:
        return validate(await self.runtime.describe(code, LIMITS), check_timer_default)

    async def _installed(self, code: Code) -> Code:
        return replace(code, packages=await self.installer.name_for(code))

    async def made(
        self, code: Code, auth: Mapping[str, Any] | None = None, /, **props: Any
    ) -> Source:
        """A source of the code with its packages installed and its props set, without any hook
        called. `auth` are the credentials of its one app."""
        code = await self._installed(code)
        description = await self._describe(code)
        endpoint = f"https://headwater.example/h/{uuid.uuid4().hex}"
        values = _values(description, props, auth or {}, endpoint)
        return Source(self, code, description, values, endpoint)

    async def configured(
        self, path: str, auth: Mapping[str, Any] | None = None, /, **props: Any
    ) -> Source:
        """The published component at `path`, as `made`."""
        return await self.made(published.code(path), auth, **props)

    async def deploy(
        self, path: str, auth: Mapping[str, Any] | None = None, /, **props: Any
    ) -> Source:
        """As `configured`, and the hooks of its creation called."""
        source = await self.configured(path, auth, **props)
        await source.hook("deploy")
        await source.hook("activate")
        return source


def _values(
    description: Description, given: Mapping[str, Any], auth: Mapping[str, Any], endpoint: str
) -> dict[str, Any]:
    """The props of an invocation (docs/protocol.md, rule 6)."""
    inputs = [prop for prop in description.props if prop["type"] != APP]
    plain = configure([{**prop, "secret": False} for prop in inputs], given).plain
    values: dict[str, Any] = {}
    for prop in description.props:
        name, kind = prop["name"], prop["type"]
        if kind == HTTP:
            values[name] = {
                "endpoint": endpoint,
                "custom_response": bool(prop.get("customResponse")),
            }
        elif kind == TIMER:
            values[name] = {k: v for k, v in plain[name].items() if v is not None}
        elif kind == APP:
            values[name] = {"auth": dict(auth)}
        elif kind != STORE and name in plain:
            values[name] = plain[name]
    return values


async def refused(source: Source, raw: bytes, headers: dict[str, str]) -> str:
    """The error of a run that must fail and emit nothing."""
    with pytest.raises(AssertionError):
        await source.request(raw, headers=headers)
    assert source.outcome.error is not None
    assert not source.outcome.emits
    return source.outcome.error.message
