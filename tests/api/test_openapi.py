"""The description of the API is valid, complete, and its examples are what they are examples of."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest
from django.test import Client
from openapi_spec_validator import validate

from apps.api.openapi import document, operations
from apps.api.openapi.errors import ERRORS
from apps.api.openapi.parts import Operation
from apps.api.openapi.paths import PATH_PARAMETERS
from apps.api.urls import ALIASES, OPEN, ROUTES
from tests.api.conftest import Api, body_of
from tests.api.described import conforms, schema_errors
from tests.processes import ROOT

METHODS = ("get", "post", "put", "delete")
BY_ID = {operation.id: operation for operation in operations()}


def _served() -> set[tuple[str, str]]:
    """(method, path) of every view of the API."""
    found = set()
    routes = [("/v1/" + route, view) for route, view in ROUTES]
    routes += [(base + route, view) for route, view in ALIASES for base in ("/", "/v1/")]
    for path, view in routes:
        cls: Any = view
        found |= {(method, path) for method in METHODS if hasattr(cls.cls, method)}
    return found | {("get", "/v1/" + route) for route, _ in OPEN}


def test_every_route_and_method_is_described_and_nothing_else_is() -> None:
    elsewhere = ("/h/{endpoint_key}", "/healthz", "/readyz", "/metrics")
    described = {
        (method, path)
        for path, item in document()["paths"].items()
        for method in item
        if path not in elsewhere
    }
    assert described == _served()


def test_the_document_is_openapi_3_1() -> None:
    validate(document())
    assert document()["openapi"].startswith("3.1")


def test_ids_are_unique_and_links_lead_somewhere() -> None:
    assert len(BY_ID) == len(operations())
    for operation in operations():
        for target, parameters in operation.links.values():
            shown = document()["paths"][BY_ID[target].full_path][BY_ID[target].method]
            known = {f"{one['in']}.{one['name']}" for one in shown["parameters"]}
            assert set(parameters) <= known, (operation.id, target)


def test_every_parameter_that_a_view_reads_is_described() -> None:
    """Views read parameters by literal names; each stands in the query or the body of some call."""
    named = {parameter.name for operation in operations() for parameter in operation.query}
    named |= {name for operation in operations() for name in operation.body or {}}
    named |= {"limit", "after", "before", "include", "exclude"}
    readers = {"text", "integer", "boolean", "object", "array", "label", "words", "number", "given"}
    read: dict[str, str] = {}
    for path in (ROOT / "apps/api").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(ast.Attribute(owner, reader), [ast.Constant(name), *_]):
                    if reader in readers and ast.unparse(owner) in ("params", "self.params()"):
                        read[str(name)] = path.name
    assert {"component_code", "url", "delivery_ids", "active"} <= set(read)
    assert {name: file for name, file in read.items() if name not in named} == {}


def test_every_error_status_that_code_raises_is_described() -> None:
    raised = set()
    for path in [*(ROOT / "apps").rglob("*.py")]:
        raised |= {int(found) for found in re.findall(r"ApiError\(\s*(\d{3}),", path.read_text())}
    assert len(raised) > 8
    assert raised <= set(ERRORS)


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.id)
def test_examples_have_the_form_that_is_declared(operation: Operation) -> None:
    """Also every field that is always there."""
    for status, answer in operation.answers.items():
        if answer.example is not None and answer.media_type == "application/json":
            assert conforms(operation.full_path, operation.method, status, answer.example) == []
    if operation.body_example is not None:
        shown = document()["paths"][operation.full_path][operation.method]
        schema = shown["requestBody"]["content"]["application/json"]["schema"]
        assert schema_errors(schema, operation.body_example) == []
    for name in re.findall(r"\{(\w+)\}", operation.path):
        parameter = PATH_PARAMETERS[name]
        assert schema_errors(parameter["schema"], parameter["example"]) == []


@pytest.mark.parametrize("status", sorted(ERRORS))
def test_examples_of_errors_have_the_form_of_errors(status: int) -> None:
    assert schema_errors({"$ref": "#/components/schemas/Error"}, ERRORS[status][1]) == []


# --- the pages -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/openapi.json", "/v1/openapi.json/"])
def test_it_is_served_without_a_key(path: str) -> None:
    response: Any = Client().get(path)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json; charset=utf-8"
    assert body_of(response)["paths"].keys() == document()["paths"].keys()


@pytest.mark.parametrize("path", ["/", "/v1/docs", "/v1/docs/"])
def test_pages_load_nothing_from_another_host(path: str) -> None:
    response: Any = Client().get(path)
    assert response.status_code == 200
    page = response.content.decode()
    assert re.findall(r'(?:src|href)="(?:https?:)?//', page) == []
    assert "<script>" not in page
    assert "style=" not in page
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy
    for asset in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        served: Any = Client().get(asset)
        assert served.status_code == 200, asset


@pytest.mark.parametrize("path", ["/", "/v1/docs", "/v1/openapi.json"])
def test_t9_pages_are_read_only(path: str) -> None:
    response: Any = Client().post(path)
    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD"


def test_the_first_page_says_where_things_are(alice: Api, settings: Any) -> None:
    page = Client().get("/").content.decode()
    for part in (settings.PUBLIC_URL, "curl ", 'href="/v1/docs"', 'href="/admin/"'):
        assert part in page
    assert "hw_" not in page
