"""An embedding model that anybody can work out: words become numbers of a vector."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from integration.orchestrator.fake_bridge import Answer
from proctor.common.v1.usage_pb2 import TokenUsage
from proctor.models.v1 import model_bridge_service_pb2 as pb

SIZE = 16


def vector(text: str) -> NDArray[np.float32]:
    """The sum of the vectors of its words, each of which follows from the word alone."""
    total = np.full(SIZE, 0.01)
    for word in text.split():
        digest = hashlib.sha256(word.encode()).digest()[:SIZE]
        total += np.frombuffer(digest, dtype=np.uint8) / 255 - 0.5
    return total.astype(np.float32)


def vectors(texts: Iterable[str]) -> NDArray[np.float32]:
    return np.stack([vector(text) for text in texts])


def embed(body: dict[str, Any]) -> Answer:
    """Answer as an embeddings model does; a token is a word."""
    texts: list[str] = body["input"]
    data = [
        {"object": "embedding", "index": place, "embedding": vector(text).tolist()}
        for place, text in enumerate(texts)
    ]
    return pb.ModelAnswer(
        tokens=TokenUsage(input_tokens=sum(len(text.split()) for text in texts)),
        body_json=orjson.dumps({"object": "list", "data": data, "model": body["model"]}),
    )


def refusing(
    refused: Callable[[str], bool], *, status: int = 400
) -> Callable[[dict[str, Any]], Answer]:
    """A model whose provider refuses a request with certain texts in it."""

    def answer(body: dict[str, Any]) -> Answer:
        if any(refused(text) for text in body["input"]):
            return pb.ModelFailure(
                code=f"model_http_{status}", message="the input is too long", http_status=status
            )
        return embed(body)

    return answer
