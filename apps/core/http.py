"""The platform's only outbound HTTP client (design section 4, rule 2).

What it calls was named by somebody who is not trusted, and answers as it likes. So each request
resolves its name, looks at every address, and opens the socket to an address that was looked at;
asks no proxy of the environment, keeps no cookie, inflates nothing; and ends after a total time,
however little comes how slowly. A POST follows no redirect and keeps nothing of the answer but its
status and `Retry-After`; an exchange follows none either, and keeps no more of the body than it was
asked for; a GET keeps as much and follows a few, each of them checked like the first address.

aiohttp, because of three clients that let the connection be decided here it alone holds up under
load: 1 KB POSTs over 16 connections on loopback, client and server on one busy core, 1,650 a
second against 110 (httpcore) and 75 (httpx).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings
from yarl import URL

from apps.core.addresses import BadUrl, Policy, Target
from apps.core.calls import Answer as Answer
from apps.core.calls import Blocked as Blocked
from apps.core.calls import Failed as Failed
from apps.core.calls import Page as Page
from apps.core.names import Resolve, by_system, by_table

T = TypeVar("T")

USER_AGENT = "Headwater/0.1"
# Of an answer's body, read so that its connection can be used again; what is longer costs that.
ANSWER_BYTES = 4096
CONNECT_SECONDS = 5.0
# Shorter than what servers keep an idle connection for: one that is being closed loses a request.
KEEP_ALIVE_SECONDS = 4.0
# Threads that wait for name servers. One that hangs keeps its thread for longer than its request.
RESOLVERS = 32

_REDIRECTS = (301, 302, 303, 307, 308)


class Client:
    """Belongs to the loop that first calls with it.

    seconds  total time of one call, from the name to the end of the answer, redirects included
    resolve  host, port → addresses; the system's resolver unless given
    ca       file of one more certificate authority to trust
    """

    def __init__(
        self,
        policy: Policy,
        *,
        seconds: float,
        resolve: Resolve | None = None,
        ca: str = "",
    ) -> None:
        self._policy = policy
        self._seconds = seconds
        self._resolve = resolve or by_system
        self._ca = ca
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")
        self._opened: aiohttp.ClientSession | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Raises Failed. `headers` come on top of Host, Content-Length and User-Agent."""
        return await self._within(self._post(url, headers, body))

    async def get(
        self,
        url: str,
        *,
        longest: int,
        redirects: int,
        schemes: Sequence[str] = ("https",),
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """Raises Failed. `longest` in bytes of the body; `schemes` hold for redirects too; of
        these `headers` another host gets none."""
        return await self._within(self._get(url, longest, redirects, schemes, headers or {}))

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, longest: int
    ) -> tuple[int, bytes]:
        """Status and whole body, of at most `longest` bytes; no redirects. Raises Failed."""
        return await self._within(self._exchange(method, url, headers, body, longest))

    async def _within(self, call: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(self._seconds):
                return await call
        except BadUrl:
            raise Failed("bad_url") from None
        except TimeoutError:
            raise Failed("timeout") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Failed(_code(error)) from error

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()
            self._opened = None
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        async with self._session().post(
            _checked(Target(url)), headers=headers, data=body, allow_redirects=False
        ) as response:
            answer = Answer(response.status, response.headers.get("Retry-After"))
            if not await _skim(response.content):
                response.close()
            return answer

    async def _get(
        self,
        url: str,
        longest: int,
        redirects: int,
        schemes: Sequence[str],
        headers: Mapping[str, str],
    ) -> Page:
        origin = Target(url)
        for _ in range(redirects + 1):
            target = Target(url)
            if target.scheme not in schemes:
                raise Failed("bad_redirect")
            same = (target.scheme, target.authority) == (origin.scheme, origin.authority)
            sent = headers if same else {}
            async with self._session().get(
                _checked(target), headers=sent, allow_redirects=False
            ) as response:
                if response.status not in _REDIRECTS:
                    return await _page(url, response, longest)
                response.close()
                if not (place := response.headers.get("Location")):
                    raise Failed("bad_redirect")
                url = urljoin(url, place)
        raise Failed("too_many_redirects")

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, longest: int
    ) -> tuple[int, bytes]:
        async with self._session().request(
            method, _checked(Target(url)), headers=headers, data=body or None, allow_redirects=False
        ) as response:
            return response.status, await _whole(response, longest)

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> aiohttp.ClientSession:
        context = ssl.create_default_context()
        if self._ca:
            context.load_verify_locations(self._ca)
        connector = aiohttp.TCPConnector(
            resolver=_Resolver(self._addresses),
            use_dns_cache=False,
            socket_factory=self._socket,
            ssl=context,
            limit=0,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=ANSWER_BYTES,
        )

    async def _addresses(self, host: str, port: int) -> list[tuple[str, int]]:
        """Those of a name, all of which must be permitted. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._resolve, host, port)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        pairs = [(one, port) if isinstance(one, str) else one for one in found]
        for pair in pairs:
            self._check(*pair)
        return pairs

    def _socket(self, info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """Opened for the address that will be dialled, whoever found it. Raises OSError."""
        family, kind, protocol, _, address = info
        self._check(str(address[0]), int(str(address[1])))
        return socket.socket(family, kind, protocol)

    def _check(self, address: str, port: int) -> None:
        if not self._policy.permits(address, port):
            raise Blocked(f"{address} must not be called")


class _Resolver(AbstractResolver):
    """aiohttp's side of `Client._addresses`."""

    def __init__(self, addresses: Callable[[str, int], Awaitable[list[tuple[str, int]]]]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=own_port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address, own_port in await self._addresses(host, port)
        ]

    async def close(self) -> None:
        """Holds nothing."""


def policy_by_settings(*more: str) -> Policy:
    """The one policy of this installation; `more` is open like EGRESS_ALLOW."""
    return Policy([*settings.EGRESS_ALLOW, *more], settings.EGRESS_DENY)


def by_settings(seconds: float) -> Client:
    """A client as the settings want it."""
    return Client(
        policy_by_settings(),
        seconds=seconds,
        resolve=by_table(settings.EGRESS_RESOLVE),
        ca=settings.EGRESS_CA,
    )


def _checked(target: Target) -> URL:
    """From the parts that were checked: no second reading of the text may see another host."""
    return URL(f"{target.scheme}://{target.authority}{target.path}", encoded=True)


async def _page(url: str, response: aiohttp.ClientResponse, longest: int) -> Page:
    """What came; an answer that is not 200 costs its connection. Raises Failed."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if response.status != 200:
        response.close()
        return Page(url, response.status, kind, b"")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Failed("bad_answer")
    return Page(url, response.status, kind, await _whole(response, longest))


async def _whole(response: aiohttp.ClientResponse, longest: int) -> bytes:
    """Raises Failed."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > longest:
            response.close()
            raise Failed("too_large")
    return bytes(body)


async def _skim(content: aiohttp.StreamReader) -> bool:
    """Read the body away; False when it is longer than is worth reading."""
    left = ANSWER_BYTES
    while left > 0:
        chunk = await content.read(left)
        if not chunk:
            return True
        left -= len(chunk)
    return content.at_eof()


def _code(error: Exception) -> str:
    if isinstance(error, Blocked):
        return "blocked_address"
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, Blocked):
            return "blocked_address"
        if isinstance(error, aiohttp.ClientSSLError):
            return "tls_failed"
        return "dns_failed" if isinstance(error.os_error, socket.gaierror) else "connection_failed"
    if isinstance(error, aiohttp.ClientSSLError):
        return "tls_failed"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | OSError):
        return "connection_failed"
    return "bad_answer"
