"""Finding what a package or a folder publishes: the worker's side of `apps.runs.importing`."""

from __future__ import annotations

import asyncio
from typing import Any

from django.conf import settings

from apps.core import errors
from apps.core.errors import ApiError
from apps.core.http import Client, policy_by_settings
from apps.core.names import by_table
from apps.runs import importing
from workers import archives, looking
from workers.database import in_thread
from workers.packages import install_settings, npm_for
from workers.runtime.packages.door import entries_for
from workers.runtime.packages.refusal import Refused
from workers.runtime.pool import Runtime


class Importer:
    """One per worker process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def plan(self, operation_id: int, args: dict[str, Any]) -> None:
        """Carry out an `import`. Raises ApiError with what is wrong with the package."""
        origin, label, files = args.get("origin"), args.get("label"), args.get("files")
        if "npm" in args:
            package = await self._download(str(args["npm"]))
            origin, label = f"npm:{package.name}", f"npm:{package.name}@{package.version}"
            files = package.files
        assert isinstance(files, dict)
        try:
            imports = await looking.imports(self._runtime, files)
        except looking.Looked as failure:
            raise errors.unprocessable(importing.PARAMETER, f"package: {failure}") from None
        await in_thread(importing.plan, operation_id, str(origin), str(label), files, imports)

    async def _download(self, spec: str) -> archives.Package:
        name, _ = archives.parse(spec)
        chosen = install_settings()
        try:
            async with self._runtime.workbench() as bench:
                registry = await npm_for(self._runtime, chosen).registry_of(name, bench)
        except Refused as refused:
            raise ApiError(422, "fetch_failed", f"package: {refused.error.message}") from None
        # The operator's own choice may lie in a network that is closed to everybody else.
        own = await asyncio.to_thread(entries_for, [registry])
        client = Client(
            policy_by_settings(*own),
            seconds=archives.SECONDS,
            resolve=by_table(settings.EGRESS_RESOLVE),
            ca=settings.EGRESS_CA,
        )
        try:
            login = archives.login(chosen.npmrc, registry)
            return await archives.download(spec, registry, client, login)
        finally:
            await client.close()
