"""Components: storing, finding, and the describing of code by a runner."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import User
from apps.components import registry, services
from apps.components.models import Component
from apps.core.errors import ApiError
from apps.runs import describing, operations
from apps.runs.models import Operation
from tests.services import making

pytestmark = pytest.mark.django_db

CODE = "class Ticker(Source): …"


@pytest.fixture
def ada() -> User:
    return making.user()


def status(call: Any, *args: Any, **kwargs: Any) -> ApiError:
    with pytest.raises(ApiError) as refused:
        call(*args, **kwargs)
    return refused.value


def end(operation: Operation, **result: Any) -> bool:
    """Be the runner."""
    making.claim(operation.id)
    return describing.finish(operation.id, result)


def loaded(**changes: Any) -> dict[str, Any]:
    facts = {
        "name": "Ticker", "key": "ticker", "version": "0.1", "description": "Ticks",
        "type": "source", "dedupe": "unique", "hooks": ["deploy"],
        "props": [{**making.TIMER, "default": {"intervalSeconds": 900}}],
    }  # fmt: skip
    return {"language": "python", "description": facts | changes}


def test_the_hash_is_that_of_the_utf8_code(ada: User) -> None:
    made = making.component(ada, code="é")
    assert made.code_hash == hashlib.sha256("é".encode()).hexdigest()


def test_the_same_code_twice_is_two_components(ada: User) -> None:
    first, second = making.component(ada), making.component(ada)
    assert first.id != second.id
    assert first.id.startswith("sc_")


def test_describing_makes_a_component(ada: User) -> None:
    operation = describing.start_create(
        ada, code=CODE, language=None, component_url="https://example.org/x.py"
    )
    assert operation.args["code"] == CODE
    assert status(describing.finish_create, operation.id).status == 503
    end(operation, **loaded())
    made = describing.finish_create(operation.id)
    assert (made.owner, made.key, made.name, made.version) == (ada, "ticker", "Ticker", "0.1")
    assert (made.language, made.code, made.dedupe, made.hooks) == (
        "python",
        CODE,
        "unique",
        ["deploy"],
    )
    assert made.component_url == "https://example.org/x.py"
    assert made.props[0]["default"] == {"intervalSeconds": 900}
    assert made.name_slug == "ticker"


def test_code_that_does_not_load(ada: User) -> None:
    operation = describing.start_create(ada, code="def", language="python")
    error = {
        "name": "SyntaxError",
        "message": "invalid syntax",
        "code": "syntax_error",
        "line": 1,
        "column": 4,
    }
    end(operation, error=error)
    refused = status(describing.finish_create, operation.id)
    assert (refused.status, refused.code) == (400, "syntax_error")
    assert "invalid syntax (line 1)" in refused.message
    assert refused.details["parameter"] == "component_code"
    assert (refused.details["line"], refused.details["column"]) == (1, 4)


def test_a_description_that_is_refused(ada: User) -> None:
    operation = describing.start_create(ada, code=CODE, language=None)
    end(operation, **loaded(type="action"))
    assert status(describing.finish_create, operation.id).parameter == "type"
    assert not Component.objects.exists()


@pytest.mark.parametrize("code", ["", "  ", None, 5, "a\x00b", "\ud800"])
def test_code_that_is_no_text(ada: User, code: Any) -> None:
    refused = status(describing.start_create, ada, code=code, language=None)
    assert (refused.status, refused.parameter) == (400, "component_code")


def test_code_over_one_mebibyte(ada: User) -> None:
    limit = 1024 * 1024
    describing.start_create(ada, code="é" * (limit // 2), language=None)
    refused = status(describing.start_create, ada, code="é" * (limit // 2) + "x", language=None)
    assert (refused.status, refused.parameter) == (413, "component_code")


def test_finding_by_id_and_by_key(ada: User) -> None:
    bob = making.user("bob")
    first = making.component(ada, key="mine")
    second = making.component(ada, key="mine")
    built_in = making.component(None, key="rss")
    assert services.get_visible(ada, first.id) == first
    assert services.get_visible(ada, "mine") == second
    assert services.get_visible(bob, built_in.id) == built_in
    for key in (first.id, "mine", "rss", "sc_", "", "a\x00"):
        assert status(services.get_visible, bob, key).status == 404
    assert services.get_registry("rss") == built_in
    for key in ("mine", "", "a\x00"):
        assert status(services.get_registry, key).status == 404


def test_the_built_in_wins_over_others_of_its_key() -> None:
    built_in = services.create(None, making.described(key="rss"), "#1", "python", origin="builtin")
    services.create(None, making.described(key="rss"), "#2", "python", origin="npm:pipedream")
    assert services.get_registry("rss") == built_in


# --- the registry ----------------------------------------------------------------------------


def test_new_built_ins_are_described_once_and_old_sources_keep_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ada: User
) -> None:
    monkeypatch.setattr(registry.builtins, "__defaults__", (tmp_path,))
    (tmp_path / "ticker.py").write_text("# 1")
    (tmp_path / "_shared.py").write_text("# no component")
    (tmp_path / "README.md").write_text("no component")
    assert describing.enqueue_registry() == ["ticker.py"]
    assert describing.enqueue_registry() == [], "it is queued already"
    operation = Operation.objects.get()
    assert operation.args == {"code": "# 1", "language": "python", "registry": "ticker.py"}
    assert end(operation, **loaded(props=[], hooks=[]))
    assert not describing.finish(operation.id, loaded()), "the second end has no effect"
    first = services.get_registry("ticker")
    assert (first.owner, first.origin, first.code) == (None, "builtin", "# 1")
    assert describing.enqueue_registry() == []
    source = making.source(ada, first)

    (tmp_path / "ticker.py").write_text("# 2")
    assert describing.enqueue_registry() == ["ticker.py"]
    end(Operation.objects.latest("id"), **loaded())
    assert services.get_registry("ticker").code == "# 2"
    source.refresh_from_db()
    assert source.component == first

    (tmp_path / "ticker.py").write_text("# 1")
    assert describing.enqueue_registry() == ["ticker.py"], "an older code is a new version too"


def test_a_built_in_that_is_not_usable_harms_nobody() -> None:
    args = {"code": "# 1", "language": "python", "registry": "bad.py"}
    operation = operations.enqueue("describe", "system", args)
    assert end(operation, **loaded(type="action"))
    assert Operation.objects.get().state == "failed"
    assert not Component.objects.exists()


def test_the_shipped_built_ins_are_readable() -> None:
    shipped = list(registry.builtins())
    assert {builtin.language for builtin in shipped} <= {"python", "javascript"}
    assert len({builtin.code_hash for builtin in shipped}) == len(shipped) > 0


def test_a_description_survives_the_way_through_the_operation(ada: User) -> None:
    described = making.described(props=[making.TIMER, making.HTTP], hooks=["activate"])
    operation = describing.start_create(ada, code=CODE, language=None)
    end(operation, language="javascript", description=asdict(described))
    made = describing.finish_create(operation.id)
    assert (made.props, made.hooks) == (described.props, described.hooks)
