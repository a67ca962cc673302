import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from localstack.errors import StartError
from localstack.model_server import ModelServer, running_model


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ModelServer]:
    async with running_model(tmp_path_factory.mktemp("model"), embeddings=True) as server:
        yield server


@pytest.fixture
async def client(model: ModelServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=model.base_url, timeout=50, trust_env=False) as client:
        yield client


async def chat(client: httpx.AsyncClient, **body: object) -> str:
    question = [{"role": "user", "content": "What is 12+30? Answer with a number."}]
    answer = await client.post(
        "/chat/completions", json={"messages": question, "max_tokens": 12, **body}
    )
    return str(answer.raise_for_status().json()["choices"][0]["message"]["content"])


async def test_four_at_once_get_the_same_answer_as_one_alone(client: httpx.AsyncClient) -> None:
    alone = await chat(client)

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(chat(client)) for _ in range(4)]

    assert alone.strip()
    assert [task.result() for task in asked] == [alone] * 4


async def test_temperature_and_seed_of_the_request_count(client: httpx.AsyncClient) -> None:
    answers = [await chat(client, temperature=2.0, seed=seed) for seed in (1, 1, 2, 3)]

    assert answers[0] == answers[1]
    assert len(set(answers)) > 1


async def test_responses_and_embeddings_are_served(client: httpx.AsyncClient) -> None:
    response = await client.post("/responses", json={"input": "Hello", "max_output_tokens": 4})
    embeddings = await client.post("/embeddings", json={"input": ["one", "two"]})

    assert response.raise_for_status().json()["output"][0]["content"][0]["type"] == "output_text"
    assert len(embeddings.raise_for_status().json()["data"]) == 2


async def test_a_prompt_beyond_the_context_is_refused_not_cut(client: httpx.AsyncClient) -> None:
    long = [{"role": "user", "content": "word " * 2_500}]

    answer = await client.post("/chat/completions", json={"messages": long})

    assert answer.status_code == 400
    assert "context" in answer.json()["error"]["message"]


async def test_a_taken_port_is_reported(tmp_path: Path, model: ModelServer) -> None:
    with pytest.raises(StartError, match=r"the port \d+ of the local model is taken"):
        await ModelServer(tmp_path, port=model.port).start()


async def test_a_killed_model_can_be_started_again(tmp_path: Path) -> None:
    async with running_model(tmp_path) as server:
        os.kill(server.pid, signal.SIGKILL)
        assert await server.wait() == -signal.SIGKILL

        await server.start()

        async with httpx.AsyncClient(base_url=server.base_url, timeout=50) as client:
            assert await chat(client)
