"""Components that poll through signers, feeds and the providers' own client libraries."""

from __future__ import annotations

from typing import Any

import pytest

from tests.corpus.providers import Providers, Reply, Request
from tests.corpus.stage import Event, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIGNER = "https://signer.example.org/sign"
SIGNED = {
    "oauth_access_token": "access",
    "oauth_refresh_token": "refresh",
    "oauth_signer_uri": SIGNER,
    "oauth_uid": "me1",
}


def sign(providers: Providers) -> None:
    """The service that signs requests of OAuth 1: the header says what was signed."""

    def answer(request: Request) -> Any:
        assert request.json["token"] == {"key": "access", "secret": "refresh"}
        return f"OAuth {request.json['requestData']['url']}"

    providers.post(SIGNER, answer)


async def test_trello_new_notification(stage: Stage) -> None:
    served = [
        {
            "id": f"n{n}",
            "type": "mentionedOnCard",
            "date": f"2021-06-0{n}T00:00:00.000Z",
            "data": {"card": {"name": f"Card {n}"}},
        }
        for n in (1, 2)
    ]
    url = "https://api.trello.com/1/members/me/notifications"

    def answer(request: Request) -> Any:
        if request.headers["authorization"] != f"OAuth {url}":
            return Reply("invalid signature", 401)
        since = request.query.get("since", "")
        return [one for one in served if str(one["id"]) > since]

    sign(stage.providers)
    stage.providers.get(url, answer)
    source = await stage.deploy("trello/sources/new-notification/new-notification.js", SIGNED)

    def expected(n: int) -> Event:
        ts = 1_622_505_600_000 + (n - 1) * 86_400_000
        return Event(served[n - 1], f"n{n}", f"mentionedOnCard : Card {n}", ts)

    assert await source.tick() == [expected(1), expected(2)]
    assert source.store == {"lastNotificationId": "n2"}
    assert await source.tick() == []
    served.append(served[0] | {"id": "n3", "date": "2021-06-03T00:00:00.000Z"})
    ts = 1_622_505_600_000 + 2 * 86_400_000
    assert await source.tick() == [Event(served[2], "n3", "mentionedOnCard : Card 1", ts)]


async def test_twitter_my_liked_tweets(stage: Stage) -> None:
    """An app with an object among its methods; the newest comes first and is emitted last."""
    served = [{"id_str": str(n), "full_text": f"Tweet {n}"} for n in (3, 2, 1)]
    url = "https://api.twitter.com/1.1/favorites/list.json"

    def answer(request: Request) -> Any:
        assert request.headers["authorization"].startswith(f"OAuth {url}?")
        assert request.query == {"screen_name": "", "count": "200", "tweet_mode": "extended"}
        return served

    sign(stage.providers)
    stage.providers.get(url, answer)
    source = await stage.deploy("twitter/sources/my-liked-tweets/my-liked-tweets.js", SIGNED)

    def expected(n: int) -> Event:
        return Event({"id_str": str(n), "full_text": f"Tweet {n}"}, str(n), f"Tweet {n}")

    assert await source.tick() == [expected(1), expected(2), expected(3)]
    served.insert(0, {"id_str": "4", "full_text": "Tweet 4"})
    assert await source.tick() == [expected(4)]


