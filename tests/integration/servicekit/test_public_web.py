import ipaddress
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from servicekit.public_web import PublicWeb, UrlRefused, is_public, is_refusal, require_url

UNSPECIFIED = "0.0.0.0"  # noqa: S104 -- asked for, never listened on
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A service of ours on loopback, which no tenant's URL may reach."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": "/secret"})
        return web.Response(text=f"{request.method} secret")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", UNSPECIFIED, "LOCALHOST"]
)
async def test_no_way_of_writing_our_own_address_is_called(port: int, host: str) -> None:
    async with PublicWeb.open() as public:
        with pytest.raises((OSError, aiohttp.ClientError)) as caught:
            async with public.request("GET", f"http://{host}:{port}/", headers={}):
                pass

    assert is_refusal(caught.value)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "localhost."])
async def test_a_number_that_stands_for_our_address_is_not_called(port: int, host: str) -> None:
    async with PublicWeb.open() as public:
        with pytest.raises((OSError, aiohttp.ClientError, UrlRefused)):
            async with public.request("GET", f"http://{host}:{port}/", headers={}):
                pass


@pytest.mark.parametrize("host", ["a..b", "...", "a" * 64 + ".example"])
async def test_a_host_that_can_be_no_name_is_not_reached(host: str) -> None:
    async with PublicWeb.open() as public:
        with pytest.raises((OSError, aiohttp.ClientError, UrlRefused)):
            async with public.request("GET", f"http://{host}/", headers={}):
                pass


async def test_a_network_that_the_operator_names_is_called(port: int) -> None:
    async with (
        PublicWeb.open(reachable=LOOPBACK) as public,
        public.request("POST", f"http://localhost:{port}/", headers={}, data=b"x") as answer,
    ):
        assert await answer.text() == "POST secret"


async def test_a_redirect_is_given_back_and_not_followed(port: int) -> None:
    async with (
        PublicWeb.open(reachable=LOOPBACK) as public,
        public.request("GET", f"http://127.0.0.1:{port}/moved", headers={}) as answer,
    ):
        assert (answer.status, answer.headers["Location"]) == (302, "/secret")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("192.168.1.1", False),
        ("224.0.0.1", False),
        (UNSPECIFIED, False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
        ("2001:0:a00:1::", False),
        ("::127.0.0.1", False),
        ("::ffff:0:10.0.0.1", False),
        ("fec0::1", False),
        ("5f00::1", False),
        ("168.63.129.16", False),
        ("192.0.0.192", False),
    ],
)
def test_only_addresses_of_the_internet_are_public(address: str, *, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.com/a", "must be an http or https URL"),
        ("file:///etc/passwd", "must be an http or https URL"),
        ("http:///nothing", "must be an http or https URL"),
        ("http://user:pw@example.com/", "must not have a user or password"),
        ("http://exam ple.com/", "is not a URL"),
        ("http://example.com:99999/", "is not a URL"),
        ("http://[::1/", "is not a URL"),
        ("http://example.com/\n", "is not a URL"),
        ("http://example.com/" + "a" * 5000, "has more than 4096 characters"),
    ],
)
def test_what_is_no_url_of_the_web_is_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(UrlRefused, match=why):
        require_url(url)


def test_the_caller_may_insist_on_https() -> None:
    require_url("https://example.com/hook", schemes=("https",))
    with pytest.raises(UrlRefused, match="must be an https URL"):
        require_url("http://example.com/hook", schemes=("https",))
