"""What components written after the published package use: modules, the helper package under its
newer name, attributes that came later."""

from __future__ import annotations

from typing import Any

import pytest

from apps.runs.contract import Code
from tests.corpus.providers import Reply, Request
from tests.corpus.stage import Event, Source, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

APP = """
import { axios } from "@pipedream/platform";

export default {
  type: "app",
  app: "acme",
  methods: {
    _headers() { return { Authorization: `Bearer ${this.$auth.oauth_access_token}` }; },
    async list($ = this) {
      return axios($, { url: "https://api.typeform.com/items", headers: this._headers() });
    },
  },
};
"""
NEW_ITEM = """
import acme from "../../acme.app.mjs";
import { ConfigurationError, DEFAULT_POLLING_SOURCE_TIMER_INTERVAL } from "@pipedream/platform";
import sampleEmit from "./test-event.mjs";

export default {
  key: "acme-new-item", name: "New Item", version: "0.0.1", type: "source", dedupe: "unique",
  props: {
    acme,
    db: "$.service.db",
    timer: {
      type: "$.interface.timer",
      default: { intervalSeconds: DEFAULT_POLLING_SOURCE_TIMER_INTERVAL },
    },
    limit: { type: "integer", default: 10, reloadProps: true },
  },
  async additionalProps() { return {}; },
  hooks: {
    async deploy() { for (const item of (await this.acme.list()).slice(-2)) this.emit(item); },
  },
  methods: { emit(item) { this.$emit(item, { id: item.id, summary: item.name, ts: item.at }); } },
  sampleEmit,
  async run({ $checkpoint }) {
    if (this.limit > 100) throw new ConfigurationError("limit is above 100");
    for (const item of await this.acme.list()) this.emit(item);
  },
};
"""


async def made(stage: Stage, **values: Any) -> Source:
    folder = "components/acme"
    files = {
        f"{folder}/acme.app.mjs": APP,
        f"{folder}/sources/new-item/test-event.mjs": "export default { id: 1 };",
    }
    entry = f"{folder}/sources/new-item/new-item.mjs"
    code = Code("owner", "newer", "javascript", NEW_ITEM, entry, files)
    return await stage.made(code, {"oauth_access_token": "ac1"}, **values)


async def test_a_newer_component(stage: Stage) -> None:
    """Samples on deployment pass dedupe like others; the polling interval is the package's."""
    served = [{"id": n, "name": f"Item {n}", "at": 1_600_000_000_000 + n} for n in (1, 2, 3)]
    stage.providers.get("https://api.typeform.com/items", lambda r: served, "ac1")
    source = await made(stage)
    assert (source.description.type, source.description.hooks) == ("source", ["deploy"])
    assert source.values["timer"] == {"interval_seconds": 900}
    one, two, three = (Event(i, i["id"], str(i["name"]), i["at"]) for i in served)
    assert await source.hook("deploy") == [two, three]
    assert await source.tick() == [one]


async def test_errors_of_the_helper_package(stage: Stage) -> None:
    source = await made(stage, limit=101)
    outcome = await source.invoke("run", "manual", {})
    assert outcome.error is not None
    assert (outcome.error.name, outcome.error.message) == (
        "ConfigurationError",
        "limit is above 100",
    )
    assert (outcome.error.code, outcome.error.stack) == ("configuration_error", None)

    def refuse(_request: Request) -> Any:
        return Reply({"message": "slow down"}, 429)

    stage.providers.get("https://api.typeform.com/items", refuse)
    source = await made(stage)
    outcome = await source.invoke("run", "manual", {})
    assert outcome.error is not None
    assert "429" in outcome.error.message or "slow down" in outcome.error.message
