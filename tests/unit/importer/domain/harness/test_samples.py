"""From the lines of a samples file to samples."""

import json
from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from hub.harness import choice, generation, jsonl, simplified
from importer.domain.harness.lines import BROKEN, LINE_BYTES_MAX, LineReader
from importer.domain.harness.samples import FilteredScores, HarnessSample, SampleMaker
from importer.domain.harness.survey import COLUMNS_MAX, FILTER_CHARS_MAX, FILTERS_MAX, Survey


def lines_of(content: bytes, *, step: int = 64) -> list[object]:
    reader = LineReader()
    found: list[object] = []
    for start in range(0, len(content), step):
        found.extend(reader.feed(content[start : start + step]))
    return [*found, *reader.end()]


def survey_of(lines: Iterable[object]) -> Survey:
    survey = Survey()
    for line in lines:
        survey.add(line)
    return survey


def made(content: bytes) -> list[HarnessSample]:
    lines = lines_of(content)
    survey = survey_of(lines)
    filtered = FilteredScores(survey) if len(survey.filters) > 1 else None
    for line in lines:
        if filtered:
            filtered.add(line)
    maker = SampleMaker(survey, filtered)
    return [sample for line in lines if (sample := maker.make(line)) is not None]


def one(row: object) -> HarnessSample:
    (sample,) = made(jsonl([row]))
    return sample


def test_a_line_that_is_too_long_is_broken_and_is_not_held() -> None:
    reader = LineReader()
    chunk = b"x" * (1024 * 1024)
    for _ in range(LINE_BYTES_MAX // len(chunk) + 2):
        assert list(reader.feed(chunk)) == []
        assert len(reader._rest) <= LINE_BYTES_MAX

    assert list(reader.feed(b'\n{"a": 1}\n')) == [BROKEN, {"a": 1}]


def test_a_line_that_is_too_long_is_broken_also_when_it_comes_at_once() -> None:
    too_long = b"1" * (LINE_BYTES_MAX + 1)
    reader = LineReader()

    assert list(reader.feed(b"1\n" + too_long + b"\n2\n3")) == [1, BROKEN, 2]
    assert list(reader.end()) == [3]


def test_lines_are_the_same_however_they_are_cut() -> None:
    content = b'\xef\xbb\xbf{"a": 1}\r\n\n  \n{broken\n[1]\n{"b": 2}'

    for step in (1, 3, 1000):
        assert lines_of(content, step=step) == [{"a": 1}, BROKEN, [1], {"b": 2}]


def test_what_the_harness_calls_nan_is_null_and_what_cannot_be_written_again_is_broken() -> None:
    assert lines_of(b'{"acc": NaN, "f1": -Infinity}\n{"a": "\\ud800", "b": NaN}\n') == [
        {"acc": None, "f1": None},
        BROKEN,
    ]


def test_what_is_nested_too_deep_for_later_readers_is_broken() -> None:
    assert lines_of(b"[" * 61 + b"]" * 61) == [BROKEN]
    assert lines_of(b"[" * 60 + b"]" * 60) != [BROKEN]
    assert lines_of(b"[" * 5000 + b"]" * 5000) == [BROKEN]


def test_the_likeliest_choice_is_the_output() -> None:
    sample = one(choice(0, 2, 1))

    assert (sample.output_text, sample.extracted_output, sample.target) == ("blue", "2", "1")
    assert sample.prompt == "Q: question 0\nA:"


def test_the_text_is_the_output_and_the_filtered_one_was_extracted() -> None:
    sample = one(generation(0, "4", "4", filtered_resps=[["4"]]))

    assert (sample.output_text, sample.extracted_output) == ("It is 4.", "4")


def test_how_likely_a_single_text_is_is_no_output() -> None:
    row = generation(0, "4", "4", resps=[[["-1.5", "True"]]], filtered_resps=[["-1.5", "True"]])
    sample = one(row)

    assert (sample.output_text, sample.extracted_output) == (None, None)


def test_the_layout_before_the_end_of_2024_is_read() -> None:
    row: dict[str, Any] = {
        "doc_id": 3,
        "doc": {"q": 1},
        "target": 2,
        "arguments": [["old prompt", {"until": []}]],
        "resps": [["text"]],
        "filtered_resps": ["text"],
        "exact_match": 1.0,
        "acc": True,
        "note": "no metric",
    }
    sample = one(row)

    assert (sample.sample_index, sample.prompt, sample.target) == (3, "old prompt", "2")
    assert orjson.loads(sample.scores_json) == {"exact_match": 1.0, "acc": 1, "score": 1.0}


@pytest.mark.parametrize(
    "prompt",
    [
        [json.dumps([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}])],
        json.dumps([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]),
        [
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {"role": "assistant", "content": "ho"},
        ],
    ],
)
def test_a_chat_prompt_is_a_line_a_message(prompt: object) -> None:
    row = generation(0, "4", "4", arguments={"gen_args_0": {"arg_0": prompt, "arg_1": {}}})

    assert one(row).prompt == "user: hi\nassistant: ho"


