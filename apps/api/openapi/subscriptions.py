"""Who listens to whom."""

from __future__ import annotations

from apps.api.openapi.parts import (
    CHANNEL,
    Answer,
    Operation,
    Parameter,
    listing,
    page_of,
    ref,
    resource,
    single,
)

EXAMPLE = {
    "id": "sub_abc123",
    "emitter_id": "dc_abc123",
    "listener_id": "dc_def456",
    "event_name": "",
}
RULE = {"id": "asub_abc123", "listener_id": "dc_def456", "event_name": "$errors"}

_EMITTER = {"type": "string", "pattern": r"^(dc_([0-9A-Za-z]{6}|\*)|p_([0-9A-Za-z]{6}|\*))$"}
_LISTENER = {"type": "string", "pattern": "^(dc|wh|p)_[0-9A-Za-z]{6}$"}

SCHEMAS = {
    "Subscription": resource(
        "Events of one source, carried to a source or a webhook.",
        {
            "id": {"type": "string", "pattern": "^sub_"},
            "emitter_id": {"type": "string"},
            "listener_id": {"type": "string"},
            "event_name": {"type": "string"},
        },
    ),
    "AutoSubscription": resource(
        "A rule: each source made from now on gets such a subscription.",
        {
            "id": {"type": "string", "pattern": "^asub_"},
            "listener_id": {"type": "string"},
            "event_name": {"type": "string"},
        },
    ),
}

_BY_QUERY = " The parameters may stand in a JSON body instead; the query wins."
_TRIPLE = (
    Parameter("emitter_id", _EMITTER, "A source of yours; `dc_*`: all of them.", required=True),
    Parameter("listener_id", _LISTENER, "A source or a webhook of yours.", required=True),
    Parameter("event_name", CHANNEL, "The channel; absent: the default one."),
)
_RULE = (
    Parameter("listener_id", _LISTENER, "A source or a webhook of yours.", required=True),
    Parameter(
        "event_name",
        {**CHANNEL, "minLength": 1, "pattern": CHANNEL["pattern"].replace(")?$", ")$")},
        "`$errors`, `$logs` or a name. In double quotes a shell eats `$errors`.",
        required=True,
        example="$errors",
    ),
)

OPERATIONS = [
    Operation(
        "get",
        "users/me/subscriptions",
        "listSubscriptions",
        "subscriptions",
        "List your subscriptions",
        {
            200: Answer(
                "All of them, or a page.",
                listing(ref("Subscription")),
                page_of(EXAMPLE, "c3ViX2FiYzEyMw"),
            )
        },
        "Without `limit`, `after` and `before`: all, newest first.",
        paged=True,
    ),
    Operation(
        "post",
        "subscriptions",
        "subscribe",
        "subscriptions",
        "Carry a source's events to a listener",
        {200: Answer("The subscription.", single(ref("Subscription")), {"data": EXAMPLE})},
        "From now on. The same again answers the same subscription." + _BY_QUERY,
        query=_TRIPLE,
        errors=(404, 409),
        links={
            "end": (
                "unsubscribe",
                {
                    "query.emitter_id": "$response.body#/data/emitter_id",
                    "query.listener_id": "$response.body#/data/listener_id",
                    "query.event_name": "$response.body#/data/event_name",
                },
            )
        },
    ),
    Operation(
        "delete",
        "subscriptions",
        "unsubscribe",
        "subscriptions",
        "End a subscription",
        {204: Answer("Gone.")},
        "A glob is taken literally." + _BY_QUERY,
        query=_TRIPLE,
        errors=(404,),
        selects=False,
    ),
    Operation(
        "get",
        "users/me/auto_subscriptions",
        "listAutoSubscriptions",
        "subscriptions",
        "List your rules",
        {
            200: Answer(
                "A page.", listing(ref("AutoSubscription")), page_of(RULE, "YXN1Yl9hYmMxMjM")
            )
        },
        paged=True,
    ),
    Operation(
        "post",
        "auto_subscriptions",
        "autoSubscribe",
        "subscriptions",
        "Subscribe a listener to each new source",
        {200: Answer("The rule.", single(ref("AutoSubscription")), {"data": RULE})},
        "Sources that exist already are not touched." + _BY_QUERY,
        query=_RULE,
        errors=(404, 409),
        links={
            "end": (
                "removeAutoSubscription",
                {
                    "query.listener_id": "$response.body#/data/listener_id",
                    "query.event_name": "$response.body#/data/event_name",
                },
            )
        },
    ),
    Operation(
        "delete",
        "auto_subscriptions",
        "removeAutoSubscription",
        "subscriptions",
        "Remove a rule",
        {204: Answer("Gone; the subscriptions it made stay.")},
        _BY_QUERY.strip(),
        query=_RULE,
        errors=(404,),
        selects=False,
    ),
]
