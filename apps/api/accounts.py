"""`/accounts`: credentials for the apps of components (REST specification, index 34).

Credentials go in and never come out. `app` filters a list by the slug of the app.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from apps.accounts import connected
from apps.accounts.models import Account
from apps.api.answers import empty, listing, single
from apps.api.paging import read_page
from apps.api.params import missing
from apps.api.scopes import READ, WRITE, needs
from apps.api.views import ApiView
from apps.sources import accounts as used


def fields_of(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "app_slug": account.app_slug,
        "created_at": int(account.created_at.timestamp()),
        "updated_at": int(account.updated_at.timestamp()),
        "expires_at": None if account.expires_at is None else int(account.expires_at.timestamp()),
        "error": account.error or None,
    }


class AccountView(ApiView):
    def list(self) -> HttpResponse:
        params = self.params()
        own = Account.objects.filter(owner=self.user)
        listed = own.filter(deleted_at=None)
        if app := params.text("app"):
            listed = listed.filter(app_slug=app)
        page = read_page(params, listed, own)
        return listing(map(fields_of, page.items), page.info, self.selection())


class MyAccounts(AccountView):
    @needs(READ)
    def get(self, _request: Request) -> HttpResponse:
        return self.list()


class Accounts(AccountView):
    @needs(READ)
    def get(self, _request: Request) -> HttpResponse:
        return self.list()

    @needs(WRITE)
    def post(self, _request: Request) -> HttpResponse:
        params, selection = self.params(), self.selection()
        app_slug, credentials = params.text("app_slug"), params.object("credentials")
        if not app_slug:
            raise missing("app_slug")
        if credentials is None:
            raise missing("credentials")
        made = connected.create(self.user, app_slug, params.label("name"), credentials)
        return single(fields_of(made), selection)


class OneAccount(ApiView):
    @needs(READ)
    def get(self, _request: Request, account_id: str) -> HttpResponse:
        return single(fields_of(connected.find(self.user, account_id)), self.selection())

    @needs(WRITE)
    def put(self, _request: Request, account_id: str) -> HttpResponse:
        account = connected.find(self.user, account_id)
        params, selection = self.params(), self.selection()
        changed = connected.change(
            account, name=params.label("name"), credentials=params.object("credentials")
        )
        return single(fields_of(changed), selection)

    @needs(WRITE)
    def delete(self, _request: Request, account_id: str) -> HttpResponse:
        account = connected.find(self.user, account_id)
        used.delete(account, force=bool(self.params().boolean("force")))
        return empty(204)
