"""Runs attacks against a runtime, one at a time."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson

from apps.runs.contract import Code, Invocation, Language, Limits
from workers.runtime.attacks.ground import Ground
from workers.runtime.attacks.model import Attack, Verdict, judge
from workers.runtime.pool import Runtime
from workers.runtime.settings import RuntimeSettings


class Trial:
    """A started runtime and what attacks aim at."""

    def __init__(self, runtime: Runtime, ground: Ground) -> None:
        self.runtime = runtime
        self._ground = ground

    async def run(
        self,
        attack: Attack,
        language: Language,
        *,
        limits: Limits | None = None,
        strength: Mapping[str, Any] | None = None,
    ) -> Verdict:
        """`limits` and `strength`: others than the attack's own. Raises BrokerError."""
        self._ground.seen()
        code = Code("attacker", uuid.uuid4().hex, language, attack.source(language))
        told = {**self._ground.event(), **attack.full, **(strength or {})}
        call = Invocation(str(uuid.uuid4()), "dc_attack", "run", "manual", event=orjson.dumps(told))
        outcome = await self.runtime.run(code, call, limits or attack.limits)
        return judge(attack, outcome, self._ground.seen())


@asynccontextmanager
async def trial(settings: RuntimeSettings) -> AsyncIterator[Trial]:
    """A runtime of these settings, but with the egress rules that attacks need. Raises BrokerError
    where the wall cannot stand."""
    with Ground() as ground:
        own = replace(
            settings,
            egress_allow=(*settings.egress_allow, *ground.allow),
            egress_resolve=(),
            resolver=ground.resolver,
            max_children=2,
        )
        runtime = Runtime(own)
        await runtime.start()
        try:
            yield Trial(runtime, ground)
        finally:
            await runtime.close()
