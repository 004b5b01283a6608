"""Components that are told of what people sent: forms, messages, submissions."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.corpus.providers import Reply, Request
from tests.corpus.stage import NOW, Event, Stage, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_jotform_new_submission(stage: Stage) -> None:
    """The address of the endpoint with the slash that the component adds; a multipart request."""
    url = "https://api.jotform.com/form/f1/webhooks"
    hooks: dict[str, str] = {"0": "https://elsewhere.example/"}

    def create(request: Request) -> Any:
        hooks["1"] = request.query["webhookURL"]
        return {"content": hooks}

    stage.providers.post(url, create)
    stage.providers.get(url, lambda r: {"content": hooks})
    stage.providers.delete(f"{url}/1", lambda r: hooks.pop("1"))
    stage.providers.get(
        "https://api.jotform.com/user/forms", {"content": [{"title": "Form", "id": "f1"}]}
    )
    source = await stage.deploy(
        "jotform/sources/new-submission/new-submission.js", {"api_key": "jf1"}, formId="f1"
    )
    assert hooks["1"] == f"{source.endpoint}/"
    assert (await source.options("formId")).items == [{"label": "Form", "value": "f1"}]
    raw = json.dumps({"q3_name": "Ada"})
    fields = {"submissionID": "s1", "rawRequest": raw}
    mark = "x" * 20
    parts = "".join(
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    events = await source.request(
        f"{parts}--{mark}--\r\n".encode(),
        headers={"Content-Type": f"multipart/form-data; boundary={mark}"},
    )
    assert events == [Event({**fields, "formData": {"q3_name": "Ada"}}, "s1", raw)]
    await source.hook("deactivate")
    assert hooks == {"0": "https://elsewhere.example/"}


async def test_typeform_new_submission(stage: Stage) -> None:
    """A header in the provider's own case; a tag that a second activation uses again."""
    base, hooks = "https://api.typeform.com/forms/f1/webhooks/", {}

    def put(request: Request) -> Any:
        hooks[request.url.removeprefix(base)] = request.json
        return request.json

    stage.providers.on("PUT", f"{base}*", put, "tf1")
    stage.providers.delete(f"{base}*", Reply("", 204), "tf1")
    source = await stage.deploy(
        "typeform/sources/new-submission/new-submission.js",
        {"oauth_access_token": "tf1"},
        formId="f1",
    )
    [(tag, hook)] = hooks.items()
    assert hook["url"] == source.endpoint
    await source.hook("deactivate")
    await source.hook("activate")
    assert list(hooks) == [tag]
    raw = b'{"event_id": "e1",  "form_response": {"answers": [1]}}'
    digest = hmac.new(hooks[tag]["secret"].encode(), raw, hashlib.sha256).digest()
    headers = {
        "Typeform-Signature": f"sha256={base64.b64encode(digest).decode()}",
        "Content-Type": "application/json",
    }
    body = json.loads(raw)
    summary = json.dumps(body, separators=(",", ":"))
    assert await source.request(raw, headers=headers) == [Event(body, "e1", summary)]
    headers["Typeform-Signature"] = "sha256=AAAA"
    assert "signature mismatch" in await refused(source, raw, headers)


async def test_telegram_new_updates(stage: Stage) -> None:
    """A token in the path of the request."""
    base = "https://api.telegram.org/bot123:token"
    stage.providers.post(f"{base}/setWebhook", {"ok": True})
    stage.providers.get(f"{base}/deleteWebhook", {"ok": True})
    source = await stage.deploy(
        "telegram/sources/new-updates/new-updates.js",
        {"token": "123:token"},
        updateTypes=["message"],
    )
    [call] = stage.providers.asked
    assert call.json == {"url": f"{source.endpoint}/123:token", "allowed_updates": ["message"]}
    sender = {"first_name": "Ada", "last_name": "Lovelace"}
    body = {"update_id": 10, "message": {"from": sender, "text": "hi"}}
    expected = [Event(body, 10, "Update from Ada Lovelace", NOW)]
    assert await source.request(body, path="/123:token") == expected
    assert await source.request(body, path="/123:token") == []
    assert await source.request({**body, "update_id": 11}, path="/other") == []
    await source.hook("deactivate")
    assert len(stage.providers.calls("GET", f"{base}/deleteWebhook")) == 1


async def test_twilio_new_incoming_sms(stage: Stage) -> None:
    """The provider's own library, a secret prop, an answer in XML and a signature over the form
    and the address with the slash that the component appends."""
    account, number = "AC" + "0" * 32, "PN" + "1" * 32
    base = f"https://api.twilio.com/2010-04-01/Accounts/{account}/IncomingPhoneNumbers"
    numbers = {"sid": number, "friendly_name": "Desk", "sms_url": ""}
    basic = "Basic " + base64.b64encode(f"SK{'2' * 32}:secret".encode()).decode()

    def update(request: Request) -> Any:
        assert request.headers["authorization"] == basic
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        numbers["sms_url"] = form["SmsUrl"]
        return numbers

    stage.providers.post(f"{base}/{number}.json", update)
    stage.providers.get(f"{base}.json", {"incoming_phone_numbers": [numbers], "page_size": 50})
    source = await stage.deploy(
        "twilio/sources/new-incoming-sms/new-incoming-sms.js",
        {"Sid": f"SK{'2' * 32}", "Secret": "secret", "AccountSid": account},
        incomingPhoneNumber=number,
        authToken="signing",
        responseMessage="Thanks <3",
    )
    assert numbers["sms_url"] == source.endpoint
    choices = await source.options("incomingPhoneNumber")
    assert choices.items == [{"label": "Desk", "value": number}]
    fields = {"Body": "Hello there", "From": "+15551234567", "MessageSid": "SM1"}
    signed = f"{source.endpoint}/" + "".join(f"{k}{v}" for k, v in sorted(fields.items()))
    digest = hmac.new(b"signing", signed.encode(), hashlib.sha1).digest()
    headers = {
        "X_Twilio_Signature": base64.b64encode(digest).decode(),
        "I_Twilio_Idempotency_Token": "once",
    }
    assert await source.form(fields, **headers) == [Event(fields, "once", "Hello there")]
    assert source.response.headers == {"Content-Type": "text/xml"}
    assert b"<Message>Thanks &lt;3</Message>" in source.response.body
    assert await source.form(fields, **headers) == []
    await source.hook("deactivate")
    assert numbers["sms_url"] == ""
