"""Wrong keys are counted in Valkey, which outlives a test."""

from __future__ import annotations

import pytest
import redis
from django.conf import settings

from apps.api.failures import key_of


@pytest.fixture(autouse=True)
def no_wrong_keys(request: pytest.FixtureRequest) -> None:
    """Those of the tests before, all from one address, do not count."""
    if {"db", "transactional_db"} & set(request.fixturenames):
        request.getfixturevalue("valkey")
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            client.delete(key_of("127.0.0.1"))
