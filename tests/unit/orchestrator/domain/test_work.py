import pytest

from orchestrator.domain.sharding import ShardKind
from orchestrator.domain.tokens import NO_TOKENS
from orchestrator.domain.work import (
    ROW_BYTES_MAX,
    TEXT_BYTES_MAX,
    GradableSample,
    Item,
    Lease,
    Shard,
)


@pytest.mark.parametrize(
    ("kind", "grouped"),
    [
        (ShardKind.PER_SAMPLE, False),
        (ShardKind.GENERATE, True),
        (ShardKind.AGGREGATE, True),
    ],
)
def test_a_shard_knows_its_size_and_whether_its_group_is_graded_whole(
    kind: ShardKind,
    grouped: bool,  # noqa: FBT001
) -> None:
    shard = Shard(
        lease=Lease(run_id="run", shard_no=1, epoch=1),
        kind=kind,
        task_ord=0,
        model_ord=0,
        from_index=3,
        to_index=5,
    )

    assert shard.size == 2
    assert shard.is_grouped is grouped


def item(
    *,
    row_json: str = "{}",
    prompt: str = "",
    target: str | None = None,
    choices_json: str | None = None,
) -> Item:
    return Item(
        sample_index=3,
        row_json=row_json,
        prompt=prompt,
        target=target,
        choices_json=choices_json,
    )


@pytest.mark.parametrize("text", ["short", "x" * TEXT_BYTES_MAX, "é" * (TEXT_BYTES_MAX // 2)])
def test_an_item_that_can_travel_is_left_alone(text: str) -> None:
    prepared = item(prompt=text)

    assert prepared.bounded() is prepared


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ({"row_json": "x" * (ROW_BYTES_MAX + 1)}, "row"),
        ({"prompt": "é" * (TEXT_BYTES_MAX // 2 + 1)}, "prompt"),
        ({"target": "x" * TEXT_BYTES_MAX, "choices_json": "[]"}, "target and choices"),
    ],
)
def test_an_item_that_cannot_travel_fails_its_samples(texts: dict[str, str], name: str) -> None:
    failed = item(**texts).bounded()

    assert failed.sample_index == 3
    assert failed.error_code == "template_error"
    assert failed.error_message is not None
    assert failed.error_message.startswith(name)
    assert (failed.row_json, failed.prompt, failed.target) == ("{}", "", None)


def gradable(output: str | None) -> GradableSample:
    return GradableSample(
        sample_index=0,
        sample_id="sample",
        row_json=b"{}",
        prompt="ab",
        target=None,
        choices_json=b"",
        output_text=output,
        response_id=None,
        tokens=NO_TOKENS,
    )


@pytest.mark.parametrize(
    ("output", "bytes_max", "fits"),
    [(None, 100, True), ("é", 6, True), ("éé", 8, True), ("éé", 7, False)],
)
def test_a_sample_fits_by_its_bytes(output: str | None, bytes_max: int, fits: bool) -> None:  # noqa: FBT001
    assert gradable(output).fits(bytes_max) is fits