async def test_twitter_search_mentions(stage: Stage) -> None:
    """Defaults of props from the app's definitions; what the component adds to each tweet."""
    served = [
        {
            "id": n,
            "id_str": str(n),
            "full_text": f"Tweet {n}",
            "created_at": f"{day} Feb 0{n} 10:00:00 +0000 2021",
        }
        for n, day in ((3, "Wed"), (2, "Tue"), (1, "Mon"))
    ]
    url = "https://api.twitter.com/1.1/search/tweets.json"

    def answer(request: Request) -> Any:
        assert request.query["q"] == "headwater -filter:nativeretweets"
        assert (request.query["result_type"], request.query["count"]) == ("recent", "100")
        since = request.query.get("since_id") or "0"
        return {"statuses": [tweet for tweet in served if str(tweet["id_str"]) > since]}

    sign(stage.providers)
    stage.providers.get(url, answer)
    source = await stage.deploy(
        "twitter/sources/search-mentions/search-mentions.js",
        SIGNED,
        q="headwater",
        includeRetweets="exclude",
    )

    def expected(tweet: dict[str, Any]) -> Event:
        n = tweet["id"]
        added = {
            "created_at_timestamp": 1_612_173_600_000 + (n - 1) * 86_400_000,
            "created_at_iso8601": f"2021-02-0{n}T10:00:00.000Z",
        }
        return Event(tweet | added, str(n), f"Tweet {n}", added["created_at_timestamp"])

    assert await source.tick() == [expected(tweet) for tweet in reversed(served)]
    assert source.store == {"since_id": "3"}
    assert await source.tick() == []
    languages = await source.options("lang")
    assert {"label": "German (de)", "value": "de"} in languages.items
    assert (await source.options("lang", 1)).items == []


RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>News</title>
<link>https://news.example.org</link><description>All of it</description>{}</channel></rss>"""
ITEM = """<item><title>Item {n}</title><link>https://news.example.org/{n}</link>
<guid isPermaLink="false">guid-{n}</guid><description>Text {n}</description>
<pubDate>Tue, 0{n} Jun 2021 12:00:00 GMT</pubDate></item>"""


async def test_rss_new_item_in_feed(stage: Stage) -> None:
    """A stream through a parser, from `node-fetch`; an app prop that is declared twice."""
    numbers = [2, 1]
    items = {n: ITEM.format(n=n) for n in range(1, 5)}
    stage.providers.get(
        "https://news.example.org/feed.xml",
        lambda r: RSS.format("".join(items[n] for n in numbers)),
    )
    source = await stage.deploy(
        "rss/sources/new-item-in-feed/new-item-in-feed.js", url="https://news.example.org/feed.xml"
    )
    day, first = 86_400_000, 1_622_548_800_000

    def seen(events: list[Event]) -> list[tuple[Any, ...]]:
        return [
            (e.id, e.summary, e.ts, e.payload["link"], e.payload["description"]) for e in events
        ]

    def expected(n: int) -> tuple[Any, ...]:
        link = f"https://news.example.org/{n}"
        return (f"guid-{n}", f"Item {n}", first + (n - 1) * day, link, f"Text {n}")

    assert seen(await source.tick()) == [expected(1), expected(2)]
    assert await source.tick() == []
    numbers.insert(0, 3)
    assert seen(await source.tick()) == [expected(3)]


async def test_hacker_news_new_stories_by_keyword(stage: Stage) -> None:
    """Its own memory of what it saw in the store, and no dedupe."""
    numbers = [2, 1]

    def answer(request: Request) -> Any:
        assert request.query == {"q": "deno"}
        return RSS.format("".join(ITEM.format(n=n) for n in numbers))

    stage.providers.get("https://hnrss.org/newest", answer)
    source = await stage.deploy(
        "hacker_news/sources/new-stories-by-keyword/new-stories-by-keyword.js", keyword="deno"
    )

    def expected(n: int) -> Event:
        payload = {
            "title": f"Item {n}",
            "link": f"https://news.example.org/{n}",
            "pubDate": f"Tue, 0{n} Jun 2021 12:00:00 GMT",
            "content": f"Text {n}",
            "contentSnippet": f"Text {n}",
            "guid": f"guid-{n}",
            "isoDate": f"2021-06-0{n}T12:00:00.000Z",
        }
        return Event(payload, f"guid-{n}", f"Item {n}")

    assert await source.tick() == [expected(1), expected(2)]
    assert source.store == {"seenKeys": ["guid-2", "guid-1"]}
    assert await source.tick() == []
    numbers.insert(0, 3)
    assert await source.tick() == [expected(3)]


