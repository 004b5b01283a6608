from collections.abc import Callable

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.core import addresses, names, reporting, tracing

# Settings that are lists of entries: what reads one, and what it may look like.
_ENTRIES: dict[str, tuple[Callable[[str], object], str]] = {
    "EGRESS_ALLOW": (addresses.parse_entry, "CIDR or CIDR:port"),
    "EGRESS_DENY": (addresses.parse_entry, "CIDR or CIDR:port"),
    "EGRESS_RESOLVE": (names.parse, "host=address or host=address:port"),
}


class CoreConfig(AppConfig):
    name = "apps.core"
    label = "core"

    def ready(self) -> None:
        """A process of any kind stops at its start for entries that cannot be read, also one that
        dials nothing yet. Raises ImproperlyConfigured."""
        for setting, (parse, forms) in _ENTRIES.items():
            for entry in getattr(settings, setting):
                try:
                    parse(entry)
                except ValueError:
                    told = f"{setting}: {entry!r} cannot be read; it takes {forms}"
                    raise ImproperlyConfigured(told) from None
        reporting.start()
        tracing.start()
