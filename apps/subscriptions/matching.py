"""Which words may stand for an emitter, a listener and a channel (REST specification 7.1). Pure.

    emitter   `dc_…`, `dc_*` (each source of the owner, also later ones, save the listener itself),
              `p_…`, `p_*` (workflows: there are none)
    listener  `dc_…`, `wh_…`, `p_…`
    channel   `""`, `$errors`, `$logs`, or a custom name: 1 to 64 characters, the first not `$`

A word that can never be right is 400 and named; an id that may exist is for the caller to look up.
"""

from __future__ import annotations

import unicodedata
from typing import Literal

from apps.core.errors import ApiError, invalid

EVERY_SOURCE, EVERY_WORKFLOW = "dc_*", "p_*"
SYSTEM_CHANNELS = ("$errors", "$logs")
CHANNEL_CHARACTERS = 64

EmitterKind = Literal["source", "workflow", "every"]
ListenerKind = Literal["source", "webhook", "workflow"]


def emitter_kind(emitter_id: str) -> EmitterKind:
    """What an emitter's word means. Raises ApiError 400."""
    if emitter_id in (EVERY_SOURCE, EVERY_WORKFLOW):
        return "every"
    if "*" in emitter_id:
        raise _refused(
            "emitter_id", f"must be an id, or one of the globs {EVERY_SOURCE} and {EVERY_WORKFLOW}"
        )
    if emitter_id.startswith("dc_"):
        return "source"
    if emitter_id.startswith("p_"):
        return "workflow"
    raise _refused("emitter_id", "must be the id of a source (dc_…)")


def listener_kind(listener_id: str) -> ListenerKind:
    """What a listener's word means. Raises ApiError 400."""
    if "*" in listener_id:
        raise _refused("listener_id", "must be an id: a listener is no glob")
    if listener_id.startswith("dc_"):
        return "source"
    if listener_id.startswith("wh_"):
        return "webhook"
    if listener_id.startswith("p_"):
        return "workflow"
    raise _refused("listener_id", "must be the id of a source (dc_…) or of a webhook (wh_…)")


def check_channel(name: str) -> str:
    """The name of a channel, `""` for the default one. Raises ApiError 400."""
    if len(name) > CHANNEL_CHARACTERS:
        raise _refused("event_name", f"must have at most {CHANNEL_CHARACTERS} characters")
    if name.startswith("$") and name not in SYSTEM_CHANNELS:
        raise _refused("event_name", "must be $errors, $logs or a name without $")
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise _refused("event_name", "must not hold control characters")
    return name


def _refused(parameter: str, must: str) -> ApiError:
    return invalid(parameter, f"{parameter} {must}")