async def test_discord_bot_new_message_in_channel(stage: Stage) -> None:
    """Options that depend on a prop chosen before; a store of cursors by channel."""
    base = "https://discordapp.com/api"
    messages = [{"id": f"90{n}", "content": f"Message {n}"} for n in (2, 1)]

    def bot(answer: Any) -> Any:
        def guarded(request: Request) -> Any:
            return answer if request.headers["authorization"] == "Bot db1" else Reply("", 401)

        return guarded

    stage.providers.get(f"{base}/users/@me/guilds", bot([{"id": "g1", "name": "Guild"}]))
    stage.providers.get(
        f"{base}/guilds/g1/channels",
        bot([{"id": "c1", "name": "talk", "type": 0}, {"id": "c2", "name": "voice", "type": 2}]),
    )
    stage.providers.get(f"{base}/channels/c1/messages", bot(messages))
    source = await stage.deploy(
        "discord_bot/sources/new-message-in-channel/new-messages-in-channel.js",
        {"bot_token": "db1"},
        guild="g1",
        channels="c1",
    )
    assert (await source.options("guild")).items == [{"label": "Guild", "value": "g1"}]
    assert (await source.options("channels")).items == [{"label": "talk", "value": "c1"}]

    def expected(message: dict[str, Any]) -> Event:
        return Event(message, message["id"], message["content"])

    assert await source.tick() == [expected(message) for message in messages]
    assert source.store == {"lastMessageIDs": {"c1": "902"}}
    assert await source.tick() == []
    messages.insert(0, {"id": "903", "content": "Message 3"})
    assert await source.tick() == [expected(messages[0])]


async def test_yahoo_fantasy_transactions(stage: Stage) -> None:
    """A timer by its bare name, which ticks hourly; a method that calls itself."""
    base = "https://fantasysports.yahooapis.com/fantasy/v2"
    transaction = {"transaction_key": "k1", "type": "commish", "timestamp": "1600000000"}
    transactions = {"0": {"transaction": [transaction]}, "count": 1}
    league = [{"league_key": "l1"}, {"transactions": transactions}]
    content = {"leagues": {"0": {"league": league}, "count": 1}}
    stage.providers.get(
        f"{base}/leagues;league_keys=l1/transactions;types=add,drop,commish,trade",
        {"fantasy_content": content},
        "yf1",
    )
    source = await stage.deploy(
        "yahoo_fantasy_sports/sources/new-football-league-transactions"
        "/new-football-league-transactions.js",
        {"oauth_access_token": "yf1"},
        league="l1",
    )
    assert source.values["timer"] == {"interval_seconds": 3600}
    expected = transaction | {"_summary": "Commish event"}
    assert await source.tick() == [Event(expected, "k1", "Commish event", 1_600_000_000_000)]
    assert await source.tick() == []


async def test_pipedream_new_records_from_sql_query(stage: Stage) -> None:
    """A timer by cron; the same execution id is not emitted again."""
    rows = [["id", "name"], ["1", "one"], ["2", "two"]]
    answer = {
        "queryExecutionId": "q1",
        "resultsFilename": "q1.csv",
        "resultSet": {
            "ResultSetMetadata": {"ColumnInfo": [{"Name": "id"}, {"Name": "name"}]},
            "Rows": [{"Data": [{"VarCharValue": cell} for cell in row]} for row in rows],
        },
    }

    def run(request: Request) -> Any:
        assert request.json == {"query": "SELECT 1"}
        return answer

    stage.providers.post("https://rt.pipedream.com/sql", run, "pd2")
    source = await stage.deploy(
        "pipedream/sources/new-records-from-sql-query/sql.js",
        {"api_key": "pd2"},
        sqlQuery="SELECT 1",
        emitEachRecordAsEvent=True,
    )
    assert source.values["timer"] == {"cron": "0 0 * * *"}

    def expected(n: int) -> Event:
        results = {
            "columnInfo": [{"Name": "id"}, {"Name": "name"}],
            "queryExecutionId": "q1",
            "csvLocation": "https://rt.pipedream.com/sql/csv/q1.csv",
            "record": dict(zip(rows[0], rows[n + 1], strict=True)),
        }
        payload = {"query": "SELECT 1", "results": results}
        return Event(payload, f"q1-{n}", f"SELECT 1 - {n}")

    assert await source.tick() == [expected(0), expected(1)]
    assert await source.tick() == []
