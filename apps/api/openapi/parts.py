"""The words in which the API is described, and how they become OpenAPI 3.1. Pure.

An `Operation` says what is its own; what all have in common is added here, once: the key, `include`
and `exclude`, the parameters of paging, the errors that any call may meet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.accounts.scopes import READ, WRITE
from apps.api.openapi.paths import PATH_PARAMETERS

Schema = dict[str, Any]

NO_NUL = r"^[^\x00]*$"
# Errors that every call with a key may meet, whatever it asks for.
COMMON_ERRORS = (400, 401, 403, 408, 413, 429, 431, 500, 503)
OPEN_ERRORS = (413, 431, 500)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One of the query, or a header (`place`)."""

    name: str
    schema: Schema
    description: str
    required: bool = False
    place: str = "query"
    example: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a success looks like; without `schema` it has no body."""

    description: str
    schema: Schema | None = None
    example: Any = None
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one route. `path` is written as in `apps.api.urls`, below `/v1/`.

    errors  statuses besides those that every call may answer
    body    properties of the JSON body by name; all of `needed`, at least one of `any_of`, exactly
            one of `one_of` must be there
    links   name → (operation id, its parameters), for what can be done with the answer
    """

    method: str
    path: str
    id: str
    tag: str
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    query: Sequence[Parameter] = ()
    body: Mapping[str, Schema] | None = None
    body_example: Any = None
    needed: Sequence[str] = ()
    any_of: Sequence[str] = ()
    one_of: Sequence[str] = ()
    errors: Sequence[int] = ()
    selects: bool = True
    paged: bool = False
    open: bool = False
    base: str = "/v1/"
    free_body: bool = False
    links: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)

    @property
    def idempotent(self) -> bool:
        """Whether it takes an `Idempotency-Key`."""
        return self.method == "post" and not self.open

    @property
    def scope(self) -> str:
        """That a key needs for it."""
        return READ if self.method == "get" else WRITE

    @property
    def full_path(self) -> str:
        return self.base + self.path


# --- schemas ----------------------------------------------------------------------------------


def text(description: str = "", **more: Any) -> Schema:
    """A string as a parameter: the database stores no NUL."""
    schema: Schema = {"type": "string", "pattern": NO_NUL, **more}
    return {**schema, "description": description} if description else schema