def test_several_filters_are_one_sample_a_document_with_the_preferred_ones_metrics() -> None:
    content = jsonl(
        [
            *(generation(n, "x", "4", filter="flexible-extract") for n in (7, 9)),
            *(generation(n, "4", "4", filter="strict-match") for n in (7, 9)),
        ]
    )
    samples = made(content)

    assert [sample.sample_index for sample in samples] == [7, 9]
    assert orjson.loads(samples[0].scores_json) == {
        "exact_match": 1.0,
        "score": 1.0,
        "exact_match,flexible-extract": 0.0,
        "exact_match,strict-match": 1.0,
    }


def test_a_document_that_the_preferred_filter_lacks_is_taken_from_the_next() -> None:
    rows = [
        generation(0, "4", "4", filter="strict-match"),
        generation(0, "x", "4", filter="other"),
        generation(1, "x", "4", filter="other"),
    ]

    assert [sample.sample_index for sample in made(jsonl(rows))] == [0, 1]


@pytest.mark.parametrize("ids", [(0, 0), (0, -1), (0, "1"), (0, None), (0, True), (0, 2**40)])
def test_ids_that_do_not_tell_documents_apart_give_way_to_their_order(ids: tuple[Any, Any]) -> None:
    rows = [simplified(0, 1.0, doc_id=ids[0]), simplified(1, 1.0, doc_id=ids[1])]
    content = jsonl([rows[0]]) + b"broken\n" + jsonl([rows[1]])

    assert [sample.sample_index for sample in made(content)] == [0, 1]


def test_the_score_that_counts_is_the_contracts_first() -> None:
    row = simplified(0, 0.25, acc=1.0, wer=0.5)
    del row["score"]
    own = simplified(0, 0.25, acc=1.0)
    unknown = generation(0, "4", "4", metrics=["mine", "yours"], mine=3, yours=4)

    assert orjson.loads(one(row).scores_json)["score"] == 1.0
    assert orjson.loads(one(own).scores_json)["score"] == 0.25
    assert orjson.loads(one(unknown).scores_json) == {"mine": 3, "yours": 4, "score": 3}


def test_what_is_no_number_stays_with_the_sample_and_is_no_score() -> None:
    metrics = ["bleu", "bypass", "note"]
    sample = one(generation(0, "4", "4", metrics=metrics, bleu=["a", "b"], bypass=999, note="x"))

    assert sample.failure == "the row has no usable score"
    assert sample.scores_json == b"{}"
    assert orjson.loads(sample.judge_json)["raw_metrics"] == {
        "bleu": ["a", "b"],
        "bypass": 999,
        "note": "x",
    }


def test_what_is_no_object_is_a_failed_sample() -> None:
    samples = made(jsonl([[1, 2], simplified(0, 1.0)]))

    assert [sample.failure for sample in samples] == ["the row is not an object", ""]
    assert [sample.sample_index for sample in samples] == [0, 1]


def test_results_have_a_few_filters() -> None:
    lines = [{"filter": f"f{n}", "doc_id": 2**31 - 1, "acc": 1} for n in range(FILTERS_MAX)]
    survey = survey_of(lines)
    assert not survey.holds_too_much

    survey.add({"filter": "one more", "doc_id": 0, "acc": 1})
    survey.add("what goes with it")

    assert survey.holds_too_much
    assert len(survey.filters) == FILTERS_MAX


def test_a_filter_has_a_name_and_not_a_text() -> None:
    survey = survey_of([{"filter": "f" * FILTER_CHARS_MAX, "acc": 1}])
    assert not survey.holds_too_much

    survey.add({"filter": "f" * (FILTER_CHARS_MAX + 1), "acc": 1})

    assert survey.holds_too_much
    assert not survey.has_one_filter


def test_a_document_has_so_many_scores_of_all_its_filters() -> None:
    names = [f"m{n}" for n in range(100)]
    filters = COLUMNS_MAX // len(names)
    rows = [{"filter": f"f{n}", "doc_id": 0, **dict.fromkeys(names, 1)} for n in range(filters)]
    assert not survey_of(rows).holds_too_much

    rows.append({"filter": "one more", "doc_id": 0})

    assert survey_of(rows).holds_too_much


def test_scores_that_would_fill_the_memory_are_not_held() -> None:
    names = [f"m{n}" for n in range(100)]
    scores = dict.fromkeys(names, 1)
    dense = [{"filter": f, "doc_id": n, **scores} for f in "ab" for n in range(100)]
    assert not survey_of(dense).holds_too_much
    assert not survey_of([{"doc_id": 2**20, **scores}]).holds_too_much  # of one filter: not held

    sparse = [{"filter": f, "doc_id": 2**20 - 1, **scores} for f in "ab"]

    assert survey_of(sparse).holds_too_much


def test_metrics_behind_the_thousandth_are_not_held() -> None:
    lines = [{"filter": f, "doc_id": n, f"m{n}": 1} for f in "ab" for n in range(1_100)]
    filtered = FilteredScores(survey_of(lines))
    for line in lines:
        filtered.add(line)

    assert dict(filtered.of(999)) == {"m999,a": 1.0, "m999,b": 1.0}
    assert dict(filtered.of(1_000)) == {}
