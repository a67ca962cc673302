import asyncio
import base64
import ipaddress
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from gateway.bridge.call import Answer, AnswerStatus, Endpoint, Purpose
from gateway.domain.usage import TokenCounts
from integration.gateway.bridge.bridge_parts import BridgeParts, opened, token
from load.mock_speech import SPEECH_BYTES_MAX, MockSpeech, recording, serving
from servicekit.public_web import Network

LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture
def speech() -> MockSpeech:
    return MockSpeech()


@pytest.fixture
async def url(speech: MockSpeech) -> AsyncIterator[str]:
    async with serving(speech) as base_url:
        yield base_url


@pytest.fixture
async def bridge(url: str, tmp_path: Path) -> AsyncIterator[BridgeParts]:
    async with opened(url, tmp_path, reachable=LOOPBACK) as parts:
        yield parts


def spoken_uri(text: str, *, size: int = 0) -> str:
    return f"data:audio/wav;base64,{base64.b64encode(recording(text, size=size)).decode()}"


async def transcribe(
    bridge: BridgeParts,
    audio: str,
    model: str = "small",
    *,
    fields: Mapping[str, object] = MappingProxyType({}),
    **more: object,
) -> Answer:
    given = {"endpoint": Endpoint.TRANSCRIPTIONS, **fields}
    return await bridge.ask(model, body={"audio": audio, **more}, **given)


async def refused(
    bridge: BridgeParts, audio: object, model: str = "small", **fields: object
) -> str:
    given = {"endpoint": Endpoint.TRANSCRIPTIONS, **fields}
    failure = await bridge.failure(model, body={"audio": audio}, **given)
    return f"{failure.code}: {failure.message}"


async def test_a_provider_that_speaks_responses_gets_the_model_in_the_address(
    bridge: BridgeParts, speech: MockSpeech
) -> None:
    answer = await transcribe(
        bridge, spoken_uri("good morning"), language="en-GB", prompt="a & b", temperature=0
    )

    assert answer == Answer(status=AnswerStatus.COMPLETED, output_text="good morning")
    (heard,) = speech.heard
    assert heard["path"] == "/v1/speech/transcriptions"
    assert heard["query"] == {
        "model": "small",
        "language": "en-GB",
        "prompt": "a & b",
        "temperature": "0",
    }
    assert heard["form"] == {}
    assert (heard["filename"], heard["content_type"]) == ("audio.wav", "audio/wav")


async def test_a_provider_of_openai_s_shape_gets_everything_in_the_form(
    bridge: BridgeParts, speech: MockSpeech
) -> None:
    answer = await transcribe(bridge, spoken_uri("good\r\nmorning"), "chat", language="uk")

    assert answer.output_text == "good\r\nmorning"
    (heard,) = speech.heard
    assert (heard["path"], heard["query"]) == ("/v1/audio/transcriptions", {})
    assert heard["form"] == {"model": "Chat-1", "language": "uk", "response_format": "json"}


async def test_tokens_count_when_the_provider_reports_them(
    bridge: BridgeParts, speech: MockSpeech
) -> None:
    speech.usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 3, "total_tokens": 17}
    tokens = (await transcribe(bridge, spoken_uri("hello"))).tokens
    assert tokens == TokenCounts(input_tokens=14, output_tokens=3)

    speech.usage = {"type": "duration", "seconds": 3}
    assert (await transcribe(bridge, spoken_uri("hello"))).tokens == TokenCounts()


async def test_a_recording_is_fetched_where_its_url_says(
    bridge: BridgeParts, speech: MockSpeech, url: str
) -> None:
    place = url.removesuffix("/v1")
    moved = f"{place}/moved.wav?to=/audio/hello%2520there.wav"

    assert (await transcribe(bridge, f"{place}/audio/hello.wav")).output_text == "hello"
    assert (await transcribe(bridge, moved)).output_text == "hello there"
    assert dict(speech.fetched) == {"hello": 1, "hello there": 1}


async def test_a_recording_of_25_mib_arrives_whole_and_a_larger_one_not_at_all(
    bridge: BridgeParts, speech: MockSpeech, url: str
) -> None:
    place = url.removesuffix("/v1")

    answer = await transcribe(bridge, f"{place}/audio/hello.wav?size={SPEECH_BYTES_MAX}")

    assert answer.output_text == "hello"
    assert speech.heard[0]["size"] == SPEECH_BYTES_MAX
    assert await refused(bridge, f"{place}/large.wav") == (
        "audio_too_large: the audio is larger than 25 MiB"
    )


async def test_what_cannot_be_fetched_fails_with_the_reason_and_without_the_url(
    bridge: BridgeParts, speech: MockSpeech, url: str
) -> None:
    place = url.removesuffix("/v1")

    gone = await refused(bridge, f"{place}/gone.wav?signature=secret")
    assert gone == "audio_unreachable: the audio could not be fetched: its server answered 404"
    page = await refused(bridge, f"{place}/page.wav")
    assert page.startswith("audio_invalid: the audio, declared as 'text/html', is none of flac")
    looping = await refused(bridge, f"{place}/moved.wav?to=/moved.wav?to=/moved.wav")
    assert looping.startswith("audio_unreachable: the audio could not be fetched: its server")
    assert (await refused(bridge, "http://127.0.0.1:1/a.wav")).endswith("could not be reached")
    assert speech.heard == []


