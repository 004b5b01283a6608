"""Is an answer one that the description of the API declares? Stricter than the description itself:
a field that is not declared is a mistake, and so is one of `x-always` that is missing."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from django.http import HttpResponse
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from apps.api.openapi import document


def _strict(value: Any, complete: bool) -> Any:
    if isinstance(value, list):
        return [_strict(item, complete) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: _strict(inner, complete) for name, inner in value.items()}
    if "x-always" in value:
        found["additionalProperties"] = False
        if complete:
            found["required"] = value["x-always"]
    return found


@cache
def _registry(complete: bool) -> Registry[Any]:
    whole = DRAFT202012.create_resource(_strict(document(), complete))
    found: Registry[Any] = Registry().with_resource("urn:api", whole)
    return found


def _absolute(value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: "urn:api" + inner if name == "$ref" else _absolute(inner)
        for name, inner in value.items()
    }


def schema_errors(schema: dict[str, Any], value: Any, *, complete: bool = True) -> list[str]:
    """What is wrong with `value`; with `complete`, no field that is always there may be missing."""
    absolute = _absolute(schema)
    validator = Draft202012Validator(absolute, registry=_registry(complete))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Paths without parameters first, as in `urls.py`."""
    paths = sorted(document()["paths"], key=lambda path: (path.count("{"), path))
    found = []
    for path in paths:
        parts = re.split(r"\{\w+\}", path)
        found.append((re.compile("[^/]+".join(map(re.escape, parts)) + r"/?\Z"), path))
    return found


def path_of(path: str) -> str | None:
    """The described path that a request's path belongs to."""
    return next((shown for pattern, shown in _patterns() if pattern.match(path)), None)


def conforms(path: str, method: str, status: int, body: Any, *, complete: bool = True) -> list[str]:
    """What is wrong with an answer: its status is not declared, or its body is not of that form.

    `path` is a described one; `body` is the parsed JSON, None for an empty answer.
    """
    item = document()["paths"][path].get(method.lower())
    if item is None:
        return [] if status in (401, 405, 429) else [f"{method} is not described"]
    answer = item["responses"].get(str(status))
    if answer is None:
        return [f"{status} is not declared for {method} {path}"]
    if "$ref" in answer:
        schema = {"$ref": "#/components/schemas/Error"}
        return schema_errors(schema, body)
    content = answer.get("content", {}).get("application/json")
    if content is None:
        return [] if body is None else ["the answer has a body"]
    return schema_errors(content["schema"], body, complete=complete)


def undeclared(method: str, path: str, sent: Any, response: HttpResponse) -> list[str]:
    """What the description does not say of an answer that was got for `path`."""
    bare, _, query = path.partition("?")
    shown = path_of(bare)
    if shown is None or method not in ("GET", "POST", "PUT", "DELETE"):
        return []
    if response.get("Content-Type", "").startswith(("text/html", "text/event-stream")):
        return []
    words = sent if isinstance(sent, dict) else {}
    selected = any(name in query or name in words for name in ("include", "exclude"))
    # Not the fast parser: payloads may hold what it refuses.
    body = json.loads(response.content) if response.content else None
    return conforms(shown, method, response.status_code, body, complete=not selected)
