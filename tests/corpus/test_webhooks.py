"""Components that register a webhook with the provider and take it away again."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from tests.corpus import tokens
from tests.corpus.providers import Reply, Request
from tests.corpus.stage import NOW, Event, Stage, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_bitbucket_new_issue(stage: Stage) -> None:
    """A webhook made and deleted; a call that is not its own is turned away; options by pages
    whose address the provider tells, with inputs from the props chosen before."""
    base = "https://api.bitbucket.org/2.0"
    hooks: dict[str, Any] = {}

    def create(request: Request) -> Any:
        hooks["{u-1}"] = request.json
        return {"uuid": "{u-1}"}

    stage.providers.post(f"{base}/repositories/ws/repo/hooks", create, "bb1")
    stage.providers.delete(
        f"{base}/repositories/ws/repo/hooks/{{u-1}}",
        lambda r: Reply("", 204 if hooks.pop("{u-1}") else 404),
        "bb1",
    )
    stage.providers.get(f"{base}/repositories/ws", _repositories, "bb1")
    source = await stage.deploy(
        "bitbucket/sources/new-issue/new-issue.js",
        {"oauth_access_token": "bb1"},
        workspaceId="ws",
        repositoryId="repo",
    )
    assert hooks == {
        "{u-1}": {
            "description": "Pipedream - New Issue (Instant)",
            "url": source.endpoint,
            "active": True,
            "events": ["issue:created"],
        }
    }
    body = {"issue": {"id": 5, "title": "It leaks"}}
    headers = {"X-Hook-UUID": "u-1", "X-Event-Time": "Mon, 01 Mar 2021 10:00:00 GMT"}
    expected = Event(body, 5, "New Issue: #5 It leaks", 1_614_592_800_000)
    assert await source.request(body, headers=headers) == [expected]
    assert source.response.status == 200
    assert await source.request(body, headers=headers) == []
    assert await source.request(body, headers={"X-Hook-UUID": "u-2"}) == []
    assert source.response.status == 404
    names = [page async for page in source.choices("repositoryId")]
    assert names == [[("one", "one"), ("two", "two")], [("three", "three")]]
    await source.hook("deactivate")
    assert hooks == {}


def _repositories(request: Request) -> Any:
    found = [{"name": name, "slug": name.lower()} for name in ("One", "Two", "Three")]
    if "page" in request.query:
        return {"values": found[2:]}
    return {"values": found[:2], "next": f"{request.url}?page=2"}


async def test_bitbucket_new_commit(stage: Stage) -> None:
    """A push is only the occasion: the commits are fetched until the one that was known."""
    base = "https://api.bitbucket.org/2.0/repositories/ws/repo"
    commits = [
        {"hash": f"h{n}", "message": f"Change {n}\n\nWhy.", "date": f"2021-03-0{n}T00:00:00Z"}
        for n in (5, 4, 3, 2, 1)
    ]

    def answer(request: Request) -> Any:
        if "page" in request.query:
            return {"values": commits[2:]}
        return {"values": commits[:2], "next": f"{request.url}?page=2"}

    stage.providers.post(f"{base}/hooks", {"uuid": "{u-2}"}, "bb1")
    stage.providers.get(f"{base}/commits/main", answer, "bb1")
    source = await stage.deploy(
        "bitbucket/sources/new-commit/new-commit.js",
        {"oauth_access_token": "bb1"},
        workspaceId="ws",
        repositoryId="repo",
        branchName="main",
    )
    change = {
        "new": {"name": "main", "type": "branch"},
        "old": {"target": {"hash": "h2"}},
        "commits": [{"hash": "h5"}],
    }
    headers = {"X-Hook-UUID": "u-2"}
    events = await source.request({"push": {"changes": [change]}}, headers=headers)
    assert events == [
        Event(commits[5 - n], f"h{n}", f"New commit: Change {n} (h{n})", ts)
        for n, ts in ((3, 1_614_729_600_000), (4, 1_614_816_000_000), (5, 1_614_902_400_000))
    ]
    other = {"new": {"name": "topic", "type": "branch"}, "commits": [{}]}
    assert await source.request({"push": {"changes": [other]}}, headers=headers) == []


async def test_calendly_invitee_created(stage: Stage) -> None:
    """`activate` keeps the id of what it made; an undefined id is kept as nothing."""
    base, made = "https://calendly.com/api/v1/hooks", []

    def create(request: Request) -> Any:
        made.append(request.json)
        return {"id": 77}

    stage.providers.post(base, create)
    stage.providers.delete(f"{base}/77")
    source = await stage.deploy(
        "calendly/sources/invitee-created/invitee-created.js", {"api_key": "cl1"}
    )
    assert made == [{"url": source.endpoint, "events": ["invitee.created"]}]
    payload = {"event": {"uuid": "e1"}, "event_type": {"name": "Coffee"}}
    body = {"payload": payload}
    headers = {"X-Calendly-Hook-Id": "77"}
    assert await source.request(body, headers=headers) == [Event(body, "e1", "Coffee", NOW)]
    assert await source.request(body, headers={"X-Calendly-Hook-Id": "78"}) == []
    assert source.response.status == 404
    await source.hook("deactivate")
    assert len(stage.providers.calls("DELETE", f"{base}/77")) == 1


async def test_formstack_new_form_submission(stage: Stage) -> None:
    """An endpoint without an answer of its own; a secret inside the body, which is taken out."""
    base = "https://www.formstack.com/api/v2"
    stage.providers.post(f"{base}/form/9/webhook.json", {"id": "w1"}, "fs1")
    stage.providers.delete(f"{base}/webhook/w1.json", "", "fs1")
    source = await stage.deploy(
        "formstack/sources/new-form-submission/new-form-submission.js",
        {"oauth_access_token": "fs1", "oauth_refresh_token": "shake"},
        formId="9",
    )
    [call] = stage.providers.calls("POST", f"{base}/form/9/webhook.json")
    assert call.query == {"url": source.endpoint, "content_type": "json", "handshake_key": "shake"}
    answer = {"UniqueID": "s1", "Name": "Ada"}
    expected = [Event(answer, "s1", "New Form Submission s1", NOW)]
    assert await source.form({**answer, "HandshakeKey": "shake"}) == expected
    assert await source.form({**answer, "HandshakeKey": "shake"}) == []
    assert await source.form({**answer, "UniqueID": "s2", "HandshakeKey": "wrong"}) == []
    await source.hook("deactivate")
    assert len(stage.providers.calls("DELETE", f"{base}/webhook/w1.json")) == 1


async def test_ghost_admin_member_created(stage: Stage) -> None:
    """A token that the component signs itself, from a Buffer."""
    base, secret = "https://blog.example.org/ghost/api/v3/admin/webhooks", "00ff" * 16
    made: list[Any] = []

    def create(request: Request) -> Any:
        token = request.headers["authorization"].removeprefix("Ghost ")
        head, claims = tokens.opened(token, bytes.fromhex(secret))
        assert (head["alg"], head["kid"], claims["aud"]) == ("HS256", "kid1", "/v3/admin/")
        made.append(request.json)
        return {"webhooks": [{"id": "gh1"}]}

    stage.providers.post(base, create)
    stage.providers.delete(f"{base}/gh1", Reply("", 204))
    source = await stage.deploy(
        "ghost_admin/sources/member-created/member-created.js",
        {"admin_api_url": "https://blog.example.org/", "admin_api_key": f"kid1:{secret}"},
    )
    hook = {"event": "member.added", "target_url": source.endpoint}
    assert made == [{"webhooks": [hook]}]
    body = {"member": {"current": {"id": "m1", "name": "Ada"}}}
    assert await source.request(body) == [Event(body, "m1", "Ada", NOW)]
    assert await source.request(body) == []
    await source.hook("deactivate")
    assert len(stage.providers.calls("DELETE", f"{base}/gh1")) == 1


async def test_github_new_issue(stage: Stage) -> None:
    """Signed calls: the component hashes the body, which is the text as it was sent."""
    base, hooks = "https://api.github.com/repos/me/repo/hooks", []

    def create(request: Request) -> Any:
        hooks.append(request.json)
        return {"id": 31}

    stage.providers.post(base, create)
    stage.providers.delete(f"{base}/31", Reply("", 204))
    source = await stage.deploy(
        "github/sources/new-issue/new-issue.js",
        {"oauth_access_token": "gh1"},
        repoFullName="me/repo",
    )
    [hook] = hooks
    assert (hook["events"], hook["config"]["url"]) == (["issues"], source.endpoint)
    body = {
        "action": "opened",
        "issue": {"number": 4, "title": "It leaks"},
        "sender": {"login": "ada"},
    }
    raw = json.dumps(body, indent=1).encode()

    def signed(secret: str) -> dict[str, str]:
        digest = hmac.new(secret.encode(), raw, hashlib.sha1).hexdigest()
        return {"X-Hub-Signature": f"sha1={digest}", "Content-Type": "application/json"}

    expected = [Event(body, summary="#4 It leaks opened by ada")]
    assert await source.request(raw, headers=signed(hook["config"]["secret"])) == expected
    outcome = await refused(source, raw, signed("wrong"))
    assert "signature mismatch" in outcome
    assert await source.request({"zen": "Keep it logically awesome."}) == []
    await source.hook("deactivate")
    assert len(stage.providers.calls("DELETE", f"{base}/31")) == 1


async def test_gitlab_new_issue(stage: Stage) -> None:
    """A method that is a function of a package; options whose context is the Link header."""
    base, made = "https://gitlab.com/api/v4", []

    def create(request: Request) -> Any:
        made.append(request.json)
        return {"id": 12}

    def projects(request: Request) -> Any:
        found = [{"id": n, "path_with_namespace": f"me/p{n}"} for n in (1, 2, 3)]
        if "page" in request.query:
            return Reply(found[2:], headers={"Link": f'<{request.url}>; rel="first"'})
        link = f'<{request.url}?page=2>; rel="next"'
        return Reply(found[:2], headers={"Link": link})

    stage.providers.post(f"{base}/projects/8/hooks", create, "gl1")
    stage.providers.delete(f"{base}/projects/8/hooks/12", Reply("", 204), "gl1")
    stage.providers.get(f"{base}/users/u1/projects", projects, "gl1")
    source = await stage.deploy(
        "gitlab/sources/new-issue/new-issue.js",
        {"oauth_access_token": "gl1", "oauth_uid": "u1"},
        projectId="8",
    )
    [hook] = made
    assert (hook["url"], hook["issues_events"]) == (source.endpoint, True)
    body = {
        "user": {"name": "Ada", "username": "ada"},
        "object_attributes": {
            "id": 301, "iid": 23, "title": "It leaks", "created_at": "2021-03-01T10:00:00Z",
        },
        "changes": {"updated_at": {"current": "2021-03-01 10:00:00 UTC"}},
    }  # fmt: skip
    headers = {"X-Gitlab-Token": hook["token"]}
    expected = Event(body, 301, "New issue by Ada (ada): #23 It leaks", 1_614_592_800_000)
    assert await source.request(body, headers=headers) == [expected]
    assert await source.request(body, headers=headers) == []
    assert await source.request(body, headers={"X-Gitlab-Token": "other"}) == []
    assert source.response.status == 404
    pages = [page async for page in source.choices("projectId")]
    assert pages == [[("me/p1", 1), ("me/p2", 2)], [("me/p3", 3)]]
    await source.hook("deactivate")
    assert len(stage.providers.calls("DELETE", f"{base}/projects/8/hooks/12")) == 1