@pytest.mark.parametrize(
    "to", ["http://[::1]:80/a.wav", "http://10.0.0.1/a.wav", "http://169.254.169.254/latest"]
)
async def test_a_url_or_redirect_to_an_address_of_ours_is_not_followed(
    bridge: BridgeParts, url: str, to: str
) -> None:
    place = url.removesuffix("/v1")

    for audio in (to, f"{place}/moved.wav?to={to}"):
        said = await refused(bridge, audio)
        assert (
            said == "audio_unreachable: the audio could not be fetched: its address is not public"
        )
    assert bridge.pauses == []


async def test_a_redirect_to_another_scheme_is_refused(bridge: BridgeParts, url: str) -> None:
    place = url.removesuffix("/v1")

    said = await refused(bridge, f"{place}/moved.wav?to=file:///etc/passwd")

    assert said == "audio_invalid: the audio's URL must be an http or https URL"


@pytest.mark.parametrize("to", ["http://[::1", "http://[x]/"])
async def test_a_redirect_to_what_is_no_address_is_refused(
    bridge: BridgeParts, url: str, to: str
) -> None:
    said = await refused(bridge, f"{url.removesuffix('/v1')}/moved.wav?to={to}")

    assert said.startswith("audio_unreachable: ")
    assert bridge.pauses == []


async def test_without_the_operator_s_word_loopback_is_no_place_for_recordings(
    url: str, tmp_path: Path
) -> None:
    async with opened(url, tmp_path) as parts:
        said = await refused(parts, f"{url.removesuffix('/v1')}/audio/hello.wav")

    assert said.endswith("its address is not public")


async def test_passing_trouble_of_the_provider_is_repeated_and_a_refusal_is_final(
    bridge: BridgeParts, speech: MockSpeech
) -> None:
    speech.refusals = 2
    answer = await transcribe(bridge, spoken_uri("hello"), fields={"max_retries": 2})
    assert (answer.output_text, bridge.progress.attempts) == ("hello", 3)

    flac = "data:audio/flac;base64," + base64.b64encode(b"fLaC").decode()
    said = await refused(bridge, flac, max_retries=5)
    assert (
        said
        == "model_http_400: provider open answered 400: audio.flac: the format is not supported"
    )
    assert bridge.progress.attempts == 1


async def test_silence_is_asked_for_again_and_then_taken(
    bridge: BridgeParts, speech: MockSpeech
) -> None:
    answer = await transcribe(bridge, spoken_uri(""), fields={"max_empty_retries": 1})

    assert (answer.output_text, len(speech.heard)) == ("", 2)


@pytest.mark.parametrize(
    ("audio", "model", "said"),
    [
        (None, "small", "invalid_request: audio must be a data: URI or an http(s) URL"),
        (["a"], "small", "invalid_request: audio must be a data: URI or an http(s) URL"),
        ("data:audio/wav;base64,????", "small", "audio_invalid: the audio's data: URI is not"),
        ("hello.wav", "small", "audio_invalid: the audio's URL must be an http or https URL"),
        (spoken_uri("a"), "embed", "model_not_allowed: the run may not call model 'embed'"),
        (spoken_uri("a"), "nowhere", "model_unknown: no provider is configured for model"),
    ],
)
async def test_what_is_not_asked_well_reaches_no_provider(
    bridge: BridgeParts, speech: MockSpeech, audio: object, model: str, said: str
) -> None:
    assert (await refused(bridge, audio, model)).startswith(said)
    assert speech.heard == []


async def test_a_model_of_embeddings_writes_nothing_down(bridge: BridgeParts) -> None:
    with_embed = token(candidates=("embed",))

    said = await refused(bridge, spoken_uri("a"), "embed", run_token=with_embed)

    assert said == "invalid_request: model 'embed' does not serve transcriptions"


async def test_graders_ask_for_no_transcriptions(bridge: BridgeParts) -> None:
    said = await refused(bridge, "http://example.com/a.wav", purpose=Purpose.GRADER)

    assert said == "invalid_request: graders cannot ask for transcriptions"


async def test_so_many_recordings_are_held_at_a_time(
    speech: MockSpeech, url: str, tmp_path: Path
) -> None:
    speech.released = asyncio.Event()
    async with (
        opened(url, tmp_path, recordings_at_once=2) as parts,
        asyncio.TaskGroup() as tasks,
    ):
        for number in range(12):
            tasks.create_task(transcribe(parts, spoken_uri(f"number {number}")))
        while speech.in_flight < 2:
            await asyncio.sleep(0.01)  # a poll's pause
        speech.released.set()

    assert len(speech.heard) == 12
    assert speech.in_flight_max == 2
