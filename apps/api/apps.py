from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.api import proxies


class ApiConfig(AppConfig):
    name = "apps.api"
    label = "api"

    def ready(self) -> None:
        """A process of any kind stops at its start for a proxy that cannot be read."""
        for entry in settings.TRUSTED_PROXIES:
            try:
                proxies.parse(entry)
            except ValueError:
                told = f"TRUSTED_PROXIES: {entry!r} cannot be read; it takes an address or CIDR"
                raise ImproperlyConfigured(told) from None
