"""Components that check the signature of a request over its exact bytes, and one that shakes
hands with the provider while it is activated."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.corpus import tokens
from tests.corpus.providers import Reply, Request
from tests.corpus.stage import NOW, Event, Source, Stage
from tests.corpus.test_signed_calls import SIGNED, sign

pytestmark = pytest.mark.asyncio(loop_scope="session")

# As providers send it: not as a serialiser here would write it.
SPACED = """{{ "action": "created",
  "data": {{"issue": {{"id": {n}, "title": "Läuft \\u0041us"}}}} }}"""


async def test_asana_new_project(stage: Stage) -> None:
    """The provider calls the endpoint while `activate` waits for it, and wants its header back."""
    base, loop = "https://app.asana.com/api/1.0", asyncio.get_running_loop()
    source = await stage.configured(
        "asana/sources/new-project/new-project.js",
        {"oauth_access_token": "as1", "oauth_refresh_token": "as2"},
        workspaceId="ws",
    )
    shaken: list[Any] = []

    def create(request: Request) -> Any:
        # Its method posts twice, the second time with everything one level further down.
        data = request.json.get("body", request.json)["data"]
        assert data["target"] == source.endpoint
        # What the hook waits for runs beside it.
        beside = Source(stage, source.code, source.description, source.values, source.endpoint)
        call = beside.request(headers={"X-Hook-Secret": "shake"})
        asyncio.run_coroutine_threadsafe(call, loop).result(60)
        shaken.append(beside.response.headers["x-hook-secret"])
        if shaken[-1] != "shake":
            return Reply({"errors": ["handshake failed"]}, 400)
        return Reply({"data": {"gid": "h1"}}, 201)

    projects = {"p1": {"gid": "p1", "name": "Moon"}, "p2": {"gid": "p2", "name": "Mars"}}
    stage.providers.post(f"{base}/webhooks", create)
    stage.providers.delete(f"{base}/webhooks/h1", {"data": {}}, "as1")
    stage.providers.get(
        f"{base}/projects/*", lambda r: {"data": projects[r.path.split("/")[-1]]}, "as1"
    )
    stage.providers.get(f"{base}/workspaces", {"data": [{"gid": "ws", "name": "Work"}]}, "as1")
    await source.hook("activate")
    assert set(shaken) == {"shake"}
    assert source.store == {"hookId": "h1"}

    def call(*projects: str) -> dict[str, Any]:
        return {"events": [{"resource": {"gid": name}} for name in projects]}

    moon, mars = (Event(projects[p], p, str(projects[p]["name"]), NOW) for p in ("p1", "p2"))
    assert await source.request(call("p1")) == [moon]
    assert await source.request(call("p1", "p2")) == [mars]
    assert (await source.options("workspaceId")).items == [{"label": "Work", "value": "ws"}]
    await source.hook("deactivate")
    assert len(stage.providers.calls("DELETE", f"{base}/webhooks/h1")) == 1


async def test_asana_options_of_a_project(stage: Stage) -> None:
    """A definition of the app with the workspace chosen before as its input."""
    base = "https://app.asana.com/api/1.0"
    stage.providers.get(
        f"{base}/projects",
        lambda r: {"data": [{"gid": "p1", "name": f"of {r.query['workspace']}"}]},
        "as1",
    )
    source = await stage.configured(
        "asana/sources/completed-task/completed-task.js",
        {"oauth_access_token": "as1"},
        workspaceId="ws",
        projectId="p1",
    )
    assert (await source.options("projectId")).items == [{"label": "of ws", "value": "p1"}]


async def test_sentry_issue_event(stage: Stage) -> None:
    """HMAC over the raw body; a `ts` that is text of digits; a status under another name."""
    base, made = "https://sentry.io/api/0", []

    def create(request: Request) -> Any:
        made.append(request.json)
        return {"slug": "pd-issue"}

    stage.providers.post(f"{base}/sentry-apps/", create, "st1")
    stage.providers.get(f"{base}/sentry-apps/pd-issue/", {"clientSecret": "cs1"}, "st1")
    stage.providers.on("PUT", f"{base}/sentry-apps/pd-issue/", {}, "st1")
    source = await stage.deploy(
        "sentry/sources/issue-event/issue-event.js",
        {"auth_token": "st1"},
        organizationSlug="acme",
    )
    [app] = made
    assert (app["webhookUrl"], app["organization"]) == (source.endpoint, "acme")
    assert app["name"] == "pd-issue-event-instant"
    raw = SPACED.format(n=7).encode()

    def headers(secret: bytes) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Request-Id": "r1",
            "Sentry-Hook-Resource": "issue",
            "Sentry-Hook-Timestamp": "1614592800000",
            "Sentry-Hook-Signature": hmac.new(secret, raw, hashlib.sha256).hexdigest(),
        }

    expected = Event(json.loads(raw), "r1", "issue #7 created", 1_614_592_800_000)
    assert await source.request(raw, headers=headers(b"cs1")) == [expected]
    assert await source.request(raw, headers=headers(b"cs2")) == []
    await source.hook("deactivate")
    [call] = stage.providers.calls("PUT", f"{base}/sentry-apps/pd-issue/")
    assert call.json["webhookUrl"] is None


async def test_netlify_new_deploy_start(stage: Stage) -> None:
    """The provider's own client; a token that holds the hash of the raw body."""
    base, hooks = "https://api.netlify.com/api/v1", []

    def create(request: Request) -> Any:
        assert request.query["site_id"] == "s1"
        hooks.append(request.json)
        return {"id": "nh1"}

    stage.providers.post(f"{base}/hooks", create, "nt1")
    stage.providers.delete(f"{base}/hooks/nh1", Reply("", 204), "nt1")
    source = await stage.deploy(
        "netlify/sources/new-deploy-start/new-deploy-start.js",
        {"oauth_access_token": "nt1"},
        siteId="s1",
    )
    [hook] = hooks
    assert (hook["event"], hook["data"]["url"]) == ("deploy_building", source.endpoint)
    raw = b'{"id":"d1",  "created_at": "2021-03-01T10:00:00.000Z", "commit_ref": "abc"}'

    def headers(secret: str) -> dict[str, str]:
        claims = {"iss": "netlify", "sha256": hashlib.sha256(raw).hexdigest()}
        token = tokens.made(claims, secret.encode())
        return {"Content-Type": "application/json", "X-Webhook-Signature": token}

    good = headers(hook["data"]["signature_secret"])
    summary = "Deploy started for commit abc"
    expected = Event(json.loads(raw), "d1", summary, 1_614_592_800_000)
    assert await source.request(raw, headers=good) == [expected]
    assert await source.request(raw, headers=good) == []
    with pytest.raises(AssertionError):
        await source.request(raw, headers=headers("another"))
    await source.hook("deactivate")
    assert len(stage.providers.calls("DELETE", f"{base}/hooks/nh1")) == 1


