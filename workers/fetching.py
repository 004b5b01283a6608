"""Fetching what `component_url` leads to, before it is described: the worker's side of
`apps.components.fetching`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.components import fetching
from apps.core import errors
from apps.core.http import Client, by_settings
from apps.runs import describing
from workers import looking
from workers.database import in_thread
from workers.runtime.pool import Runtime


class Fetcher:
    """One per worker process; `client` is the platform's unless given."""

    def __init__(self, runtime: Runtime, client: Client | None = None) -> None:
        self._runtime = runtime
        self._client = client or by_settings(fetching.FILE_SECONDS)

    async def close(self) -> None:
        await self._client.close()

    async def fetched(self, operation_id: int, args: dict[str, Any]) -> dict[str, Any]:
        """The arguments of the operation with the code and its files in them. Raises ApiError.

        What was fetched before by a worker that died is not fetched again.
        """
        if "code" in args:
            return args
        url, language = args["component_url"], args["language"]
        found = await fetching.fetch(url, self._client, self._imports, language)
        return await in_thread(describing.fetched, operation_id, args, found)

    async def _imports(self, files: Mapping[str, str]) -> dict[str, list[str]]:
        try:
            return await looking.imports(self._runtime, files)
        except looking.Looked as failure:
            raise errors.invalid(fetching.PARAMETER, f"{fetching.PARAMETER}: {failure}") from None
