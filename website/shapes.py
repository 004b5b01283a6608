"""Schemas and requests of the OpenAPI document as Markdown. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

Schema = dict[str, Any]
# Of parameters that are ids of several kinds.
_IDS = {"emitter_id": "dc_abc123", "listener_id": "wh_abc123"}


def cell(text: str) -> str:
    """One line of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def kind(schema: Schema) -> str:
    """A schema's type in words, a link where it is one of the named ones."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](schemas.md#{name.lower()})"
    for word in ("oneOf", "anyOf"):
        if word in schema and "type" not in schema:
            return " or ".join(dict.fromkeys(kind(one) for one in schema[word]))
    given = schema.get("type", "any")
    kinds = given if isinstance(given, list) else [given]
    shown = [f"list of {kind(schema.get('items', {}))}" if k == "array" else k for k in kinds]
    return " or ".join(shown)


def meaning(schema: Schema, description: str = "") -> str:
    """What a value stands for, with what bounds it."""
    parts = [description or schema.get("description", "")]
    if "enum" in schema:
        parts.append("One of " + ", ".join(f"`{json.dumps(one)}`" for one in schema["enum"]) + ".")
    if "default" in schema:
        parts.append(f"Default: `{json.dumps(schema['default'])}`.")
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None or high is not None:
        parts.append(f"From {'any' if low is None else low} to {'any' if high is None else high}.")
    if "maxLength" in schema:
        parts.append(f"At most {schema['maxLength']} characters.")
    return cell(" ".join(part for part in parts if part))


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of a table, with an empty one after it; no rows, no table."""
    if not rows:
        return []
    lines = [head, tuple("---" for _ in head), *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]


def fields(schema: Schema, needed: list[str] | None = None) -> list[str]:
    """The table of an object's properties."""
    rows = [
        (
            f"`{name}`" + (" (required)" if name in (needed or []) else ""),
            kind(one),
            meaning(one),
        )
        for name, one in schema.get("properties", {}).items()
    ]
    return table(("Field", "Type", "Meaning"), rows)


def block(language: str, text: str) -> list[str]:
    return [f"```{language}", *text.splitlines(), "```", ""]


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def curl(method: str, path: str, operation: dict[str, Any]) -> str:
    """A call as it is typed; `$BASE` and `$H` stand for the address and the header with the key."""
    query = []
    for one in operation.get("parameters", []):
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", quote(str(_sample(one)), safe=""))
        elif one["in"] == "query" and (one.get("required") or "example" in one):
            query.append(f"{one['name']}={quote(str(_sample(one)), safe='*')}")
    address = path.replace("$", "\\$") + ("?" + "&".join(query) if query else "")
    streamed = "text/event-stream" in operation["responses"].get("200", {}).get("content", {})
    line = "curl -sN" if streamed else "curl -s"
    line += "" if method == "get" else f" -X {method.upper()}"
    line += f' "$BASE{address}"' + (' -H "$H"' if operation["security"] else "")
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if "example" not in content:
        return line
    body = json.dumps(content["example"], ensure_ascii=False).replace("'", "'\\''")
    return f"{line} \\\n  -H 'Content-Type: application/json' -d '{body}'"


def _sample(parameter: dict[str, Any]) -> Any:
    schema = parameter["schema"]
    for found in (parameter.get("example"), *schema.get("examples", []), schema.get("default")):
        if found is not None:
            return found
    return schema["enum"][0] if "enum" in schema else _IDS[parameter["name"]]
