"""How a link to PostgreSQL or Redis that carries nothing any more is noticed, at both ends.

A host that loses its network says no farewell. Left to its defaults the kernel keeps such a
connection for a quarter of an hour while something is on its way, and for two hours or for ever
while it is idle: a worker waits, and PostgreSQL keeps the session, its locks and its place among
`max_connections`. So both ends ask a silent peer whether it is there, and give up on one that does
not answer for `seconds`: TCP keepalive, and TCP_USER_TIMEOUT for what is on its way. Socket files
take none of it and need none.
"""

from __future__ import annotations

import socket
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

# Of the time, what passes before a silent peer is asked, and between asking again; with
# TCP_USER_TIMEOUT the kernel gives up by the clock, whatever the number of questions.
IDLE, AGAIN = 0.4, 0.2


def _whole(seconds: float) -> int:
    """The kernel counts keepalive in whole seconds, from 1."""
    return max(1, round(seconds))


def watched(url: str, seconds: float) -> str:
    """The conninfo of a database whose clients notice; what `url` says itself stands."""
    ours = {
        "connect_timeout": max(2, _whole(seconds / 2)),
        "keepalives_idle": _whole(seconds * IDLE),
        "keepalives_interval": _whole(seconds * AGAIN),
        "keepalives_count": _whole(1 / AGAIN),
        "tcp_user_timeout": _whole(seconds * 1000),
    }
    given = conninfo_to_dict(url)
    return make_conninfo(url, **{name: v for name, v in ours.items() if name not in given})


def session(seconds: float) -> str:
    """SQL for each new connection: the server notices. Not among the parameters of the start,
    which poolers in between may refuse."""
    ours = {
        "tcp_keepalives_idle": _whole(seconds * IDLE),
        "tcp_keepalives_interval": _whole(seconds * AGAIN),
        "tcp_keepalives_count": _whole(1 / AGAIN),
        "tcp_user_timeout": _whole(seconds * 1000),
    }
    return "; ".join(f"SET {name} = {value}" for name, value in ours.items())


def redis_options(seconds: float) -> dict[str, Any]:
    """For a client whose connection may wait for long; others have a time-out for each answer."""
    return {
        "socket_keepalive": True,
        "socket_keepalive_options": {
            socket.TCP_KEEPIDLE: _whole(seconds * IDLE),
            socket.TCP_KEEPINTVL: _whole(seconds * AGAIN),
            socket.TCP_KEEPCNT: _whole(1 / AGAIN),
            socket.TCP_USER_TIMEOUT: _whole(seconds * 1000),
        },
    }
