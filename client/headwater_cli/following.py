"""A source's event stream, for as long as somebody looks: it is opened anew where it broke off.

Each event comes once and in order, whatever happens to the connection: the stream is resumed after
the last event that came (`Last-Event-ID`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
from httpx_sse import EventSource, SSEError

from headwater_cli.api import Api, Resource
from headwater_cli.failures import Failure, NoAccess, Refused

LOGS, ERRORS, ALL = "$logs", "$errors", "*"
# Before every event.
FIRST = "0-0"
# Statuses that pass: too many streams, a platform that is starting or too busy.
PASSING = (429, 502, 503, 504)
LONGEST_WAIT = 15.0
MOST_LISTED = 100


def newest(api: Api, source_id: str, channel: str, limit: int) -> list[Resource]:
    """The last `limit` (at most 100) events of a channel, whole, oldest first."""
    path = f"sources/{source_id}/event_summaries"
    found, _ = api.page(path, limit=limit, event_name=channel, expand="event")
    return found[::-1]


def position(api: Api, source_id: str, *channels: str) -> str:
    """The id of the newest event in these channels: ids rise through all channels of a source."""
    ids = [event["id"] for one in channels for event in newest(api, source_id, one, 1)]
    return max(ids, key=_as_pair, default=FIRST)


def follow(
    api: Api, source_id: str, channel: str, after: str, notice: Callable[[str], None]
) -> Iterator[Resource]:
    """Events of the channel (`*`: of all) after the event `after`, without end.

    What passes is told to `notice`, a lost connection too: whoever follows has met the platform
    before. What does not is raised: a key that is no longer taken, a source that is gone.
    """
    wait = 1.0
    while True:
        try:
            response = api.stream(
                f"sources/{source_id}/sse", {"event_name": channel}, {"Last-Event-ID": after}
            )
            with closing(response):
                if wait > 1:
                    notice("connected again")
                wait = 1.0
                for sse in EventSource(response).iter_sse():
                    # A comment looks like an empty event.
                    if sse.data:
                        event: Resource = json.loads(sse.data)
                        after = event["id"]
                        yield event
        except Refused as refused:
            if refused.status == 404:
                raise Failure("the source is gone") from None
            if refused.status not in PASSING:
                raise
            notice(f"{refused}; trying again")
            wait = max(wait, refused.wait)
        except (NoAccess, SSEError, httpx.HTTPError) as error:
            notice(f"the connection is lost ({str(error) or type(error).__name__}); trying again")
        # Also after an end in form: of a server that stops, or of a reader that was too slow.
        time.sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT)


def _as_pair(event_id: str) -> tuple[int, int]:
    ms, n = event_id.split("-")
    return int(ms), int(n)
