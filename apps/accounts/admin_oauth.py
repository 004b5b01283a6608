"""The operator's OAuth client settings: besides users the one table written in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminPasswordWidget

from apps.accounts import connecting
from apps.accounts.models import OAuthClient
from apps.accounts.oauth import RESERVED
from apps.core import secrets

FIELDS = (
    "app_slug", "authorize_url", "token_url", "client_id", "secret", "token_auth", "scopes",
    "parameters", "pkce", "profile_url", "fields",
)  # fmt: skip


# Django's own form is no generic type at run time.
class OAuthClientForm(forms.ModelForm):  # type: ignore[type-arg]
    """The secret goes in and is never shown; left empty, the one that is stored stays."""

    secret = forms.CharField(
        label="Client secret",
        required=False,
        strip=True,
        widget=UnfoldAdminPasswordWidget(render_value=False),
        help_text="Stored encrypted. Leave empty to keep what is stored.",
    )

    class Meta:
        model = OAuthClient
        fields = tuple(name for name in FIELDS if name != "secret")

    def clean_parameters(self) -> dict[str, str]:
        given = _texts(self.cleaned_data["parameters"], "parameters")
        if taken := sorted(RESERVED & set(given)):
            raise forms.ValidationError(f"the platform itself sends {', '.join(taken)}")
        return given

    def clean_fields(self) -> dict[str, str]:
        return _texts(self.cleaned_data["fields"], "fields")

    def save(self, commit: bool = True) -> Any:
        if given := self.cleaned_data["secret"]:
            self.instance.client_secret = secrets.encrypt(given)
        return super().save(commit)


def _texts(value: Any, name: str) -> dict[str, str]:
    if value in (None, ""):
        return {}
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise forms.ValidationError(f'{name} must be an object of texts, as in {{"a": "b"}}')
    return value


@admin.register(OAuthClient)
class OAuthClientAdmin(ModelAdmin):  # type: ignore[misc]  # Unfold has no types
    form = OAuthClientForm
    list_display = ("app_slug", "client_id", "authorize_url", "pkce", "created_at")
    search_fields = ("app_slug",)
    ordering = ("app_slug",)
    readonly_fields = ("redirect_uri",)
    fieldsets = ((None, {"fields": ("redirect_uri", *FIELDS)}),)

    @admin.display(description="Redirect URI, to be registered with the provider")
    def redirect_uri(self, _row: OAuthClient) -> str:
        return connecting.redirect_uri()
