"""Describing code: a runner loads it in a child process and tells what it says of itself.

Web side:    operation = describing.start_create(...), or start_fetch(...) for code that is behind a
             URL; wait; describing.finish_create(operation.id)
Worker side: of a `fetch`, what came is put into the row first: `describing.fetched(...)`.
             The runner loads `args["code"]` (`args["language"]` or None = find out) and ends the
             operation with `{"language": …, "description": {…}, "packages": name or None}` or
             `{"error": {…RunError}}`:
             `describing.finish(operation_id, result)`, which stores built-in components itself.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts.models import User
from apps.components import description, fetching, registry, services
from apps.components.models import Component
from apps.core import errors
from apps.runs import operations
from apps.runs.contract import Description
from apps.runs.models import Operation
from apps.sources.props import check_timer_default

logger = logging.getLogger(__name__)

# Owner of what the platform itself asks for.
SYSTEM = "system"
URL_LENGTH = 2048
# Of the codes of `workers.runtime.packages.refusal`, those that another attempt may not meet.
UNPROCESSABLE = ("registry_unreachable", "install_failed")
CODE = "component_code"
# When whoever gave up waiting may find it done.
RETRY_SECONDS = 10


def start_create(
    owner: User,
    *,
    code: str,
    language: str | None,
    component_url: str | None = None,
    entry: str = "",
    files: Mapping[str, str] | None = None,
) -> Operation:
    """Queue the describing of code. 413 over 1 MiB, or over 8 MiB of `files`; 400 when a text
    cannot be stored. `entry` and `files` as in `apps.runs.contract.Code`; with files, the entry's
    path is needed."""
    parameter = "component_code" if component_url is None else "component_url"
    if entry or files:
        services.check_files(entry, files or {}, parameter)
    args = {
        "code": services.check_code(code),
        "language": language,
        "entry": entry,
        "files": dict(files or {}),
        "component_url": None
        if component_url is None
        else description.storable(component_url, "component_url", URL_LENGTH),
    }
    return operations.enqueue("describe", owner.id, args)


def start_fetch(owner: User, component_url: str, language: str | None) -> Operation:
    """Queue the fetching and describing of what is behind a URL. 400 for a URL that cannot be one
    of a component."""
    url = fetching.check(description.storable(component_url, fetching.PARAMETER, URL_LENGTH))
    args = {"component_url": url, "language": language}
    return operations.enqueue("fetch", owner.id, args)


def fetched(operation_id: int, args: Mapping[str, Any], found: fetching.Fetched) -> dict[str, Any]:
    """Put what was fetched into the row of its operation (worker side), so that it is fetched once
    however often it is loaded. Returns the new arguments."""
    tree = {"code": found.code, "entry": found.entry, "files": found.files}
    more = {"language": args["language"] or found.language, "missing": found.missing}
    whole = {**args, **tree, **more}
    Operation.objects.filter(id=operation_id, state="running").update(args=whole)
    return whole


def finish_create(operation_id: int) -> Component:
    """Store the described component. Raises ApiError: 400 `load_failed`, `package_not_found` …; 422
    when packages, or what its URL leads to, could not be fetched; 503 `still_loading`."""
    operation = Operation.objects.get(id=operation_id)
    if operation.state not in ("done", "failed"):
        raise _still_loading()
    if (refused := operations.refusal(operation)) is not None:
        raise refused
    result, args = operation.result or {}, operation.args
    described = _read_fetched(result, args) if operation.kind == "fetch" else read(result)
    return services.create(
        User.objects.get(id=operation.owner_id),
        described,
        args["code"],
        result["language"],
        component_url=args["component_url"],
        entry=args.get("entry", ""),
        files=args.get("files"),
        packages=result.get("packages"),
    )


def read(result: dict[str, Any]) -> Description:
    """The validated description in a result of the runner. Raises ApiError 400."""
    if "description" not in result:
        raise _load_error(result.get("error") or {})
    given = result["description"]
    return description.validate(
        Description(**{field.name: given.get(field.name) for field in fields(Description)}),
        check_timer_default,
    )


def _read_fetched(result: dict[str, Any], args: Mapping[str, Any]) -> Description:
    """`read` for code from a URL. Raises ApiError 422 when code misses an import that was not
    there to be fetched, and names the URL instead of the code in every other error."""
    if "description" in result:
        return read(result)
    error = result.get("error") or {}
    if error.get("name") == "ImportError" and args.get("missing"):
        raise fetching.missing(args["missing"])
    raise _load_error(error, fetching.PARAMETER)


def _still_loading() -> errors.ApiError:
    """503. What takes long is kept: the packages that are installed now are found by whoever loads
    the same code again."""
    return errors.unavailable(
        "the code is still being fetched, its packages installed or it is being loaded; that goes"
        " on, and nothing has been created or changed yet: repeat the request with the same body"
        " to find what is done by then",
        retry_after=RETRY_SECONDS,
        code="still_loading",
    )


def _load_error(error: dict[str, Any], parameter: str = CODE) -> errors.ApiError:
    """400 with the code, line and column of what went wrong while loading."""
    details = {name: error[name] for name in ("name", "line", "column") if error.get(name)}
    message = str(error.get("message") or "the code could not be loaded")
    if error.get("line"):
        message = f"{message} (line {error['line']})"
    code = str(error.get("code") or "load_failed")
    refused = errors.bad_request(code, f"{parameter}: {message}", parameter=parameter, **details)
    if code in UNPROCESSABLE:
        refused.status = 422
    return refused


def finish(operation_id: int, result: dict[str, Any]) -> bool:
    """End a running `describe` operation (worker side). False: somebody ended it before."""
    operation = Operation.objects.get(id=operation_id)
    if "registry" not in operation.args:
        return operations.finish(operation_id, result, failed="description" not in result)
    args = operation.args
    origin = args.get("origin", services.BUILTIN)
    try:
        described = _publishable(result)
    except errors.ApiError as refused:
        if origin == services.BUILTIN:
            logger.error("%s is not usable: %s", args["registry"], refused.message)
        return operations.refuse(operation_id, refused)
    with transaction.atomic():
        if not operations.finish(operation_id, result):
            return False
        services.create(
            None,
            described,
            args["code"],
            result["language"],
            component_url=args.get("component_url"),
            origin=origin,
            entry=args.get("entry", ""),
            files=args.get("files"),
            packages=result.get("packages"),
        )
    return True


def _publishable(result: dict[str, Any]) -> Description:
    """`read` for the registry, which finds components by their keys. Raises ApiError 400, with the
    code `no_component` for code that loads and is none."""
    error = result.get("error") or {}
    if error.get("name") == "NoComponent":
        raise errors.bad_request("no_component", str(error.get("message")))
    for word in ("name", "key"):
        if "description" in result and not result["description"].get(word):
            raise errors.bad_request("no_component", f"it has no {word}")
    return read(result)


def enqueue_registry() -> list[str]:
    """Queue the describing of every built-in whose code is new. Returns the file names."""
    queued: list[str] = []
    hashes = {services.code_hash(operation.args["code"]) for operation in registry_waits()}
    for builtin in registry.builtins():
        if builtin.code_hash in hashes or registry.is_current(builtin):
            continue
        args = {"code": builtin.code, "language": builtin.language, "registry": builtin.file}
        operations.enqueue("describe", SYSTEM, args)
        queued.append(builtin.file)
    return queued


def registry_waits() -> QuerySet[Operation]:
    """What of the registry no runner has loaded yet."""
    return Operation.objects.filter(
        kind="describe", owner_id=SYSTEM, state__in=["queued", "running"]
    )
