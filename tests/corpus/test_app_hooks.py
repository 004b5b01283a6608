"""Components that are told of what happens at a service through the platform (app hooks)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.corpus.providers import Reply, Request
from tests.corpus.stage import Event, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_strava_activity_created(stage: Stage) -> None:
    """The event only names what happened; the rest is asked for, and may be lacking."""
    base = "https://www.strava.com/api/v3/activities"
    details = {"id": 11, "name": "Morning ride"}
    stage.providers.get(f"{base}/11", details, "sv1")
    stage.providers.get(f"{base}/12", Reply({"message": "Not Found"}, 404), "sv1")
    source = await stage.deploy(
        "strava/sources/activity-created/activity-created.js", {"oauth_access_token": "sv1"}
    )

    def event(n: int) -> dict[str, Any]:
        return {"object_id": n, "aspect_type": "create", "event_time": 1_614_592_800}

    summary, ts = "Activity created: Morning ride", 1_614_592_800_000
    assert await source.run(event(11)) == [
        Event({"event": event(11), "details": details}, None, summary, ts)
    ]
    assert await source.run(event(12)) == [
        Event({"event": event(12)}, None, "Activity created", ts)
    ]


async def test_slack_new_message_in_channels(stage: Stage) -> None:
    """Event names by a function; the provider's own client; names remembered in the store under
    another name than `db`; options whose context grows."""
    base = "https://slack.com/api"
    calls: dict[str, dict[str, Any]] = {
        "users.info": {"user": {"name": "ada"}},
        "conversations.info": {"channel": {"name": "general", "is_im": False}},
        "team.info": {"team": {"name": "Acme"}},
        "auth.test": {},
        "users.list": {"members": [{"id": "U1", "name": "ada"}]},
    }
    for name, body in calls.items():
        stage.providers.post(
            f"{base}/{name}",
            Reply({"ok": True, **body}, headers={"X-OAuth-Scopes": "im:read,groups:read"}),
        )

    def conversations(request: Request) -> Any:
        form = request.form
        assert form["types"] == "public_channel,private_channel,im"
        if form.get("cursor") == "c2":
            return {"ok": True, "channels": [{"id": "D1", "is_im": True, "user": "U1"}],
                    "response_metadata": {"next_cursor": ""}}  # fmt: skip
        return {"ok": True, "channels": [{"id": "C1", "name": "general"}],
                "response_metadata": {"next_cursor": "c2"}}  # fmt: skip

    stage.providers.post(f"{base}/users.conversations", conversations)
    source = await stage.deploy(
        "slack/sources/new-message-in-channels/new-message-in-channels.js",
        {"oauth_access_token": "sl1", "oauth_uid": "U9"},
        conversations=["C1"],
        resolveNames=True,
    )
    assert source.store == {"$apphook": {"slackApphook": ["C1"]}}
    message = {"client_msg_id": "m1", "user": "U1", "channel": "C1", "team": "T1", "text": "hi"}
    expected = {
        **message, "user": "ada", "user_id": "U1", "channel": "general", "channel_id": "C1",
        "team": "Acme", "team_id": "T1",
    }  # fmt: skip
    assert await source.run(message) == [Event(expected, "m1")]
    assert await source.run(message) == []
    assert await source.run({**message, "client_msg_id": "m2", "user": "U9"}) == []
    assert await source.run({**message, "subtype": "message_changed"}) == []
    again = await source.run({**message, "client_msg_id": "m3"})
    assert again == [Event({**expected, "client_msg_id": "m3"}, "m3")]
    assert len(stage.providers.calls("POST", f"{base}/users.info")) == 1
    first = await source.options("conversations")
    assert first.items == [{"label": "Public channel: general", "value": "C1"}]
    second = await source.options("conversations", 1, first.context)
    assert second.items == [{"label": "Direct messaging with: @ada", "value": "D1"}]


async def test_dropbox_new_folder(stage: Stage) -> None:
    """A cursor that the app keeps in the store of the component that hands itself over; options
    by the text that was typed."""
    base = "https://api.dropboxapi.com/2/files"
    folder = {".tag": "folder", "name": "Plans", "path_display": "/Work/Plans", "id": "id:1"}
    file = {".tag": "file", "name": "a.txt", "id": "id:2"}
    stage.providers.post(f"{base}/list_folder/get_latest_cursor", {"cursor": "c0"}, "dr1")
    changes: dict[str, Any] = {
        "c0": {"entries": [file], "cursor": "c1", "has_more": True},
        "c1": {"entries": [folder], "cursor": "c2", "has_more": False},
        "c2": {"entries": [], "cursor": "c2", "has_more": False},
        "o1": {"entries": [{**folder, "path_display": "/a"}], "cursor": "o2", "has_more": False},
    }
    stage.providers.post(f"{base}/list_folder/continue", lambda r: changes[r.json["cursor"]], "dr1")
    listed = {"entries": [folder, file], "cursor": "o1", "has_more": True}
    stage.providers.post(f"{base}/list_folder", listed, "dr1")
    source = await stage.deploy(
        "dropbox/sources/new-folder/new-folder.js",
        {"oauth_access_token": "dr1"},
        path="/Work",
        recursive=False,
    )
    state = {"path": "/Work", "recursive": False, "cursor": "c0"}
    assert source.store == {"dropbox_state": state}
    assert await source.run({}) == [Event(folder)]
    assert source.store["dropbox_state"]["cursor"] == "c2"
    assert await source.run({}) == []
    choices = await source.options("path", query="/Work")
    assert [item["value"] for item in choices.items] == ["/Work", "/", "/a", "/Work/Plans"]


async def test_discord_new_message(stage: Stage) -> None:
    """A picker of the service, and names that are the chosen channels."""
    source = await stage.deploy(
        "discord/sources/new-message/new-message.js",
        {"guild_id": "g1", "oauth_uid": "me"},
        channels=["c1", "c2"],
    )
    assert source.store == {"$apphook": {"discordApphook": ["c1", "c2"]}}
    message = {"id": "m1", "guildID": "g1", "authorID": "you", "content": "hi"}
    assert await source.run(message) == [Event(message, "m1")]
    assert await source.run(message) == []
    assert await source.run({**message, "id": "m2", "authorID": "me"}) == []
    assert await source.run({**message, "id": "m3", "guildID": "g2"}) == []
