"""The look of the panel and its menu, as django-unfold wants them (settings.UNFOLD)."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy


def _link(title: str, icon: str, model: str, page: str = "") -> dict[str, Any]:
    """A line of the menu that leads to the list of a model, for those who may see it; or to a page
    that is made of its rows."""
    app, name = model.split(".")

    def permitted(request: Any) -> bool:
        return bool(request.user.has_perm(f"{app}.view_{name}"))

    link = reverse_lazy(page or f"admin:{app}_{name}_changelist")
    return {"title": title, "icon": icon, "link": link, "permission": permitted}


NAVIGATION: list[dict[str, Any]] = [
    {
        "items": [
            {"title": "Dashboard", "icon": "monitoring", "link": reverse_lazy("admin:index")},
        ]
    },
    {
        "title": "Sources",
        "items": [
            _link("Sources", "sensors", "sources.source"),
            _link("Events", "bolt", "events.event"),
            _link("Runs", "play_circle", "runs.run"),
            _link("Mailboxes", "inbox", "runs.mailboxrow"),
            _link("Timers", "schedule", "sources.timer"),
            _link("Skipped slots", "event_busy", "sources.skippedslots"),
            _link("Ledger", "history", "sources.sourcechange"),
            _link("Operations", "construction", "runs.operation"),
            _link("Processes", "memory", "runs.process"),
        ],
    },
    {
        "title": "Components",
        "items": [
            _link("Components", "widgets", "components.component"),
            _link("Packages", "package_2", "components.packageset"),
        ],
    },
    {
        "title": "Listeners",
        "items": [
            _link("Subscriptions", "hub", "subscriptions.subscription"),
            _link("Graph", "account_tree", "subscriptions.subscription", page="graph"),
            _link("Rules", "rule", "subscriptions.autosubscription"),
            _link("Webhooks", "webhook", "subscriptions.webhook"),
            _link("Deliveries", "send", "subscriptions.delivery"),
        ],
    },
    {
        "title": "People",
        "items": [
            _link("Users", "group", "accounts.user"),
            _link("API keys", "key", "accounts.apikey"),
            _link("Usage", "data_usage", "accounts.usageday"),
            _link("Accounts", "passkey", "accounts.account"),
            _link("OAuth clients", "shield_person", "accounts.oauthclient"),
            _link("Wrong passwords", "gpp_bad", "axes.accessattempt"),
        ],
    },
]

# The two kinds of entries of what people did, beside each other.
TABS: list[dict[str, Any]] = [
    {
        "models": ["sources.sourcechange", "sources.activity"],
        "items": [
            _link("Changes", "", "sources.sourcechange"),
            _link("Activity", "", "sources.activity"),
        ],
    }
]

# Blue as water. 600 is text on white and ground under white text, 500 is text on the dark grounds:
# each is told apart from its ground by WCAG's 4.5 to 1, which the theme's own purple is not.
PRIMARY: dict[str, str] = {
    "50": "#eff6ff",
    "100": "#dbeafe",
    "200": "#bedbff",
    "300": "#8ec5ff",
    "400": "#7ab0fb",
    "500": "#5698f8",
    "600": "#155dfc",
    "700": "#1447e6",
    "800": "#193cb8",
    "900": "#1c398e",
    "950": "#162456",
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Headwater",
    "SITE_HEADER": "Headwater",
    "SITE_SYMBOL": "water",
    "SITE_URL": "/",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("api/mark.svg")}
    ],
    "STYLES": [
        lambda _request: static("panel/theme.css"),
        lambda _request: static("panel/panel.css"),
    ],
    "SCRIPTS": [lambda _request: static("panel/keyboard.js")],
    "COLORS": {"primary": PRIMARY},
    "DASHBOARD_CALLBACK": "apps.panel.dashboard.fill",
    "TABS": TABS,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"show_search": True, "show_all_applications": True, "navigation": NAVIGATION},
}
