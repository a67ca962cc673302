"""Provider keys are in the gateway's environment, the hub token in the importer's: nowhere else."""

from pathlib import Path

import asyncpg
import pytest

from e2e.stack import CANARY_HUB_TOKEN, CANARY_KEY, Stack
from e2e.work import create_suite, samples, sums, task, upload_rows, wait
from hub.harness import jsonl, simplified
from servicekit.ids import new_id

SHOWS_ALL_IT_CAN_REACH = """
def grade(sample, item, ctx):
    answer = ctx.responses_create(input="1 + 1")
    return {"score": 1.0, "reason": str(answer) + str(dir(ctx)) + str(sample) + str(item)}
"""


async def test_no_provider_key_is_found_in_postgres_nats_logs_or_the_object_store(
    stack: Stack,
) -> None:
    with stack.sdk() as sdk:
        file_id = upload_rows(sdk, sums(1))
        grader = {"type": "python", "contract": "model_backed", "source": SHOWS_ALL_IT_CAN_REACH}
        suite_id = create_suite(sdk, task(file_id, grader=grader))
        run = wait(
            sdk,
            sdk.llm.evals.create_run(suite_id=suite_id, models=["adder"], judge_model="adder").id,
        )
        assert [sample.status for sample in samples(sdk, run.id)] == ["completed"]

    assert await rows_with(stack.postgres_dsn, CANARY_KEY) == []
    assert files_with(stack.state_dir, CANARY_KEY) == []


@pytest.mark.timeout(180)
async def test_the_hub_token_for_datasets_is_found_in_no_table_log_or_blob(stack: Stack) -> None:
    repo = f"owner/{new_id('secret')}"
    stack.hub.add(repo, {"test.jsonl": b'{"question": "1 + 1", "answer": "2"}'}, private=True)
    dataset, refused = {"path": repo}, {"path": f"{repo}-not-there"}
    stack.hub.tokens[CANARY_HUB_TOKEN].add(repo)
    with stack.sdk() as sdk:
        runs = []
        for found in (dataset, refused):
            suite_id = create_suite(sdk, task("", dataset=found))
            run_id = sdk.llm.evals.create_run(suite_id=suite_id, models=["adder"]).id
            runs.append(wait(sdk, run_id, seconds=120))

    assert [run.status for run in runs] == ["completed", "failed"]
    assert {seen.token for seen in stack.hub.seen if repo in seen.path} == {CANARY_HUB_TOKEN}
    assert await rows_with(stack.postgres_dsn, CANARY_HUB_TOKEN) == []
    assert files_with(stack.state_dir, CANARY_HUB_TOKEN) == []


@pytest.mark.timeout(180)
async def test_the_token_of_an_import_is_found_nowhere_and_goes_to_the_hub_only(
    stack: Stack,
) -> None:
    token, unknown = "hf_canary_import_4e61", "hf_canary_unknown_90b2"
    repo = f"owner/{new_id('imp')}"
    rows = jsonl(simplified(number, 1.0) for number in range(3))
    stack.hub.large_bytes = 10  # the storage is another host, which redirects lead to
    stack.hub.add(repo, {"m/one_samples.jsonl": rows}, private=True)
    stack.hub.tokens[token] = {repo}

    with stack.http() as http:
        for held, repos in ((token, repo), (unknown, repo), (token, f"{repo}x")):
            http.post(
                "/evals/imports/huggingface-results",
                headers={"X-HuggingFace-Token": held},
                json={"source": {"repo": repos}, "metadata": {"held": str(len(held))}},
            )
    stack.hub.large_bytes = 10_000_000

    seen = [(entry.host, entry.token) for entry in stack.hub.seen if repo in entry.path]
    assert ("hub", token) in seen
    assert ("hub", unknown) in seen
    assert {entry.token for entry in stack.hub.seen if entry.host == "storage"} == {None}
    for needle in (token, unknown):
        assert await rows_with(stack.postgres_dsn, needle) == []
        assert files_with(stack.state_dir, needle) == []


async def test_the_search_for_the_key_would_find_it(stack: Stack) -> None:
    with stack.sdk() as sdk:
        sdk.llm.files.upload(
            file={"file_name": "canary-7c1e.txt", "content": b"canary-in-a-blob-5d0b"},
            purpose="evals",
        )

    assert await rows_with(stack.postgres_dsn, "canary-7c1e") != []
    assert files_with(stack.state_dir, "canary-in-a-blob-5d0b") != []


async def rows_with(dsn: str, needle: str) -> list[str]:
    """Tables of every schema that hold the needle in some row."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "select format('%I.%I', table_schema, table_name) as name "
            "from information_schema.tables "
            "where table_schema not in ('pg_catalog', 'information_schema')"
        )
        assert tables
        found = []
        for table in tables:
            query = "select count(*) from {} t where position($1 in t::text) > 0"
            if await connection.fetchval(query.format(table["name"]), needle):
                found.append(table["name"])
        return found
    finally:
        await connection.close()


def files_with(folder: Path, needle: str) -> list[str]:
    """Files below a folder that hold the needle: blobs, NATS messages, logs, settings."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and needle.encode() in path.read_bytes()
    ]