async def test_sendgrid_events(stage: Stage) -> None:
    """ECDSA over the time and the raw body; many events in one request."""
    base = "https://api.sendgrid.com/v3/user/webhooks/event/settings"
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    settings: dict[str, Any] = {"enabled": False, "url": ""}

    def change(request: Request) -> Any:
        settings.update(request.json)
        return settings

    stage.providers.get(base, lambda r: settings, "sg1")
    stage.providers.on("PATCH", base, change, "sg1")
    told = {"public_key": base64.b64encode(public).decode()}
    stage.providers.on("PATCH", f"{base}/signed", told, "sg1")
    source = await stage.deploy(
        "sendgrid/sources/events/events.js", {"api_key": "sg1"}, eventTypes=["bounce", "open"]
    )
    assert (settings["url"], settings["enabled"]) == (source.endpoint, True)
    assert (settings["bounce"], settings["open"], settings["click"]) == (True, True, False)
    events = [
        {"event": "bounce", "sg_event_id": "e1", "timestamp": 1_614_592_800},
        {"event": "open", "sg_event_id": "e2", "timestamp": 1_614_592_801},
    ]
    raw = json.dumps(events, indent=2).encode()

    def headers(over: bytes) -> dict[str, str]:
        now = str(int(time.time()))
        signature = key.sign(now.encode() + over, ec.ECDSA(hashes.SHA256()))
        return {
            "Content-Type": "application/json",
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": now,
        }

    assert await source.request(raw, headers=headers(raw)) == [
        Event(e, e["sg_event_id"], f"New event: {e['event']}", e["timestamp"]) for e in events
    ]
    assert source.response.status == 200
    assert await source.request(raw, headers=headers(b"other")) == []
    assert (source.response.status, source.response.body) == (400, b"Signature check failed")
    pages = [page async for page in source.choices("eventTypes")]
    assert ("Bounce (Delivery Event)", "bounce") in pages[0]
    await source.hook("deactivate")
    assert (settings["url"], settings["enabled"]) == (None, False)


