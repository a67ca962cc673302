"""The way to receivers: who they are, and a POST to them."""

import asyncio
from collections.abc import Collection
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from gateway.domain.webhook import Delivery, Webhook, headers_of
from proctor.schedules.v1 import schedule_service_pb2 as pb
from servicekit.caller import Caller, calling_as
from servicekit.errors import Kind, RemoteError
from servicekit.public_web import PublicWeb, UrlRefused, is_refusal

if TYPE_CHECKING:  # this class is in the stubs only
    from proctor.schedules.v1.schedule_service_pb2_grpc import ScheduleServiceAsyncStub

# From the look-up of the name to the head of the answer.
POST_TIMEOUT_S = 10.0
LOOKUP_TIMEOUT_S = 10.0


class ScheduleWebhooks:
    """Webhooks as the schedule service has them at the moment."""

    def __init__(self, schedules: "ScheduleServiceAsyncStub") -> None:
        self._schedules = schedules

    async def find(self, *, org_id: str, team_id: str, schedule_id: str) -> Webhook | None:
        """Return where runs of a schedule are told of; None: nowhere, or it is deleted.

        Raises:
            RemoteError: the service is away.
        """
        question = pb.GetScheduleWebhookRequest(schedule_id=schedule_id)
        with calling_as(Caller(org_id=org_id, team_id=team_id)):
            try:
                answer = await self._schedules.GetScheduleWebhook(
                    question, timeout=LOOKUP_TIMEOUT_S
                )
            except RemoteError as error:
                if error.kind is Kind.NOT_FOUND:
                    return None
                raise
        if not answer.HasField("url"):
            return None
        return Webhook(answer.url, answer.secret if answer.HasField("secret") else None)


class WebhookPosts:
    """POSTs to receivers; follows no redirect and reads nothing of an answer but its status."""

    def __init__(self, web: PublicWeb, *, schemes: Collection[str]) -> None:
        self._web = web
        self._schemes = schemes

    async def send(self, delivery: Delivery, webhook: Webhook) -> str:
        """Send once; return an empty text when it was taken (2xx), else a short word why not."""
        try:
            async with (
                asyncio.timeout(POST_TIMEOUT_S),
                self._web.request(
                    "POST",
                    webhook.url,
                    headers=headers_of(delivery, webhook),
                    data=delivery.body,
                    schemes=self._schemes,
                ) as response,
            ):
                taken = HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES
                return "" if taken else f"status_{response.status}"
        except UrlRefused:
            return "url_refused"
        except TimeoutError:
            return "timeout"
        except (OSError, aiohttp.ClientError) as error:
            return "address_not_public" if is_refusal(error) else "unreachable"