def maybe(schema: Schema) -> Schema:
    """Of a body: null is the same as absent."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    more = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, **more, "type": [*kinds, "null"]}


def whole(description: str, example: int | None = None, **more: Any) -> Schema:
    shown = {} if example is None else {"examples": [example]}
    return {"type": "integer", "description": description, **more, **shown}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def resource(
    description: str, fields: Mapping[str, Schema], sometimes: Sequence[str] = ()
) -> Schema:
    """The fields of an answer. Any may be missing when `include` or `exclude` say so, and those of
    `sometimes` at any time; `x-always` names the rest."""
    return {
        "type": "object",
        "description": f"{description} Without `include` and `exclude` every field of `x-always`"
        " is there.",
        "properties": dict(fields),
        "x-always": [name for name in fields if name not in sometimes],
    }


def single(schema: Schema) -> Schema:
    return {"type": "object", "required": ["data"], "properties": {"data": schema}}


def listing(schema: Schema) -> Schema:
    return {
        "type": "object",
        "required": ["page_info", "data"],
        "properties": {
            "page_info": ref("PageInfo"),
            "data": {"type": "array", "items": schema},
        },
    }


def page_of(example: Any, cursor: str) -> Any:
    info = {"total_count": 1, "count": 1, "start_cursor": cursor, "end_cursor": cursor}
    return {"page_info": info, "data": [example]}


EPOCH_S = {"type": "integer", "description": "Epoch seconds.", "examples": [1589486978]}
EPOCH_MS = {"type": "integer", "description": "Epoch milliseconds.", "examples": [1589486981597]}
YES_OR_NO = {"type": "string", "enum": ["true", "false", "1", "0"]}
CHANNEL = text(
    "Channel: empty for the default one, `$errors`, `$logs`, or a name of 1 to 64 characters"
    " without `$` in front and without control characters.",
    maxLength=64,
) | {"pattern": r"^(\$errors|\$logs|[^$\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*)?$"}
EVENT_ID = {
    "type": "string",
    "pattern": "^[0-9]{1,15}-[0-9]{1,10}$",
    "description": "`<epoch ms>-<n>`; ordered as a pair of integers, not as text.",
    "examples": ["1589486981597-0"],
}
BOUND = text("An event id; without `-n` the first, or for an end the last, of its millisecond.") | {
    "pattern": "^[0-9]{1,14}(-[0-9]{1,9})?$",
    "examples": ["1589486981598-0"],
}

INCLUDE = Parameter("include", text(), "Names of fields to show, separated by commas.")
EXCLUDE = Parameter("exclude", text(), "Names of fields to leave out, separated by commas.")
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    {"type": "string", "maxLength": 255},
    "For 24 hours the same key is one effect and one answer; with another request it is 422.",
    place="header",
)
PAGING = (
    Parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
        "Items on the page.",
    ),
    Parameter("after", text(), "A cursor: items after it, strictly."),
    Parameter("before", text(), "A cursor: the items just before it, in list order."),
)


# --- to OpenAPI -------------------------------------------------------------------------------


def render(operation: Operation) -> dict[str, Any]:
    """The OpenAPI operation object."""
    shown: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
    }
    if operation.description:
        shown["description"] = operation.description
    if parameters := _parameters(operation):
        shown["parameters"] = parameters
    if operation.body is not None or operation.free_body:
        shown["requestBody"] = _body(operation)
    shown["responses"] = _responses(operation)
    shown["security"] = [] if operation.open else [{"key": [operation.scope]}]
    return shown


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, **PATH_PARAMETERS[name]}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]
    query = [*operation.query]
    query += PAGING if operation.paged else ()
    query += (INCLUDE, EXCLUDE) if operation.selects else ()
    query += (IDEMPOTENCY_KEY,) if operation.idempotent else ()
    for parameter in query:
        one: dict[str, Any] = {
            "name": parameter.name,
            "in": parameter.place,
            "schema": parameter.schema,
            "description": parameter.description,
        }
        if parameter.required:
            one["required"] = True
        if parameter.example is not None:
            one["example"] = parameter.example
        found.append(one)
    return found


def _body(operation: Operation) -> dict[str, Any]:
    schema: Schema = {"type": "object"}
    if operation.body is not None:
        schema["properties"] = dict(operation.body)
        if operation.selects:
            schema["properties"] |= {
                one.name: maybe(text(one.description)) for one in (INCLUDE, EXCLUDE)
            }
    if operation.needed:
        schema["required"] = list(operation.needed)
    for word, names in (("anyOf", operation.any_of), ("oneOf", operation.one_of)):
        if names:
            # Null is absent.
            schema[word] = [
                {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
                for name in names
            ]
    content: dict[str, Any] = {"schema": schema}
    if operation.body_example is not None:
        content["example"] = operation.body_example
    required = bool(operation.needed or operation.any_of or operation.one_of)
    return {"required": required, "content": {"application/json": content}}


def _responses(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, answer in operation.answers.items():
        shown: dict[str, Any] = {"description": answer.description}
        if answer.schema is not None:
            content: dict[str, Any] = {"schema": answer.schema}
            if answer.example is not None:
                content["example"] = answer.example
            shown["content"] = {answer.media_type: content}
        if operation.links and status < 300:
            shown["links"] = {
                name: {"operationId": target, "parameters": dict(parameters)}
                for name, (target, parameters) in operation.links.items()
            }
        found[str(status)] = shown
    statuses = {*operation.errors, *(OPEN_ERRORS if operation.open else COMMON_ERRORS)}
    if operation.method in ("post", "put", "delete") and not operation.open:
        statuses.add(415)
    if operation.idempotent:
        statuses |= {409, 422}
    if "{" in operation.path:
        statuses.add(404)
    for status in sorted(statuses):
        found[str(status)] = {"$ref": f"#/components/responses/Error{status}"}
    return found