async def test_stripe_custom_webhook_events(stage: Stage) -> None:
    """The provider's own library, its check of the signature, and `null` in the store."""
    base = "https://api.stripe.com/v1/webhook_endpoints"
    endpoint = {"id": "we_1", "secret": "whsec_1", "object": "webhook_endpoint"}
    stage.providers.post(base, endpoint, "sk_1")
    stage.providers.delete(f"{base}/we_1", {"id": "we_1", "deleted": True}, "sk_1")
    source = await stage.deploy(
        "stripe/sources/custom-webhook-events/custom-webhook-events.js",
        {"api_key": "sk_1"},
        enabledEvents=["*", "charge.failed"],
    )
    [call] = stage.providers.asked
    assert call.form == {"url": source.endpoint, "enabled_events[0]": "*"}
    raw = b'{"id": "evt_1", "object": "event",\n "type": "charge.failed"}'

    def headers(secret: bytes) -> dict[str, str]:
        now = int(time.time())
        digest = hmac.new(secret, f"{now}.".encode() + raw, hashlib.sha256).hexdigest()
        return {"Content-Type": "application/json", "Stripe-Signature": f"t={now},v1={digest}"}

    assert await source.request(raw, headers=headers(b"whsec_1")) == [Event(json.loads(raw))]
    assert source.response.status == 200
    assert await source.request(raw, headers=headers(b"whsec_2")) == []
    assert source.response.status == 400
    await source.hook("deactivate")
    assert source.store == {"endpoint": None}
    assert len(stage.providers.calls("DELETE", f"{base}/we_1")) == 1


async def test_trello_new_board(stage: Stage) -> None:
    """Every call of the provider is signed elsewhere first; the event is looked up."""
    base = "https://api.trello.com/1"
    sign(stage.providers)
    stage.providers.get(f"{base}/members/me", {"id": "me1"})
    stage.providers.post(f"{base}/webhooks/", {"id": "tw1"})
    stage.providers.delete(f"{base}/webhooks/tw1", {})
    stage.providers.get(f"{base}/boards/b1", {"id": "b1", "name": "Board"})
    source = await stage.deploy("trello/sources/new-board/new-board.js", SIGNED)
    [call] = stage.providers.calls("POST", f"{base}/webhooks/")
    assert (call.query["callbackURL"], call.query["idModel"]) == (source.endpoint, "me1")
    assert call.headers["authorization"] == f"OAuth {base}/webhooks/"
    action = {"type": "createBoard", "data": {"board": {"id": "b1"}}}
    board = Event({"id": "b1", "name": "Board"}, "b1", "Board", NOW)
    assert await source.request({"action": action}) == [board]
    assert await source.request({"action": action}) == []
    assert await source.request({"action": {**action, "type": "updateBoard"}}) == []
    await source.hook("deactivate")
    assert len(stage.providers.calls("DELETE", f"{base}/webhooks/tw1")) == 1
