import orjson
import pytest

from integration.grader.conftest import Grader, rows
from proctor.sandbox.v1 import sandbox_service_pb2 as pb
from servicekit.errors import RemoteError


def prepare_task(**task: object) -> pb.PrepareTask:
    defaults = {"id": "task", "prompt_template": "{{ q }}?", "target_template": "{{ a }}"}
    return pb.PrepareTask(run_id="run", task_json=orjson.dumps(defaults | task))


async def test_rows_become_items_in_order(grader: Grader) -> None:
    batches = [rows(*({"q": batch * 100 + n, "a": "ü"} for n in range(100))) for batch in range(30)]

    items = await grader.prepare(prepare_task(), *batches)

    assert [item.sample_index for item in items] == list(range(3000))
    assert items[2999].prompt == "2999?"
    assert items[2999].target == "ü"
    assert items[2999].row_json == '{"q":2999,"a":"ü"}'.encode()
    assert not items[2999].choices_json


async def test_numbers_keep_every_digit(grader: Grader) -> None:
    row = b'{"q":18446744073709551615,"a":0.1}'

    (item,) = await grader.prepare(prepare_task(), pb.RowBatch(rows_jsonl=row))

    assert item.row_json == row
    assert item.prompt == "18446744073709551615?"


async def test_the_largest_rows_that_an_import_lets_in_come_out_again(grader: Grader) -> None:
    wide = b'{"q":1,"a":[' + b"0," * 249_996 + b"0]}"
    deep = b'{"q":1,"a":' + b"[" * 59 + b"]" * 59 + b"}"

    items = await grader.prepare(
        prepare_task(target_template="a"), pb.RowBatch(rows_jsonl=b"\n".join((wide, deep, wide)))
    )

    assert [item.row_json for item in items] == [wide, deep, wide]


async def test_examples_come_from_the_rows_that_are_sent_first(grader: Grader) -> None:
    task = prepare_task(fewshot={"count": 1, "dataset": {"file_id": "f"}, "separator": "|"})

    items = await grader.prepare(
        task,
        rows({"q": "ex", "a": "ample"}, fewshot=True),
        rows({"q": 1, "a": 2}, {"q": 3, "a": 4}),
    )

    assert [item.prompt for item in items] == ["ex?\nample|1?", "ex?\nample|3?"]


async def test_few_shot_rows_that_the_task_does_not_use_are_passed_over(grader: Grader) -> None:
    items = await grader.prepare(
        prepare_task(), rows({"q": "unused"}, fewshot=True), rows({"q": 1, "a": 2})
    )

    assert [item.prompt for item in items] == ["1?"]


async def test_a_preprocessor_may_drop_and_change_rows(grader: Grader) -> None:
    source = (
        "def transform(row):\n    return {**row, 'q': row['q'] * 2} if row['q'] % 2 else None\n"
    )
    task = prepare_task(preprocess={"type": "python", "source": source})

    items = await grader.prepare(task, rows(*({"q": n, "a": n} for n in range(5))))

    assert [(item.sample_index, item.prompt) for item in items] == [(0, "2?"), (1, "6?")]


async def test_a_row_that_cannot_be_rendered_is_an_item_with_an_error(grader: Grader) -> None:
    items = await grader.prepare(prepare_task(), rows({"q": 1, "a": 2}, {"a": 2}))

    assert [item.error_code for item in items] == ["", "template_error"]
    assert "q" in items[1].error_message


@pytest.mark.parametrize(
    ("source", "reason", "says"),
    [
        ("def transform(row):\n    return 1 / 0\n", "PREPROCESS_FAILED", "ZeroDivisionError"),
        ("def transform(row):\n    return None\n", "EMPTY_DATASET", "no rows"),
        ("import os\nos._exit(0)\n", "PREPROCESS_FAILED", "status 0"),
        ("import socket\nsocket.socket()\n", "PREPROCESS_FAILED", "PermissionError"),
        ("while True:\n    print('x' * 65536)\n", "PREPROCESS_FAILED", "printed"),
        ("import ctypes\nctypes.CDLL(None).ptrace(0)\n", "PREPROCESS_FAILED", "system call"),
        ("import time\ntime.sleep(60)\n", "PREPROCESS_FAILED", "1 s"),
    ],
)
async def test_a_preprocessor_that_fails_fails_the_preparation(
    grader: Grader, source: str, reason: str, says: str
) -> None:
    task = prepare_task(preprocess={"type": "python", "source": source, "timeout_seconds": 1})

    with pytest.raises(RemoteError) as failed:
        await grader.prepare(task, rows({"q": 1, "a": 2}))

    assert failed.value.reason == reason
    assert says in failed.value.message


async def test_a_dataset_without_rows_is_empty(grader: Grader) -> None:
    with pytest.raises(RemoteError) as failed:
        await grader.prepare(prepare_task())

    assert failed.value.reason == "EMPTY_DATASET"


async def test_few_shot_rows_after_others_are_refused(grader: Grader) -> None:
    with pytest.raises(RemoteError) as refused:
        await grader.prepare(
            prepare_task(), rows({"q": 1, "a": 2}), rows({"q": 1, "a": 2}, fewshot=True)
        )

    assert refused.value.reason == "ROWS_OUT_OF_ORDER"


async def test_a_caller_that_does_not_read_holds_up_the_jail_not_our_memory(grader: Grader) -> None:
    source = (
        "def transform_batch(rows):\n"
        "    return [{'q': 'x' * 10_000, 'a': n} for n in range(10_000)]\n"
    )
    task = prepare_task(preprocess={"type": "python", "contract": "batch", "source": source})
    call = grader.stub.Prepare()
    await call.write(pb.PrepareRequest(task=task))
    await call.write(pb.PrepareRequest(rows=rows({"q": 1, "a": 1})))
    await call.done_writing()

    answer = await call.read()

    assert isinstance(answer, pb.PrepareResponse)
    assert answer.items[0].prompt == "x" * 10_000 + "?"
    call.cancel()
