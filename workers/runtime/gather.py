"""What one run did, gathered frame by frame, with the limits of its output enforced."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import orjson

from apps.runs.contract import (
    OUT_OF_MEMORY,
    PAYLOAD_LIMIT,
    STORE_LIMIT,
    Emit,
    Invocation,
    Level,
    Limits,
    LogLine,
    OnRespond,
    Options,
    OptionsCall,
    Outcome,
    Respond,
    RunError,
    StoreChange,
)
from workers.runtime.endings import ran_out_of_memory
from workers.runtime.frames import Violation
from workers.runtime.protocol import Done, Message

_STORE_WRITES: Final = 128
_MASK: Final = "***"


class Gather:
    """Collects the messages of one run into an `Outcome`.

    Everything that `add` accepted stays, whatever happens later. Raises Violation, which names
    the limit, when the run's output passes it. `on_respond` must not raise.
    """

    __slots__ = (
        "_invocation",
        "_masked",
        "_on_respond",
        "_payload",
        "_started",
        "_store",
        "_store_sizes",
        "_store_total",
        "_store_written",
        "limits",
        "outcome",
        "run_id",
    )

    def __init__(self, invocation: Invocation, limits: Limits, on_respond: OnRespond | None):
        self.run_id = invocation.run_id
        self.limits = limits
        self.outcome = Outcome(started_ms=time.time_ns() // 1_000_000)
        self._started = time.perf_counter()
        self._invocation = invocation
        self._on_respond = on_respond
        self._masked = mask_words(invocation.masked) if invocation.masked else ()
        self._payload = len(invocation.event)
        self._store: dict[str, StoreChange] = {}
        self._store_sizes: dict[str, int] | None = None
        self._store_total = 0
        self._store_written = 0

    def add(self, message: Message, size: int) -> Done | None:
        """Takes one message of `size` bytes; gives back the one that ends the run."""
        if type(message) is Emit:
            self._count(size)
            self.outcome.emits.append(message)
        elif type(message) is Done:
            return message
        elif type(message) is LogLine:
            self._count(size)
            self._log(message.at_ms, message.level, message.message)
        elif type(message) is StoreChange:
            self._change(message)
        elif type(message) is Respond:
            self._respond(message, size)
        return None

    def output(self, level: Level, line: bytes) -> None:
        """One line that reached standard output or error outside the harness."""
        self._count(len(line) + 1)
        self._log(time.time_ns() // 1_000_000, level, line.decode(errors="replace"))

    def end(self, error: RunError | None) -> Outcome:
        """The outcome, once and for all; an error that is already known comes first."""
        outcome = self.outcome
        outcome.duration_ms = round((time.perf_counter() - self._started) * 1000)
        if self._store:
            outcome.store = list(self._store.values())
        if error is not None and outcome.error is None:
            outcome.error = self._masked_error(error)
        return outcome

    def _count(self, size: int) -> None:
        self._payload += size
        if self._payload > self.limits.payload_bytes:
            raise Violation(
                f"event, emits and logs above {self.limits.payload_bytes} bytes", PAYLOAD_LIMIT
            )

    def _log(self, at_ms: int, level: Level, text: str) -> None:
        text = cut(self._mask(text.replace("\0", "\ufffd")), self.limits.log_line_bytes)
        self.outcome.logs.append(LogLine(at_ms, level, text))

    def _respond(self, message: Respond, size: int) -> None:
        self._count(size)
        if self.outcome.response is not None:
            now = time.time_ns() // 1_000_000
            self._log(now, "warn", "respond was called again; the first answer stands")
            return
        self.outcome.response = message
        if self._on_respond is not None:
            self._on_respond(message)

    def _change(self, change: StoreChange) -> None:
        """Later writes of a key replace earlier ones; the whole store stays within its limit."""
        if self._store_sizes is None:
            snapshot = orjson.loads(self._invocation.store)
            self._store_sizes = {k: _entry(k, len(orjson.dumps(v))) for k, v in snapshot.items()}
            self._store_total = sum(self._store_sizes.values())
        size = 0 if change.value is None else _entry(change.key, len(change.value))
        total = self._store_total - self._store_sizes.get(change.key, 0) + size
        self._store_written += _entry(change.key, size)
        if total > self.limits.store_bytes:
            raise Violation(f"a store above {self.limits.store_bytes} bytes", STORE_LIMIT)
        if self._store_written > _STORE_WRITES * self.limits.store_bytes:
            raise Violation("too much written to the store in one run", STORE_LIMIT)
        self._store_sizes[change.key] = size
        self._store_total = total
        self._store.pop(change.key, None)
        self._store[change.key] = change

    def _mask(self, text: str) -> str:
        for word in self._masked:
            text = text.replace(word, _MASK)
        return text

    def _masked_error(self, error: RunError) -> RunError:
        return _hidden(error, self._mask)


class Asked:
    """Collects the answer to a call for options: one page, or an error. What the function printed
    is counted against the limit and dropped."""

    __slots__ = ("_masked", "_payload", "answer", "error", "limits", "run_id")

    def __init__(self, call: OptionsCall, limits: Limits) -> None:
        self.run_id = call.call_id
        self.limits = limits
        self.answer: Options | None = None
        self.error: RunError | None = None
        self._masked = mask_words(call.masked)
        self._payload = 0

    def add(self, message: Message, size: int) -> Done | None:
        """Takes one message of `size` bytes; gives back the one that ends the call."""
        self._count(size)
        if type(message) is Done:
            if message.error is None and self.answer is None:
                raise Violation("an end without an answer")
            return message
        if type(message) is Options:
            if self.answer is not None:
                raise Violation("a second answer")
            self.answer = message
        return None

    def output(self, _level: Level, line: bytes) -> None:
        self._count(len(line) + 1)

    def end(self, error: RunError | None) -> None:
        if error is not None:
            self.error = _hidden(error, self._mask)

    def _mask(self, text: str) -> str:
        for word in self._masked:
            text = text.replace(word, _MASK)
        return text

    def _count(self, size: int) -> None:
        self._payload += size
        if self._payload > self.limits.payload_bytes:
            raise Violation(
                f"answer and logs above {self.limits.payload_bytes} bytes", PAYLOAD_LIMIT
            )


def _hidden(error: RunError, mask: Callable[[str], str]) -> RunError:
    """The same error without the values of secrets, and under its name when memory ran out."""
    name, code = error.name, error.code
    if ran_out_of_memory(error):
        name, code = OUT_OF_MEMORY, "out_of_memory"
    return RunError(
        name=mask(name),
        message=mask(error.message),
        stack=None if error.stack is None else mask(error.stack),
        code=code,
        line=error.line,
        column=error.column,
    )


def mask_words(values: tuple[str, ...]) -> tuple[str, ...]:
    """What to look for: each value and each line of it, the longest first."""
    words = {line.strip() for value in values for line in (value, *value.splitlines())}
    return tuple(sorted(filter(None, words), key=lambda word: (len(word), word), reverse=True))


def cut(text: str, limit: int) -> str:
    """`text` of at most `limit` bytes of UTF-8."""
    if len(text) * 4 <= limit:
        return text
    data = text.encode()
    return text if len(data) <= limit else data[:limit].decode(errors="ignore")


def _entry(key: str, size: int) -> int:
    return len(key) + size + 4
