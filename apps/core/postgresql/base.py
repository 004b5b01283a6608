"""The database backend (`ENGINE` of the settings): Django's own with our check of its pool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg import Connection
from psycopg_pool import ConnectionPool

from apps.core.postgresql.checks import check


class DatabaseWrapper(base.DatabaseWrapper):
    _connection_pools: dict[str, ConnectionPool[Connection[Any]]]  # of all of them, by alias
    _configure_connection: Callable[[Connection[Any]], None]

    @property
    def pool(self) -> ConnectionPool[Connection[Any]] | None:
        options = self.settings_dict["OPTIONS"].get("pool")
        if options and self.alias not in (NO_DB_ALIAS, *self._connection_pools):
            kwargs = {**self.get_connection_params(), "autocommit": True}
            # Threads that come first together make one each, and the first one stays.
            self._connection_pools.setdefault(
                self.alias,
                ConnectionPool(
                    kwargs=kwargs,
                    open=False,
                    configure=self._configure_new,
                    check=check,
                    **options,
                ),
            )
        pool: ConnectionPool[Connection[Any]] | None = super().pool
        return pool

    def _configure_new(self, connection: Connection[Any]) -> None:
        self._configure_connection(connection)
        connection.execute(settings.DATABASE_SESSION)
