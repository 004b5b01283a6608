"""The REST reference: one page per resource, out of the OpenAPI document. Pure.

The document is the one that a running instance shows at `/v1/openapi.json`, and tests hold it to
what the API does (docs/decisions/0030-openapi.md); what is said here is said there.
"""

from __future__ import annotations

from typing import Any

from website import shapes

Document = dict[str, Any]


def pages(document: Document) -> dict[str, str]:
    """Name of the file below `rest/` → its Markdown, in the order of the document."""
    made = {"index.md": _index(document)}
    for tag in document["tags"]:
        made[f"{tag['name']}.md"] = _resource(document, tag)
    return made | {"errors.md": _errors(document), "schemas.md": _schemas(document)}


def _operations(document: Document, tag: str) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag in operation["tags"]
    ]


def _index(document: Document) -> str:
    lines = [
        *("# The REST API", "", document["info"]["description"], ""),
        "In the examples `$BASE` is the address of an instance and `$H` the header with a key:",
        "",
        *shapes.block(
            "sh",
            "export BASE=http://127.0.0.1:8000\n"
            'export H="Authorization: Bearer $(cat var/api_key)"',
        ),
        "What a call may be refused with is on a page of its own, [Errors](errors.md).",
        "A running instance shows the same at `/v1/docs`, and the description itself, OpenAPI"
        f" {document['openapi']}, at `/v1/openapi.json`.",
        "",
    ]
    for tag in document["tags"]:
        name = tag["name"]
        rows = [
            (f"`{method.upper()} {path}`", f"[{one['summary']}]({name}.md#{_anchor(one)})")
            for method, path, one in _operations(document, name)
        ]
        lines += [f"## [{name.capitalize()}]({name}.md)", "", tag["description"], ""]
        lines += shapes.table(("Call", "What it does"), rows)
    return "\n".join(lines)


def _resource(document: Document, tag: dict[str, Any]) -> str:
    lines = [f"# {tag['name'].capitalize()}", "", tag["description"], ""]
    for method, path, operation in _operations(document, tag["name"]):
        lines += _operation(method, path, operation)
    return "\n".join(lines)


def _anchor(operation: dict[str, Any]) -> str:
    return str(operation["operationId"]).lower()


def _operation(method: str, path: str, operation: dict[str, Any]) -> list[str]:
    scopes = [scope for need in operation["security"] for scope in need.get("key", [])]
    needs = f"a key with `{scopes[0]}`" if scopes else "no key"
    lines = [
        f"## {operation['summary']} {{ #{_anchor(operation)} }}",
        "",
        f"`{method.upper()} {path}`, {needs}",
        "",
        *([operation["description"], ""] if "description" in operation else []),
        *shapes.block("sh", shapes.curl(method, path, operation)),
    ]
    rows = [
        (
            f"`{one['name']}`" + (" (required)" if one.get("required") else ""),
            one["in"],
            shapes.kind(one["schema"]),
            shapes.meaning(one["schema"], one.get("description", "")),
        )
        for one in operation.get("parameters", [])
    ]
    lines += shapes.table(("Parameter", "In", "Type", "Meaning"), rows)
    return [*lines, *_body(operation), *_answers(operation)]


def _body(operation: dict[str, Any]) -> list[str]:
    if "requestBody" not in operation:
        return []
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    lines = ["**Body**, JSON" + (":" if "properties" in schema else ": any object."), ""]
    lines += shapes.fields(schema, schema.get("required"))
    for word, text in (("anyOf", "At least one of"), ("oneOf", "Exactly one of")):
        names = [name for one in schema.get(word, []) for name in one.get("required", [])]
        if names:
            lines += [f"{text} {', '.join(f'`{name}`' for name in names)} must be there.", ""]
    return lines


def _answers(operation: dict[str, Any]) -> list[str]:
    lines, refused = [], []
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            refused.append(f"[{status}](errors.md#error{status})")
            continue
        lines += [f"**{status}** {answer['description']}", ""]
        for media, content in answer.get("content", {}).items():
            if media == "application/json":
                lines += ["It is " + shapes.kind(_data(content["schema"])) + ":", ""]
            if "example" in content:
                example = content["example"]
                plain = isinstance(example, str)
                lines += shapes.block("text", example) if plain else _json(example)
    if refused:
        lines += [f"Refused with {', '.join(refused)}.", ""]
    return lines


def _json(example: Any) -> list[str]:
    return shapes.block("json", shapes.as_json(example))


def _data(schema: dict[str, Any]) -> dict[str, Any]:
    """What the answer is about, without what it is wrapped in."""
    inside: dict[str, Any] = schema.get("properties", {}).get("data", schema)
    return inside


def _errors(document: Document) -> str:
    lines = ["# Errors", "", "Every refusal is JSON, with a line for people and a code:", ""]
    lines += shapes.fields(document["components"]["schemas"]["Error"])
    for name, answer in document["components"]["responses"].items():
        status = name.removeprefix("Error")
        lines += [f"## {status} {{ #error{status} }}", "", answer["description"], ""]
        for content in answer.get("content", {}).values():
            if "example" in content:
                lines += _json(content["example"])
        rows = [
            (f"`{header}`", shapes.cell(one.get("description", "")))
            for header, one in answer.get("headers", {}).items()
        ]
        lines += shapes.table(("Header", "Meaning"), rows)
    return "\n".join(lines)


def _schemas(document: Document) -> str:
    lines = ["# Schemas", "", "What answers are made of.", ""]
    for name, schema in document["components"]["schemas"].items():
        lines += [f"## {name} {{ #{name.lower()} }}", "", schema.get("description", ""), ""]
        lines += shapes.fields(schema)
    return "\n".join(lines)
