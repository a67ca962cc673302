import base64
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from cli.errors import NothingGraded
from cli.trials.models import Answers, AskedCall, PlayedBridge, read_vectors
from proctor.models.v1 import model_bridge_service_pb2 as pb


async def asked(bridge: PlayedBridge, endpoint: "pb.Endpoint.ValueType", **body: object) -> Any:
    """Make one call of the sample `s`, after one that was cancelled."""

    async def requests() -> AsyncIterator[pb.GenerateRequest]:
        yield pb.GenerateRequest(request_id="0", cancel=True)
        raw = json.dumps(body).encode()
        call = pb.ModelCall(endpoint=endpoint, body_json=raw, sample_id="s", include_body=True)
        yield pb.GenerateRequest(request_id="1", call=call)

    context: grpc.ServicerContext = object()  # type: ignore[assignment] # it is not looked at
    (response,) = [answer async for answer in bridge.Generate(requests(), context)]
    assert response.request_id == "1"
    return response


async def test_every_question_gets_the_text_and_is_noted() -> None:
    bridge = PlayedBridge(Answers(text="yes"))

    response = await asked(bridge, pb.ENDPOINT_RESPONSES, model="judge", input="?")

    assert response.answer.output_text == "yes"
    body = json.loads(response.answer.body_json)
    assert body["output"][0]["content"][0]["text"] == "yes"
    assert bridge.calls == [
        AskedCall(sample_id="s", method="responses_create", body={"model": "judge", "input": "?"})
    ]


@pytest.mark.parametrize(
    ("endpoint", "option"),
    [(pb.ENDPOINT_RESPONSES, "--judge-output"), (pb.ENDPOINT_EMBEDDINGS, "--embedding")],
)
async def test_what_nobody_answers_fails_with_a_sentence_that_says_what_to_do(
    endpoint: "pb.Endpoint.ValueType", option: str
) -> None:
    bridge = PlayedBridge(Answers())

    response = await asked(bridge, endpoint, input="?")

    assert option in response.failure.message
    assert len(bridge.calls) == 1


async def test_the_texts_of_a_call_take_the_vectors_in_turn() -> None:
    bridge = PlayedBridge(Answers(vectors=[[1.0], [2.0]]))

    many = await asked(bridge, pb.ENDPOINT_EMBEDDINGS, input=["a", "b", "c"])
    text = await asked(bridge, pb.ENDPOINT_EMBEDDINGS, input="a")
    tokens = await asked(bridge, pb.ENDPOINT_EMBEDDINGS, input=[7, 8])

    data = [json.loads(answer.answer.body_json)["data"] for answer in (many, text, tokens)]
    assert [[entry["embedding"] for entry in entries] for entries in data] == [
        [[1.0], [2.0], [1.0]],
        [[1.0]],
        [[1.0]],
    ]
    assert [entry["index"] for entry in data[0]] == [0, 1, 2]


async def test_an_embedding_can_be_asked_for_in_base64() -> None:
    bridge = PlayedBridge(Answers(vectors=[[1.0, -0.5]]))

    response = await asked(bridge, pb.ENDPOINT_EMBEDDINGS, input="a", encoding_format="base64")

    packed = json.loads(response.answer.body_json)["data"][0]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(packed)) == (1.0, -0.5)


def test_an_embedding_is_one_array_or_several() -> None:
    assert read_vectors("[1, 0.5]") == [[1.0, 0.5]]
    assert read_vectors("[[1], [2]]") == [[1.0], [2.0]]


@pytest.mark.parametrize("value", ["", "{}", "1", "[]", "[[]]", '["a"]', "[true]", "[[1], 2]"])
def test_what_is_no_embedding_is_refused(value: str) -> None:
    with pytest.raises(NothingGraded, match="--embedding"):
        read_vectors(value)
