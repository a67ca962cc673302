"""POSTs to receivers that are slow, odd, elsewhere or ours."""

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator

import pytest

from gateway.domain.webhook import Webhook
from gateway.outbound.webhooks import receivers
from gateway.outbound.webhooks.receivers import WebhookPosts
from integration.gateway.webhooks.hearing import RECEIVERS, RawReceiver, delivery, listening
from servicekit.public_web import PublicWeb

REACHABLE = (ipaddress.ip_network(RECEIVERS),)


@pytest.fixture
async def posts() -> AsyncIterator[WebhookPosts]:
    async with PublicWeb.open(reachable=REACHABLE) as web:
        yield WebhookPosts(web, schemes=("http", "https"))


async def test_a_2xx_is_success_whatever_else_is_sent(posts: WebhookPosts) -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nmore and more"
    async with listening(RawReceiver(answer=endless)) as receiver:
        problem = await posts.send(delivery(1), Webhook(receiver.url, "secret"))

    assert problem == ""
    (head,) = receiver.heads
    assert b"X-Webhook-Signature: " in head
    assert b"X-Webhook-Id: event-001" in head


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500, 503])
async def test_any_other_status_is_a_failure_and_leads_nowhere(
    posts: WebhookPosts, status: int
) -> None:
    async with listening(RawReceiver()) as elsewhere, listening(RawReceiver()) as receiver:
        location = f"Location: {elsewhere.url}/\r\n"
        receiver.answer = f"HTTP/1.1 {status} X\r\n{location}Content-Length: 0\r\n\r\n".encode()

        problem = await posts.send(delivery(1), Webhook(receiver.url, None))

        assert problem == f"status_{status}"
        assert elsewhere.heads == []


async def test_a_receiver_that_says_nothing_is_left_in_time(
    posts: WebhookPosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receivers, "POST_TIMEOUT_S", 0.3)
    async with listening(RawReceiver(answer=None)) as receiver:
        began = time.monotonic()
        problem = await posts.send(delivery(1), Webhook(receiver.url, None))

    assert problem == "timeout"
    assert time.monotonic() - began < 10


async def test_what_is_no_http_is_unreachable(posts: WebhookPosts) -> None:
    async with listening(RawReceiver(answer=b"SSH-2.0-OpenSSH\r\n\r\n")) as receiver:
        assert await posts.send(delivery(1), Webhook(receiver.url, None)) == "unreachable"


async def test_nobody_there_is_unreachable(posts: WebhookPosts) -> None:
    async with listening(RawReceiver()) as receiver:
        gone = receiver.url

    assert await posts.send(delivery(1), Webhook(gone, None)) == "unreachable"


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "2130706433", "0x7f000001", "0.0.0.0", "[::1]"),  # noqa: S104
        *("[::ffff:127.0.0.1]", "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1"),
    ],
)
async def test_no_address_of_ours_is_called(posts: WebhookPosts, host: str) -> None:
    async with listening(RawReceiver(), host="127.0.0.1") as ours:
        port = ours.url.rpartition(":")[2]

        async with asyncio.timeout(30):
            problem = await posts.send(delivery(1), Webhook(f"http://{host}:{port}/", None))

        assert problem in {"address_not_public", "unreachable", "url_refused"}
        assert ours.heads == []


async def test_http_is_refused_where_only_https_is_allowed() -> None:
    async with PublicWeb.open(reachable=REACHABLE) as web, listening(RawReceiver()) as receiver:
        posts = WebhookPosts(web, schemes=("https",))

        assert await posts.send(delivery(1), Webhook(receiver.url, None)) == "url_refused"
        assert receiver.heads == []
