"""Every setting that the environment may name: its default, and what it means.

`config/settings.py` reads them with these defaults, and `make settings` writes the table of
docs/operations.md from them. A test compares both, and what stack/options.py and the Procfile read
before Django exists.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """A number is the default itself; a text tells what holds without the setting, in Markdown.

    shown  what the page says of a number that stands for something else
    """

    default: float | str
    meaning: str
    shown: str = ""


# In the order of the page; meanings are Markdown.
DECLARED = {
    "HEADWATER_DATA": Setting("`var` in the project", "the data directory"),
    "HOST": Setting("`127.0.0.1`", "the address where the web process listens"),
    "PORT": Setting(8000, "its port"),
    "PUBLIC_URL": Setting(
        "`http://127.0.0.1:<PORT>`",
        "how others reach it; shown in endpoint addresses",
    ),
    "WORKERS": Setting(2, "worker processes"),
    "WEB_WORKERS": Setting(1, "processes of the web server"),
    "DATABASE_URL": Setting(
        "embedded",
        "a PostgreSQL instead of the embedded one (18 is what is tested)",
    ),
    "REDIS_URL": Setting(
        "embedded",
        "a Redis-compatible server for the streams instead of the embedded one",
    ),
    "BROKER_URL": Setting("embedded, else `REDIS_URL`", "Celery's broker"),
    "SECRET_KEY": Setting("`<data>/secret_key`", "signs sessions"),
    "ENCRYPTION_KEYS": Setting(
        "derived from `SECRET_KEY`",
        "Fernet keys of stored secrets, separated by commas: the first encrypts, all decrypt",
    ),
    "ALLOWED_HOSTS": Setting("all", "host names that the web process answers to"),
    "LOG_LEVEL": Setting("`INFO`", "level of the platform's own logs"),
    "DEBUG": Setting("off", "`1` shows tracebacks in the admin; never in production"),
    "DB_POOL": Setting(20, "database connections of one process at most"),
    "SLOTS": Setting(32, "runs at once in one worker process"),
    "SLOTS_PER_USER": Setting(
        0,
        "how many of them the sources of one user may have; users take turns at what becomes free",
        shown="all but an eighth of `SLOTS`",
    ),
    "WARM_CHILDREN": Setting(200, "children kept warm by one worker process"),
    "MEMORY_BYTES": Setting(256 * 1024 * 1024, "memory of one run"),
    "RUN_SECONDS": Setting(300.0, "how long a run may take"),
    "HOOK_SECONDS": Setting(60.0, "how long a hook may take"),
    "LOAD_WAIT_SECONDS": Setting(
        60.0,
        "how long creating waits for code to be fetched, its packages installed and it "
        "loaded; then it answers 503 `still_loading`, the work goes on, and the same "
        "request again finds what is done",
    ),
    "UPDATE_WAIT_SECONDS": Setting(
        30.0,
        "how long a change waits for the source's current run before it answers 409",
    ),
    "WRONG_KEYS": Setting(
        100,
        "wrong API keys that one address may send in a minute, to all web processes "
        "together; then they are answered 429. A right key always works",
    ),
    "TRUSTED_PROXIES": Setting(
        "none",
        "proxies in front of the web process, addresses or networks separated by commas: "
        "their `X-Forwarded-For` tells the client's address. Without it the header is "
        "ignored, and everybody behind a proxy shares its address",
    ),
    "LOGIN_FAILURES": Setting(
        5,
        "wrong passwords for one user name from one address (ten times as many under any "
        "names) after which it is refused",
    ),
    "LOGIN_LOCKOUT_SECONDS": Setting(900, "for how many seconds it is refused then"),
    "SESSION_SECONDS": Setting(12 * 3600, "how long a login at the admin lasts"),
    "HSTS_SECONDS": Setting(
        31_536_000,
        "where `PUBLIC_URL` is `https`: seconds for which browsers come back by nothing "
        "else; 0 tells them nothing",
    ),
    "SILENT_SECONDS": Setting(
        15.0,
        "seconds without a sign of life after which a process counts as silent: see "
        "[observability.md](observability.md)",
    ),
    "METRICS_TOKEN": Setting(
        "none",
        "what a scraper shows at `/metrics` instead of an administrator's key; it opens "
        "nothing else",
    ),
    "SENTRY_DSN": Setting(
        "none",
        "where errors are reported, to Sentry or what speaks its protocol: see "
        "[observability.md](observability.md)",
    ),
    "OTEL_EXPORTER_OTLP_ENDPOINT": Setting(
        "none",
        "where traces go, by OTLP over HTTP: see [observability.md](observability.md)",
    ),
    "OTEL_TRACES_SAMPLER_ARG": Setting(1.0, "the share of runs that are traced, 0 to 1"),
    "OTEL_SERVICE_NAME": Setting("`headwater`", "what the platform is called in traces"),
    "NOTIFY_SOCKET": Setting(
        "set by systemd",
        "where a process of a unit of `Type=notify` says that it is ready, and alive",
    ),
    "LEASE_SECONDS": Setting(10.0, "what a killed worker delays its sources by, at most"),
    "LINK_SECONDS": Setting(
        10.0,
        "how long PostgreSQL or the broker may be out of reach before a connection is given "
        "up, by the process and by PostgreSQL: see [below](#a-host-that-is-cut-off). What "
        "`DATABASE_URL` says itself (`tcp_user_timeout`, `keepalives_idle` …) stands",
    ),
    "TICK_SECONDS": Setting(0.25, "pace of the scheduler"),
    "CLAIM_SECONDS": Setting(1.0, "pace of an idle runner"),
    "SWEEP_SECONDS": Setting(3.0, "pace of the sweeper"),
    "MAILBOX_CAP": Setting(10_000, "queued runs of one source"),
    "ENDPOINT_DOMAIN": Setting(
        "none",
        "endpoints also answer at `<key>.<domain>`, every path of which is theirs",
    ),
    "ENDPOINT_BODY_BYTES": Setting(512 * 1024, "the largest body that an endpoint takes"),
    "RESPOND_SECONDS": Setting(30.0, "how long a caller waits for `respond`"),
    "RESPOND_WAITERS": Setting(100, "callers that may wait for one source, in one web process"),
    "SSE_CLIENTS": Setting(
        2000,
        "event streams that one user may have open in one web process; each is one open file of it",
    ),
    "STALL_SECONDS": Setting(
        30.0,
        "seconds for which a client may take nothing of what is sent to it; then its event "
        "stream ends (it resumes with `Last-Event-ID`) and its connection is dropped",
    ),
    "LISTED_EVENTS": Setting(100, "events listed per channel"),
    "STREAM_LENGTH": Setting(200, "entries kept in a Redis stream"),
    "RUN_RETENTION_DAYS": Setting(3, "how long runs are kept"),
    "EVENT_RETENTION_DAYS": Setting(30, "how long events and activity are kept"),
    "EGRESS_ALLOW": Setting(
        "none",
        "networks that components, the installing of packages, webhook deliveries and the "
        "fetching of components may reach in spite of the rules: `CIDR` or `CIDR:port`, "
        "separated by commas",
    ),
    "EGRESS_DENY": Setting(
        "none",
        "networks that none of these may reach, of the same forms; it counts before "
        "`EGRESS_ALLOW`, and for the registries of packages too. The decision is about the "
        "address that is dialled, whatever its name. The system's name servers stay "
        "reachable",
    ),
    "EGRESS_RESOLVE": Setting(
        "none",
        "names that go before DNS: `host=address` or `host=address:port` entries "
        "(`[address]:port` of IPv6), separated by commas; the addresses of several entries "
        "of one host are tried in turn. An entry of these three that cannot be read stops "
        "every process at its start, with a line that names it",
    ),
    "EGRESS_CA": Setting(
        "none",
        "file of one more certificate authority that other hosts may show, to components, "
        "webhooks and all else",
    ),
    "COMPONENT_URL_HTTP": Setting("off", "`1` lets `component_url` begin with `http://` too"),
    "DELIVERY_SECONDS": Setting(15.0, "how long one attempt to deliver to a webhook may take"),
    "DELIVERY_SLOTS": Setting(100, "attempts at once in one worker process"),
    "ALLOW_INSTALLS": Setting(
        "`on`",
        "`off` refuses components that import packages; those that have theirs go on",
    ),
    "INSTALL_SECONDS": Setting(
        40.0,
        "how long installing the packages of one component may take; creating it fails with"
        " 422 then",
    ),
    "INSTALL_BYTES": Setting(
        256 * 1024 * 1024,
        "the largest set of packages of one component, in bytes",
    ),
    "INSTALL_FILES": Setting(50_000, "and in files"),
    "PACKAGE_FRESH_SECONDS": Setting(
        3600.0,
        'for how long "the newest version" is not asked for anew',
    ),
    "PACKAGE_RETENTION_DAYS": Setting(30, "how long sets are kept that no component refers to"),
    "PACKAGE_YOUNG_SECONDS": Setting(
        3600.0,
        "how long a set is left alone after it was installed, known or not",
    ),
    "NPM_REGISTRY": Setting("that of `~/.npmrc`", "the registry of npm packages"),
    "NPM_CONFIG_REGISTRY": Setting("else npm's own", "the same, where `NPM_REGISTRY` is not set"),
    "NPM_CONFIG_USERCONFIG": Setting(
        "`~/.npmrc`",
        "npm's configuration file: its registries and their credentials are used",
    ),
    "PIP_INDEX_URL": Setting("pip's configuration", "the index of Python packages"),
    "SANDBOX": Setting(
        "`on`",
        "`unsafe` runs components without the wall, where the kernel lacks it; loudly",
    ),
    "PROCESS": Setting(
        "the kind and the process's number",
        "the name of a process: in `workers.health`, the admin, metrics",
    ),
    "CRASH_AT": Setting(
        "none",
        "for the tests alone: the named point at which a process kills itself",
    ),
}
