"""A file that is read once gives what a survey first would give, or says that it cannot."""

from collections.abc import AsyncIterator, Sequence

import pytest

from hub.harness import Row, generation, jsonl, simplified
from importer.domain.harness.samples import HarnessSample
from importer.usecases import results_file
from importer.usecases.results_file import (
    STEP_ROWS,
    NotAsItBegan,
    ResultsFile,
    SingleReading,
    spooled,
)

# The last row is in a later step than the first.
LATE = 2 * STEP_ROWS


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def surveyed(file: ResultsFile) -> list[HarnessSample]:
    survey = await file.survey()
    return [sample async for batch in file.samples(survey) for sample in batch]


async def read_once(file: ResultsFile) -> tuple[SingleReading, list[HarnessSample]]:
    reading = SingleReading(file)
    await reading.begin()
    return reading, [sample async for batch in reading.samples() for sample in batch]


def rows(count: int = LATE) -> list[object]:
    return [generation(number, str(number % 3), "0") for number in range(count)]


async def both(content: bytes) -> tuple[list[HarnessSample], list[HarnessSample]]:
    async with spooled("samples_x.jsonl", chunks(content), bytes_max=2**30) as file:
        _, at_once = await read_once(file)
        return at_once, await surveyed(file)


async def refused(content: Sequence[object] | bytes) -> list[HarnessSample]:
    """What a survey first gives; reading once must have given up."""
    content = content if isinstance(content, bytes) else jsonl(content)
    async with spooled("samples_x.jsonl", chunks(content), bytes_max=2**30) as file:
        with pytest.raises(NotAsItBegan):
            await read_once(file)
        return await surveyed(file)


async def test_a_file_that_is_alike_gives_the_same_samples_in_one_reading() -> None:
    at_once, first_surveyed = await both(jsonl(rows()))

    assert at_once == first_surveyed
    assert [sample.sample_index for sample in at_once] == list(range(LATE))


async def test_broken_lines_and_rows_without_ids_change_nothing_of_that() -> None:
    simple = [simplified(number, 1.0) for number in range(LATE)]
    content = b"{broken\n" + jsonl([*simple[:STEP_ROWS], [1], *simple[STEP_ROWS:]]) + b"{\n"

    at_once, first_surveyed = await both(content)

    assert at_once == first_surveyed
    assert len(at_once) == LATE + 1


async def test_what_is_known_of_the_file_behind_the_last_sample_is_all_that_a_survey_tells() -> (
    None
):
    late: Row = generation(LATE, "1", "1", metrics=["exact_match", "late"], late="words")
    content = jsonl([*rows(), late])
    async with spooled("samples_x.jsonl", chunks(content), bytes_max=2**30) as file:
        reading, _ = await read_once(file)
        survey = await file.survey()

    assert reading.survey.metrics == survey.metrics == {"exact_match": True, "late": False}
    assert reading.survey.rows == survey.rows == LATE + 1


async def test_a_filter_that_comes_late_needs_a_survey() -> None:
    samples = await refused([*rows(), generation(0, "0", "0", filter="strict-match")])

    assert samples[0].scores_json == (
        b'{"exact_match":1.0,"score":1.0,"exact_match,none":1.0,"exact_match,strict-match":1.0}'
    )


async def test_a_filter_with_a_text_for_a_name_needs_a_survey() -> None:
    content = jsonl([*rows(), generation(LATE, "0", "0", filter="f" * 1000)])
    async with spooled("samples_x.jsonl", chunks(content), bytes_max=2**30) as file:
        with pytest.raises(NotAsItBegan):
            await read_once(file)
        survey = await file.survey()

    assert survey.holds_too_much


@pytest.mark.parametrize("late", [generation(5, "0", "0"), "no object"])
async def test_ids_that_turn_out_to_be_none_need_a_survey(late: object) -> None:
    samples = await refused([*rows(), late])

    assert [sample.sample_index for sample in samples] == list(range(LATE + 1))


async def test_a_metric_that_counts_for_more_and_comes_late_needs_a_survey() -> None:
    plain = [{"prompt": "say", "acc": 1} for _ in range(LATE)]
    samples = await refused([*plain, {"prompt": "say", "exact_match": 0.5}])

    assert samples[-1].scores_json == b'{"exact_match":0.5,"score":0.5}'
    assert samples[0].scores_json == b'{"acc":1}'  # what counts is the same metric in all rows


async def test_a_file_that_breaks_in_the_end_needs_a_survey() -> None:
    await refused(jsonl(rows()) + b"{\n" * (LATE + 1))


async def test_more_rows_than_a_run_may_have_are_not_made_samples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(results_file, "ROWS_MAX", LATE - 1)

    await refused(rows())


@pytest.mark.parametrize("content", [b"", b"\n\n", b"{\n", b"[]\n"])
async def test_a_beginning_that_tells_nothing_needs_a_survey(content: bytes) -> None:
    await refused(content)
