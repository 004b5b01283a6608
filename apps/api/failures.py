"""Wrong keys, counted by client address over all web processes (docs/decisions/0070-keys.md).

Keys in Redis
    wrong:<bucket>   wrong keys of the minute that began with the first; expires by itself

An address (of IPv6 the network of 64 bits, which one client has whole) falls into one of 65,536
buckets, so that no number of addresses takes more memory. Who shares a bucket with a guesser is
told 429 in place of 401 for a wrong key; a right one is never looked up here.
Without Redis nothing is counted and nobody waits.
"""

from __future__ import annotations

import hashlib
import logging
import time

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.api.proxies import one_client

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 60
BUCKETS = 65_536
# What a call may wait for Redis; then Redis is left alone for a while.
ANSWER_SECONDS = 0.25
AWAY_SECONDS = 2.0


def key_of(address: str) -> str:
    """The Redis key that counts for `address`. The hash is keyed: nobody chooses a bucket."""
    secret = hashlib.sha256(settings.SECRET_KEY.encode()).digest()
    digest = hashlib.blake2b(one_client(address).encode(), key=secret, digest_size=8).digest()
    return f"wrong:{int.from_bytes(digest) % BUCKETS}"


class Failures:
    """One per process. `most` a minute and address are answered 401, more of them 429."""

    def __init__(self, url: str, most: int) -> None:
        self._most = most
        self._away_until = 0.0
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            # Once, for connections that a restart has cut.
            retry=Retry(NoBackoff(), 1),
        )

    def count(self, address: str) -> int | None:
        """Note one wrong key. Returns the seconds to wait when there were too many."""
        if time.monotonic() < self._away_until:
            return None
        name = key_of(address)
        try:
            pipe = self._redis.pipeline(transaction=True)
            pipe.set(name, 0, nx=True, ex=WINDOW_SECONDS)
            pipe.incr(name)
            pipe.ttl(name)
            _, count, seconds = pipe.execute()
        except (redis.RedisError, OSError) as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            logger.warning("wrong keys are not counted for now: %s", error)
            return None
        if count == self._most + 1:
            logger.warning("too many wrong API keys from %s", address)
        return max(1, int(seconds)) if count > self._most else None
