"""What the platform hands to untrusted code, and what it takes back.

Pure dataclasses: no Django, no I/O. `workers.runtime` imports this module and nothing else of the
applications; the wire form of the same facts is `docs/protocol.md`.

Payloads (events, store values, emitted bodies) travel as `bytes` of compact UTF-8 JSON from end
to end (design F13): they are parsed for validation, never re-encoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Language = Literal["python", "javascript"]
Entry = Literal["run", "deploy", "activate", "deactivate"]
Cause = Literal["timer", "http", "event", "manual", "deploy", "activate", "deactivate"]
Level = Literal["info", "warn", "error"]

# Names a caller sees in `error.name` (component specification 9 and 10).
TIMEOUT = "Timeout"
OUT_OF_MEMORY = "Out of Memory"
OUT_OF_DISK = "Out of Disk"
PAYLOAD_LIMIT = "Function Payload Limit Exceeded"
NESTING_LIMIT = "JSON Nested Property Limit Exceeded"
PROCESS_EXITED = "Process Exited"
PROTOCOL_VIOLATION = "Protocol Violation"
STORE_LIMIT = "Store Limit Exceeded"

ENTRY_FILES: dict[Language, str] = {"python": "component.py", "javascript": "component.js"}
# Of the files beside an entry, and the levels and UTF-8 bytes of one path (component
# specification 10: a bundle has at most 8 MiB).
TREE_FILES = 500
TREE_BYTES = 8 * 1024 * 1024
PATH_LEVELS = 16
PATH_BYTES = 512
_PART = re.compile(r"[^/\\\x00-\x1f\x7f]{1,200}\Z")


def check_path(path: str) -> None:
    """Raises ValueError unless `path` is a relative path that stays where it is laid out: parts
    between `/`, none of them `.`, `..`, `node_modules` or with a backslash or control character."""
    parts = path.split("/")
    if not all(_PART.match(part) for part in parts) or {".", "..", "node_modules"} & set(parts):
        raise ValueError(f"{path[:200]!r} is not a path inside a component")
    if len(parts) > PATH_LEVELS or len(path.encode()) > PATH_BYTES:
        raise ValueError(f"{path[:200]!r} is too long a path")


def check_tree(entry: str, files: Mapping[str, str]) -> None:
    """Raises ValueError unless `files` can be laid out beside `entry`, each under its own path.
    Texts that are not UTF-8 encodable raise UnicodeEncodeError, which is a ValueError."""
    paths = {entry, *files}
    if entry in files:
        raise ValueError(f"{entry!r} is there twice")
    if len(files) > TREE_FILES:
        raise ValueError(f"more than {TREE_FILES} files")
    for path in paths:
        check_path(path)
    folders = {
        "/".join(parts[:n]) for p in paths for parts in [p.split("/")] for n in range(len(parts))
    }
    if both := sorted(folders & paths):
        raise ValueError(f"{both[0]!r} is both a file and a folder")
    if sum(len(text.encode()) for text in files.values()) > TREE_BYTES:
        raise ValueError(f"more than {TREE_BYTES} bytes in all files")


@dataclass(frozen=True, slots=True)
class Code:
    """One immutable component version, as a child process loads it.

    `owner_id` and `component_id` together are the key under which a warm child may be reused:
    never across owners, never across versions.

    entry     path of `text` inside the component's tree; "" = the fixed name of its language
    files     the other files of the tree: path → text, laid out beside the entry
    packages  name of an installed package set, or None
    Raises ValueError for a tree that `check_tree` refuses.
    """

    owner_id: str
    component_id: str
    language: Language
    text: str
    entry: str = ""
    files: Mapping[str, str] = field(default_factory=dict, hash=False)
    packages: str | None = None

    def __post_init__(self) -> None:
        if not self.entry:
            object.__setattr__(self, "entry", ENTRY_FILES[self.language])
        if self.files or "/" in self.entry:
            check_tree(self.entry, self.files)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one run. Seconds, bytes, levels (component specification 10).

    scratch_bytes, scratch_files: of one file, and of all files in the child's own directory.
    """

    wall_s: float = 300.0
    memory_bytes: int = 256 * 1024 * 1024
    payload_bytes: int = 6 * 1024 * 1024
    event_bytes: int = 1024 * 1024
    store_bytes: int = 1024 * 1024
    log_line_bytes: int = 16 * 1024
    scratch_bytes: int = 512 * 1024 * 1024
    scratch_files: int = 10_000
    nesting: int = 256


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of `run` or of a hook.

    run_id   uuid text; every frame of the child must carry it.
    props    JSON object, resolved: plain values as configured; a timer prop is
             `{"interval_seconds": n}` or `{"cron": "...", "timezone": "..."}`; an HTTP prop is
             `{"endpoint": url, "custom_response": bool}`; an app prop is `{"auth": {...}}`;
             store props are absent.
    event    JSON value handed to `run`; `null` for hooks.
    store    JSON object: the snapshot of `$.service.db` as it stands when the run starts.
    """

    run_id: str
    source_id: str
    entry: Entry
    cause: Cause
    props: bytes = b"{}"
    event: bytes = b"null"
    store: bytes = b"{}"
    masked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OptionsCall:
    """One call of the options function of the prop `name` (component specification 3.4).

    props         JSON object, as in `Invocation`, of the props configured so far
    prev_context  JSON object: the `context` of the page before, `{}` on the first
    query         the text typed so far, for props with `useQuery`
    """

    call_id: str
    name: str
    props: bytes = b"{}"
    page: int = 0
    prev_context: bytes = b"{}"
    query: str | None = None
    masked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """One page of choices: `{"label": text, "value": scalar}` each; the last page is empty."""

    items: list[dict[str, Any]]
    context: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Emit:
    """One `$emit`, in call order. `meta`: those given of `id`, `summary`, `ts`, `delivery_ts`."""

    payload: bytes
    channel: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class StoreChange:
    """One `db.set`, in call order; `value` is None when the key is removed."""

    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class LogLine:
    at_ms: int
    level: Level
    message: str


@dataclass(frozen=True, slots=True)
class Respond:
    """The first `respond` of a run: status 200..599, end-to-end headers, raw body."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class RunError:
    """An uncaught error of component code, or a limit that was hit.

    `code` is a slug for machines (`timeout`, `out_of_memory`, `load_failed` …) or None.
    """

    name: str
    message: str
    stack: str | None = None
    code: str | None = None
    line: int | None = None
    column: int | None = None


@dataclass(slots=True)
class Outcome:
    """Everything that one invocation did, also when it failed half way (F14)."""

    emits: list[Emit] = field(default_factory=list)
    store: list[StoreChange] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)
    response: Respond | None = None
    error: RunError | None = None
    started_ms: int = 0
    duration_ms: int = 0


@dataclass(frozen=True, slots=True)
class Description:
    """What a component says of itself when loaded; untrusted until
    `apps.components.description.validate` has seen it.

    `props` keep the author's attribute names (camelCase), in declaration order.
    """

    name: str
    key: str | None
    version: str
    description: str | None
    type: str
    dedupe: str | None
    props: list[dict[str, Any]]
    hooks: list[str]


class LoadError(Exception):
    """Component code could not be loaded: carries a RunError whose `code` is `load_failed`,
    `load_timeout` or `syntax_error`."""

    def __init__(self, error: RunError) -> None:
        super().__init__(error.message)
        self.error = error


OnRespond = Callable[[Respond], None]
