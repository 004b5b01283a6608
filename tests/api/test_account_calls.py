"""Accounts in dry runs and in options functions, with real children: REST index rows 30 and 34,
component specification 3.4, 3.5 and 9."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts import connected
from apps.accounts.models import Account
from apps.components.models import Component
from apps.runs.models import Operation
from tests.api.conftest import Api, assert_error, body_of, make_caller
from tests.api.worker import Worker
from tests.services import making

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "ghp_hunter22"
CODE = """
from headwater import *

class GitHub(App):
    slug = "github"
    repo = StringProp(optional=True)

    @repo.options
    def list_repos(self, ctx):
        if ctx.query == "fail":
            raise ValueError("refused " + self.auth["token"])
        return [Option(f"of {len(self.auth['token'])} and {dict(self.auth) != {}}", "x")]

class Reader(Source):
    name = "Reader"
    github = GitHub()
    repo = GitHub.repo.use(use_query=True)

    def run(self, event):
        print("token", self.github.auth["token"])
        self.emit(len(self.github.auth["token"]))

    def on_activate(self):
        raise ValueError("refused " + self.github.auth["token"])
"""
PROPS: list[dict[str, Any]] = [
    {"name": "github", "type": "app", "app": "github"},
    {"name": "repo", "type": "string", "optional": True, "remoteOptions": True, "useQuery": True},
]


@pytest.fixture
def account(alice: Api) -> Account:
    return connected.create(alice.user, "github", "work", {"token": TOKEN})


@pytest.fixture
def reader(alice: Api) -> Component:
    return making.component(alice.user, *PROPS, code=CODE, hooks=["activate"])


def use(account: Account) -> dict[str, Any]:
    return {"github": {"authProvisionId": account.id}}


def dry_run(caller: Api, **body: Any) -> Any:
    response = caller.call("POST", "/components/dry_run", body)
    assert TOKEN.encode() not in response.content
    return response


def ask(caller: Api, of: Component, **body: Any) -> Any:
    response = caller.call("POST", f"/components/{of.id}/props/repo/options", body)
    assert TOKEN.encode() not in response.content
    return response


@pytest.mark.parametrize("saved", [True, False])
def test_30_34_a_dry_run_has_the_credentials_and_masks_them(
    worker: Worker, alice: Api, account: Account, reader: Component, saved: bool
) -> None:
    what = {"component_id": reader.id} if saved else {"component_code": CODE}
    data = body_of(dry_run(alice, **what, configured_props=use(account)))["data"]
    assert data["error"] is None
    assert [emit["event"] for emit in data["emits"]] == [len(TOKEN)]
    assert [line["msg"] for line in data["logs"]] == ["token ***"]
    failed = dry_run(alice, **what, configured_props=use(account), hook="activate")
    assert body_of(failed)["data"]["error"]["message"] == "refused ***"


def test_30_34_a_dry_run_needs_an_account_of_ones_own(
    worker: Worker, alice: Api, account: Account, reader: Component
) -> None:
    bob = make_caller("bob")
    theirs = making.component(bob.user, *PROPS, code=CODE, hooks=["activate"])
    for what in ({"component_id": theirs.id}, {"component_code": CODE}):
        for configured in (use(account), {}):
            refused = dry_run(bob, **what, configured_props=configured)
            error = assert_error(refused, 400, code="invalid_parameter")
            assert error["details"]["parameter"] == "configured_props.github"


def test_34_an_account_that_cannot_be_read_is_the_error_of_the_call(
    worker: Worker, alice: Api, account: Account, reader: Component
) -> None:
    Account.objects.filter(id=account.id).update(credentials="gAAAAA")
    answer = dry_run(alice, component_id=reader.id, configured_props=use(account))
    error = body_of(answer)["data"]["error"]
    assert error["name"] == "Account Error"
    assert account.id in error["message"]
    refused = ask(alice, reader, configured_props=use(account))
    assert account.id in assert_error(refused, 400, code="options_failed")["error"]


def test_34_an_options_function_has_the_credentials_of_its_app(
    worker: Worker, alice: Api, account: Account, reader: Component
) -> None:
    data = body_of(ask(alice, reader, configured_props=use(account)))["data"]
    assert data["options"] == [{"label": f"of {len(TOKEN)} and True", "value": "x"}]
    failed = ask(alice, reader, configured_props=use(account), query="fail")
    assert assert_error(failed, 400, code="options_failed")["error"] == "refused ***"
    # What is asked waits in a row: of the account it holds the id.
    assert not [o for o in Operation.objects.all() if TOKEN in str(o.args)]
