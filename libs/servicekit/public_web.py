"""HTTP to addresses that tenants name: only the public Internet, whatever names resolve to.

A URL of a tenant may point at our own services, at a cloud's metadata service or at the machine
next door. The address is looked at where the socket is made, after the name was resolved, so no
name, redirect or second look-up leads anywhere else.
"""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

URL_CHARS_MAX = 4096
CONNECT_TIMEOUT_S = 10.0

# Threads that wait for names; a name server that hangs holds up nothing else of the process.
_LOOKUPS_AT_ONCE = 8
# All that the Internet has of IPv6; anything else may be a network of ours or stand for one.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# Each of these addresses has an IPv4 address in it, which may be one of ours.
_TRANSLATED = tuple(ipaddress.ip_network(network) for network in ("2002::/16", "2001::/32"))
# Addresses that look public and are a cloud's own services next to the machine.
_OF_CLOUDS = tuple(ipaddress.ip_network(network) for network in ("192.0.0.0/24", "168.63.129.16"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_AddressInfo = tuple[
    int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]
]


class UrlRefused(Exception):
    """A URL is none that is called; its text says why, without the URL."""


class AddressRefused(OSError):
    """A host has an address that is not public."""


class PublicWeb:
    """An HTTP client for URLs of tenants; use `open`.

    It follows no redirect, keeps no cookie, takes no proxy and sends nothing but what it is told.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @classmethod
    @asynccontextmanager
    async def open(cls, *, reachable: Sequence[Network] = ()) -> AsyncIterator[Self]:
        """Open the client.

        Args:
            reachable: Networks that may be called although they are not public.
        """
        connector = aiohttp.TCPConnector(
            # Names may move: an old answer is never taken, a connection never used again.
            use_dns_cache=False,
            force_close=True,
            resolver=_Resolver(),
            socket_factory=lambda info: _socket(info, reachable),
        )
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            trust_env=False,
        ) as session:
            yield cls(session)

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        data: bytes | None = None,
        schemes: Collection[str] = ("http", "https"),
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; inside the block its answer can be read. The caller sets the time.

        Raises:
            UrlRefused: the URL is none of these schemes, or has a user, or is too long.
            AddressRefused, OSError, aiohttp.ClientError: it cannot be reached; see `is_refusal`.
        """
        require_url(url, schemes=schemes)
        try:
            async with self._session.request(
                method, url, headers=headers, data=data, allow_redirects=False
            ) as response:
                yield response
        except aiohttp.InvalidURL as error:
            raise UrlRefused("is not a URL") from error


def require_url(url: str, *, schemes: Collection[str] = ("http", "https")) -> None:
    """Pass for a URL that may be called as far as it can be told from its text.

    Raises:
        UrlRefused: the text says why, and reads on from what the URL is called.
    """
    if len(url) > URL_CHARS_MAX:
        raise UrlRefused(f"has more than {URL_CHARS_MAX} characters")
    if any(not char.isprintable() or char.isspace() for char in url):
        raise UrlRefused("is not a URL")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UrlRefused("is not a URL") from error
    if parts.scheme.lower() not in schemes or not host or port == 0:
        raise UrlRefused(f"must be an {' or '.join(sorted(schemes))} URL")
    if "@" in parts.netloc:
        raise UrlRefused("must not have a user or password")


def is_public(text: str) -> bool:
    """Tell whether an address, in numbers, is one of the public Internet's."""
    return _is_public(ipaddress.ip_address(text.partition("%")[0]))


def is_refusal(error: BaseException) -> bool:
    """Tell whether a request failed because of an address that is not public."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return isinstance(error.os_error, AddressRefused)
    return isinstance(error, AddressRefused)


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if address not in _GLOBAL_UNICAST or any(address in network for network in _TRANSLATED):
            return False
    elif any(address in network for network in _OF_CLOUDS):
        return False
    return address.is_global and not address.is_multicast


def _socket(info: _AddressInfo, reachable: Sequence[Network]) -> socket.socket:
    family, kind, protocol, _, place = info
    address = ipaddress.ip_address(str(place[0]).partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or address
    if not _is_public(address) and not any(mapped in network for network in reachable):
        raise AddressRefused("the address is not public")
    return socket.socket(family=family, type=kind, proto=protocol)


class _Resolver(AbstractResolver):
    """Looks names up in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="public-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        def look_up() -> list[ResolveResult]:
            found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
            return [
                ResolveResult(
                    hostname=host,
                    host=str(place[0]),
                    port=port,
                    family=kin,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
                for kin, _, protocol, _, place in found
            ]

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        except UnicodeError as error:  # a label is empty or too long to be looked up
            raise OSError("the host is not a name") from error

    async def close(self) -> None:
        # A look-up that hangs must not hold up the end.
        self._threads.shutdown(wait=False, cancel_futures=True)
