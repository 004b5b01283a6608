"""Every setting of Headwater. The environment is read here and nowhere else; config/declared.py
tells what each name of it means, and its default.

Addresses of the servers: `DATABASE_URL`, `REDIS_URL`, `BROKER_URL` from the environment, else what
`make run` wrote to `<HEADWATER_DATA>/servers.json` (keys `database_url`, `redis_url`, `broker_url`,
`port`), so that `manage.py` works on a running stack with nothing but `HEADWATER_DATA` set.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from apps.panel.theme import UNFOLD as UNFOLD
from config import links
from config.declared import DECLARED
from config.logs import logging_config
from config.secret import secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
_env = os.environ


def _int(name: str) -> int:
    return int(_env.get(name) or DECLARED[name].default)


def _float(name: str) -> float:
    return float(_env.get(name) or DECLARED[name].default)


def _list(name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _env.get(name, "").split(",") if part.strip())


# --- where things are -----------------------------------------------------------------------

DATA_DIR = Path(_env.get("HEADWATER_DATA") or BASE_DIR / "var").resolve()


def _servers() -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((DATA_DIR / "servers.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


_found = _servers()
DATABASE_URL = (
    _env.get("DATABASE_URL")
    or _found.get("database_url")
    or "postgresql://headwater@127.0.0.1/headwater"
)
# Seconds for which PostgreSQL or Redis may be out of reach before a connection is given up.
LINK_SECONDS = _float("LINK_SECONDS")
DATABASE_URL = links.watched(DATABASE_URL, LINK_SECONDS)
# What each new connection sets for itself, whoever opens it.
DATABASE_SESSION = links.session(LINK_SECONDS)
REDIS_URL = _env.get("REDIS_URL") or _found.get("redis_url") or "redis://127.0.0.1:6379/0"
BROKER_URL = _env.get("BROKER_URL") or _found.get("broker_url") or REDIS_URL
PORT = int(_env.get("PORT") or _found.get("port") or DECLARED["PORT"].default)
PUBLIC_URL = (_env.get("PUBLIC_URL") or f"http://127.0.0.1:{PORT}").rstrip("/")

# --- Django ---------------------------------------------------------------------------------

SECRET_KEY = _env.get("SECRET_KEY") or secret_key(DATA_DIR / "secret_key")
# Keys of stored secrets: the first encrypts, all decrypt. Without any: derived from SECRET_KEY.
ENCRYPTION_KEYS = _list("ENCRYPTION_KEYS")
DEBUG = _env.get("DEBUG", "") == "1"
# Behind a proxy that ends TLS, forms come from this origin.
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
ALLOWED_HOSTS = list(_list("ALLOWED_HOSTS")) or ["*"]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "config.formats"
APPEND_SLASH = False  # both forms are routes: a redirect drops bodies and keys (T8)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
LOGIN_REDIRECT_URL = "/admin/"
# Axes refuses before a password is looked at.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
_PASSWORDS = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_PASSWORDS}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": f"{_PASSWORDS}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_PASSWORDS}.CommonPasswordValidator"},
    {"NAME": f"{_PASSWORDS}.NumericPasswordValidator"},
]

INSTALLED_APPS = [
    # Before the theme whose templates it replaces.
    "apps.panel",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    # The files of Swagger UI, served from here.
    "drf_spectacular_sidecar",
    "axes",
    "apps.core",
    "apps.accounts",
    "apps.components",
    "apps.sources",
    "apps.events",
    "apps.runs",
    "apps.subscriptions",
    "apps.api",
]

MIDDLEWARE = [
    "apps.api.middleware.RequestId",
    "apps.api.middleware.SecurityHeaders",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

# --- browsers: docs/decisions/0071-logins.md and 0072-headers.md ---------------------------------

_HTTPS = PUBLIC_URL.startswith("https:")
# Seconds for which a browser that was here by TLS comes back by nothing else; 0: not told.
HSTS_SECONDS = _int("HSTS_SECONDS")
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_AGE = _int("SESSION_SECONDS")
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
AXES_FAILURE_LIMIT = _int("LOGIN_FAILURES")
AXES_COOLOFF_TIME = timedelta(seconds=_int("LOGIN_LOCKOUT_SECONDS"))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "apps.api.proxies.login_address"
AXES_HANDLER = "apps.accounts.logins.Handler"
AXES_LOCKOUT_CALLABLE = "apps.accounts.logins.locked_out"
# What is refused meanwhile writes nothing, and does not prolong it.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "csrfmiddlewaretoken"]
AXES_ENABLE_ADMIN = False  # `apps.accounts.admin_logins` shows them
AXES_VERBOSE = False

REST_FRAMEWORK = {
    # Every view is an `apps.api.views.ApiView`, which names its own parser and authentication.
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.api.auth.BearerAuthentication"],
    "DEFAULT_PARSER_CLASSES": ["apps.api.parsing.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True


def _database() -> dict[str, Any]:
    parts = {str(k): v for k, v in conninfo_to_dict(DATABASE_URL).items()}
    return {
        "ENGINE": "apps.core.postgresql",
        "NAME": parts.pop("dbname", "headwater"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "OPTIONS": {
            **parts,
            # Between attempts to connect the pool waits ever longer, up to `reconnect_timeout`.
            "pool": {
                "min_size": 0,
                "max_size": _int("DB_POOL"),
                "timeout": 10,
                "reconnect_timeout": 10,
            },
        },
    }


DATABASES = {"default": _database()}

# What `make run` or a unit calls this process; by default its kind and number.
PROCESS = _env.get("PROCESS", "")
LOGGING = logging_config(_env.get("LOG_LEVEL", "INFO"), PROCESS)

# --- the way --------------------------------------------------------------------------------

# Seconds a worker may hold a source without a sign of life: what a kill -9 costs (G7).
LEASE_SECONDS = _float("LEASE_SECONDS")
SLOTS = _int("SLOTS")
# 0: all but an eighth.
SLOTS_PER_USER = _int("SLOTS_PER_USER")
# Seconds between looks of an idle runner at the mailboxes, without any hint.
CLAIM_SECONDS = _float("CLAIM_SECONDS")
SWEEP_SECONDS = _float("SWEEP_SECONDS")
TICK_SECONDS = _float("TICK_SECONDS")
# Lost leases after which a run is dead (F6).
RUN_ATTEMPTS = 3
RUN_SECONDS = _float("RUN_SECONDS")
HOOK_SECONDS = _float("HOOK_SECONDS")
# Seconds a PUT waits for the current run of its source before it gives up with 409 (F17).
UPDATE_WAIT_SECONDS = _float("UPDATE_WAIT_SECONDS")
LOAD_WAIT_SECONDS = _float("LOAD_WAIT_SECONDS")
MAILBOX_CAP = _int("MAILBOX_CAP")
RUN_RETENTION_DAYS = _int("RUN_RETENTION_DAYS")
EVENT_RETENTION_DAYS = _int("EVENT_RETENTION_DAYS")
# Events listed per channel; log lines kept per source.
LISTED_EVENTS = _int("LISTED_EVENTS")
STREAM_LENGTH = _int("STREAM_LENGTH")
# Seconds that one attempt to deliver to a webhook may take in all; attempts at once in one worker
# process. A lease is twice as long.
DELIVERY_SECONDS = _float("DELIVERY_SECONDS")
DELIVERY_SLOTS = _int("DELIVERY_SLOTS")
# Seconds without a sign of life after which a process counts as silent; it gives five in that time.
SILENT_SECONDS = _float("SILENT_SECONDS")
# What Prometheus may show at `/metrics` instead of an administrator's key; empty: nothing.
METRICS_TOKEN = _env.get("METRICS_TOKEN", "")
SENTRY_DSN = _env.get("SENTRY_DSN", "")
# OpenTelemetry's own names, of which its library reads more (`apps.core.tracing`).
OTEL_EXPORTER_OTLP_ENDPOINT = _env.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
OTEL_TRACES_SAMPLER_ARG = _float("OTEL_TRACES_SAMPLER_ARG")
OTEL_SERVICE_NAME = _env.get("OTEL_SERVICE_NAME", "") or "headwater"
# Set by systemd for units of `Type=notify`: where it hears that a process is ready, and alive.
NOTIFY_SOCKET = _env.get("NOTIFY_SOCKET", "")
# Where a process of the tests dies (`apps.core.crash`).
CRASH_AT = _env.get("CRASH_AT", "")

# --- component code -------------------------------------------------------------------------

# Networks that components, installs, deliveries and fetches may reach in spite of the rules, and
# those that none of them may, which count first.
EGRESS_ALLOW = _list("EGRESS_ALLOW")
EGRESS_DENY = _list("EGRESS_DENY")
# `host=address` or `host=address:port` entries that go before DNS, and the file of one more
# certificate authority: for networks with names or certificates of their own, and for tests.
EGRESS_RESOLVE = _list("EGRESS_RESOLVE")
EGRESS_CA = _env.get("EGRESS_CA", "")
SANDBOX = _env.get("SANDBOX", "on")
# Packages that components import: `off` refuses components that need any. Seconds of installing
# them for one component (an API call waits LOAD_WAIT_SECONDS in all), bytes and files of one set;
# days after which a set that no component refers to is removed.
ALLOW_INSTALLS = _env.get("ALLOW_INSTALLS", "on").lower() not in ("off", "0", "no", "false")
PACKAGES_DIR = DATA_DIR / "packages"
INSTALL_SECONDS = _float("INSTALL_SECONDS")
INSTALL_BYTES = _int("INSTALL_BYTES")
INSTALL_FILES = _int("INSTALL_FILES")
PACKAGE_RETENTION_DAYS = _int("PACKAGE_RETENTION_DAYS")
PACKAGE_YOUNG_SECONDS = _float("PACKAGE_YOUNG_SECONDS")
PACKAGE_FRESH_SECONDS = _float("PACKAGE_FRESH_SECONDS")
# The registries: these settings, else what the machine's own npm and pip are told.
NPM_REGISTRY = (
    _env.get("NPM_REGISTRY")
    or _env.get("NPM_CONFIG_REGISTRY")
    or _env.get("npm_config_registry")
    or ""
)
NPMRC = Path(_env.get("NPM_CONFIG_USERCONFIG") or Path.home() / ".npmrc")
PIP_INDEX = _env.get("PIP_INDEX_URL", "")
WARM_CHILDREN = _int("WARM_CHILDREN")
COMPONENT_BYTES = 1024 * 1024
COMPONENT_URL_HTTP = _env.get("COMPONENT_URL_HTTP", "") == "1"
PROP_BYTES = 64 * 1024
MEMORY_BYTES = _int("MEMORY_BYTES")
# Endpoints of HTTP sources: also at `<key>.<domain>` when a domain is set.
ENDPOINT_DOMAIN = _env.get("ENDPOINT_DOMAIN", "").strip(".").lower()
ENDPOINT_BODY_BYTES = _int("ENDPOINT_BODY_BYTES")
# Seconds a caller waits for `respond`; callers that may wait for one source at once (F8).
RESPOND_SECONDS = _float("RESPOND_SECONDS")
RESPOND_WAITERS = _int("RESPOND_WAITERS")
WRONG_KEYS = _int("WRONG_KEYS")
TRUSTED_PROXIES = _list("TRUSTED_PROXIES")
SSE_CLIENTS = _int("SSE_CLIENTS")
STALL_SECONDS = _float("STALL_SECONDS")
API_BODY_BYTES = 1024 * 1024
