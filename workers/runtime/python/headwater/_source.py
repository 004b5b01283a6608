"""The base class of every component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal, Self

from ._run import Run


class Dedupe(StrEnum):
    """Which emits of a source are let through; component specification 7.2."""

    UNIQUE = "unique"
    GREATEST = "greatest"
    LAST = "last"


class Source:
    """A component: declare props as class attributes and write `run`, plain or `async`.

    `run(self, event)` is called for each tick, request or event; `on_deploy`, `on_activate` and
    `on_deactivate` (no arguments) when the source changes. A new instance serves every call, so
    only what goes into a `Store` lasts.
    """

    name: ClassVar[str] = ""
    key: ClassVar[str | None] = None
    version: ClassVar[str] = ""
    description: ClassVar[str | None] = None
    dedupe: ClassVar[Dedupe | Literal["unique", "greatest", "last"] | None] = None
    requires: ClassVar[Sequence[str]] = ()

    _hw_run: Run
    _hw_props: Mapping[str, Any]
    _hw_bound: dict[str, Any]

    @classmethod
    def _hw_create(cls, run: Run, props: Mapping[str, Any]) -> Self:
        instance = cls.__new__(cls)
        instance._hw_run = run
        instance._hw_props = props
        instance._hw_bound = {}
        instance.__init__()  # type: ignore[misc]  # the author's, on an instance that has its run
        return instance

    @property
    def source_id(self) -> str:
        """The own id (`dc_…`); the variable PD_COMPONENT holds the same."""
        return self._hw_run.source_id

    def emit(
        self,
        event: object = None,
        *,
        id: str | int | float | None = None,
        summary: object = None,
        ts: int | float | datetime | None = None,
        channel: str | None = None,
        deliver_at: int | float | datetime | None = None,
    ) -> None:
        """Hand an event to the platform: a plain call, never awaited, kept even if `run` fails.

        id          what the dedupe strategy compares; required when there is one
        summary     a line for lists, 1 KB at most (cut above)
        ts          when it happened: epoch milliseconds or an aware datetime; orders the batch
        channel     a named channel instead of the default one
        deliver_at  not before this time (epoch milliseconds or aware datetime), a year at most

        JsonError if `event` cannot become JSON, PayloadLimitError above 1 MiB, ValueError or
        TypeError for metadata of a wrong kind, RunOverError after `run` has returned.
        """
        self._hw_run.emit(event, id, summary, ts, channel, deliver_at)

    def log(self, *parts: object, level: Literal["info", "warn", "error"] = "info") -> None:
        """One line in the source's log, as `print` would write it."""
        if level not in ("info", "warn", "error"):
            raise ValueError(f"level: info, warn or error, not {level!r}")
        self._hw_run.log(level, " ".join(map(str, parts)))
