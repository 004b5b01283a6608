"""What receivers verify: held to the published verifier of Standard Webhooks and to plain HMAC."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from apps.events.items import EventId, emit_id
from apps.subscriptions import retries, signing
from apps.subscriptions.signing import Message

ID = EventId(1_589_486_981_597, 3)
SECRET = signing.new_secret()


def message(body: bytes = b'{"a":1}', channel: str = "", replay: str = "") -> Message:
    return Message("dc_5YGuMo", channel, ID, replay, body)


def now() -> int:
    return int(time.time())


def test_the_published_example_of_standard_webhooks() -> None:
    """Its specification's own: MfKQ… over `msg_p5jXN8AQM9LWM0D4loKWxJek`."""
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signature = signing.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", body, key, 1614265330)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(min_size=1).filter(lambda body: _is_text(body)))
def test_the_published_verifier_accepts(body: bytes) -> None:
    headers = signing.headers(message(body), [SECRET], now())
    Webhook(SECRET).verify(body, headers, json_parse=False)


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_the_published_verifier_refuses_what_was_changed() -> None:
    headers = signing.headers(message(), [SECRET], now())
    verifier = Webhook(SECRET)
    with pytest.raises(WebhookVerificationError):
        verifier.verify(b'{"a":2}', headers)
    with pytest.raises(WebhookVerificationError):
        verifier.verify(b'{"a":1}', {**headers, "webhook-id": "other"})
    with pytest.raises(WebhookVerificationError):
        verifier.verify(b'{"a":1}', {**headers, "webhook-timestamp": str(now() - 1)})
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.new_secret()).verify(b'{"a":1}', headers)


def test_both_secrets_sign_while_both_are_good() -> None:
    old = signing.new_secret()
    headers = signing.headers(message(), [SECRET, old], now())
    for key in (SECRET, old):
        Webhook(key).verify(b'{"a":1}', headers)
    assert headers["X-PD-Signature"].count("v1=") == 1


def test_8_the_signature_of_the_hosted_product() -> None:
    headers = signing.headers(message(), [SECRET], 1_700_000_000)
    digest = hmac.new(SECRET.encode(), b'1700000000.{"a":1}', hashlib.sha256).hexdigest()
    assert headers["X-PD-Signature"] == f"t=1700000000,v1={digest}"
    assert headers["X-PD-Emitter-Id"] == "dc_5YGuMo"
    assert headers["X-PD-Event-Id"] == "1589486981597-3"
    assert headers["X-PD-Event-Name"] == ""
    assert headers["X-PD-Emit-Id"] == emit_id("dc_5YGuMo", ID)
    assert headers["Content-Type"] == "application/json"


def test_the_id_is_the_events_on_every_attempt_and_another_for_a_replay_of_the_source() -> None:
    first = signing.headers(message(), [SECRET], 1)["webhook-id"]
    assert first == signing.headers(message(), [signing.new_secret()], 99)["webhook-id"]
    again = signing.headers(message(replay="rp_abc"), [SECRET], 1)
    assert again["webhook-id"] != first
    assert again["X-PD-Replay-Id"] == "rp_abc"
    assert "." not in first


@given(st.text(max_size=64))
def test_a_channel_of_any_characters_fits_into_a_header(channel: str) -> None:
    try:
        channel.encode()
    except UnicodeEncodeError:
        return
    value = signing.headers(message(channel=channel), [SECRET], 1)["X-PD-Event-Name"]
    assert value.isascii()
    assert value.isprintable()
    assert unquote(value) == channel


def test_a_secret_has_the_published_form() -> None:
    assert SECRET.startswith("whsec_")
    assert len(base64.b64decode(SECRET.removeprefix("whsec_"))) == 32
    assert signing.new_secret() != SECRET


# --- the schedule ---------------------------------------------------------------------------------

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_design_7_ten_attempts_over_about_three_days() -> None:
    assert retries.ATTEMPTS == 10
    waits = [retries.wait_after(attempt, None, NOW) for attempt in range(1, 10)]
    for wait, published in zip(waits, retries.WAITS, strict=True):
        assert wait is not None
        assert published <= wait <= 1.2 * published
    assert retries.wait_after(10, None, NOW) is None
    assert retries.wait_after(10, "5", NOW) is None
    assert 2.8 < sum(retries.WAITS) / 86_400 < 3.2


def test_waits_are_spread() -> None:
    assert len({retries.wait_after(1, None, NOW) for _ in range(20)}) > 10


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0), ("", 0), ("120", 120), (" 120 ", 120), ("-5", 0), ("1.5", 0), ("soon", 0),
        ("١٢", 0), (format_datetime(NOW + timedelta(hours=1), usegmt=True), 3600),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0),
        ("Tue, 99 Nov 2026 00:00:00 GMT", 0),
    ],
)  # fmt: skip
def test_retry_after(text: str | None, seconds: float) -> None:
    assert retries.asked_wait(text, NOW) == seconds


def test_retry_after_lengthens_and_never_shortens_and_has_an_end() -> None:
    longer, shorter = retries.wait_after(1, "600", NOW), retries.wait_after(5, "1", NOW)
    assert longer == 600
    assert shorter is not None
    assert shorter >= 7200
    assert retries.wait_after(1, "9" * 11, NOW) == retries.WAITS[-1]
