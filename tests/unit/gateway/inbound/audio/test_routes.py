import httpx
import pytest

from gateway.domain.scopes import Scope
from servicekit.errors import Kind, ServiceError
from unit.gateway.backend.house import House

PATH = "/evals/runs/eval_run_1/samples/7/audio"


class Refused(ServiceError):
    """What a test lets the orchestrator say."""

    def __init__(self, kind: Kind, reason: str, *, param: str = "") -> None:
        super().__init__("no", param=param)
        self.kind, self.reason = kind, reason


async def test_the_audio_is_answered_with_the_sample_it_belongs_to(
    house: House, client: httpx.AsyncClient
) -> None:
    house.audio.audio = "data:audio/wav;base64," + "A" * 5_000_000

    answer = await client.get(PATH, params={"task_id": "speech", "model": "ears"})

    assert answer.json() == {
        "object": "eval.sample.audio",
        "audio": house.audio.audio,
        "sample_index": 7,
        "task_id": "speech",
        "model": "ears",
    }
    (asked,) = house.audio.asked
    assert (asked.run_id, asked.sample_index) == ("eval_run_1", 7)
    assert (asked.task_id, asked.model) == ("speech", "ears")


@pytest.mark.parametrize(
    ("refusal", "status", "reason", "param"),
    [
        (
            Refused(Kind.INVALID_ARGUMENT, "SAMPLE_AMBIGUOUS", param="task_id"),
            400,
            "sample_ambiguous",
            "task_id",
        ),
        (Refused(Kind.NOT_FOUND, "RUN_NOT_FOUND"), 404, "run_not_found", None),
        (Refused(Kind.NOT_FOUND, "AUDIO_NOT_FOUND"), 404, "audio_not_found", None),
        (Refused(Kind.OUT_OF_RANGE, "AUDIO_TOO_LARGE"), 413, "audio_too_large", None),
        (Refused(Kind.UNAVAILABLE, "STORE_UNAVAILABLE"), 503, "store_unavailable", None),
    ],
)
async def test_each_refusal_has_its_status(
    house: House,
    client: httpx.AsyncClient,
    refusal: Refused,
    status: int,
    reason: str,
    param: str | None,
) -> None:
    house.audio.refusal = refusal

    answer = await client.get(PATH)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, status)
    assert (error["reason"], error["param"]) == (reason, param)


@pytest.mark.parametrize("index", ["-1", "2147483648", "x", "1.5"])
async def test_what_is_no_index_reaches_nobody(
    house: House, client: httpx.AsyncClient, index: str
) -> None:
    answer = await client.get(PATH.replace("7", index))

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "sample_index"
    assert house.audio.asked == []


async def test_reading_evals_is_the_scope_it_takes(house: House) -> None:
    async with house.client(Scope.READ_EVALS) as reader:
        assert (await reader.get(PATH)).status_code == 200
    async with house.client(Scope.WRITE_EVALS, Scope.READ_FILES) as writer:
        assert (await writer.get(PATH)).status_code == 403
