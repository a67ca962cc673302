"""Preprocessors over rows."""

import textwrap
from collections.abc import Iterator

import pytest

from grader.inside.jobs import JsonObject
from grader.inside.preprocess import PrepareError, Preprocessor

ROWS: list[JsonObject] = [{"q": "a", "n": 1}, {"q": "b", "n": 2}, {"q": "c", "n": 3}]


def preprocessor(source: str, contract: str = "row", timeout_s: float = 120) -> Preprocessor:
    return Preprocessor(
        {
            "source": textwrap.dedent(source),
            "contract": contract,
            "timeout_seconds": timeout_s,
        }
    )


def applied(source: str, contract: str = "row") -> list[JsonObject]:
    return list(preprocessor(source, contract).apply(ROWS))


def test_each_row_becomes_what_transform_returns() -> None:
    source = "def transform(row): return {'question': row['q'].upper(), 'pair': (1, 2)}"

    assert applied(source)[0] == {"question": "A", "pair": [1, 2]}


def test_a_row_for_which_none_is_returned_is_dropped() -> None:
    source = "def transform(row): return row if row['n'] != 2 else None"

    assert [row["n"] for row in applied(source)] == [1, 3]


def test_rows_come_out_as_they_go_in() -> None:
    taken: list[int] = []

    def rows() -> Iterator[JsonObject]:
        for place, row in enumerate(ROWS):
            taken.append(place)
            yield row

    next(preprocessor("def transform(row): return row").apply(rows()))

    assert taken == [0]


def test_a_batch_may_drop_add_and_reorder_rows() -> None:
    source = "def transform_batch(rows): return [{'n': 0}, *reversed(rows[1:])]"

    assert [row["n"] for row in applied(source, "batch")] == [0, 3, 2]


def test_an_async_preprocessor_works() -> None:
    assert applied("async def transform(row): return {'n': row['n']}")[0] == {"n": 1}


@pytest.mark.parametrize(
    ("source", "contract", "message"),
    [
        ("def transform(row): return 5", "row", "row 0: the new row is int, not a dict"),
        ("def transform(row): return [row]", "row", "is list, not a dict"),
        ("def transform(row): return {'a': {1}}", "row", "row 0: the new row cannot be written"),
        ("def transform(row): return {'a': float('nan')}", "row", "not JSON compliant"),
        ("def transform(row): return {'a': '\\ud800'}", "row", "not valid Unicode"),
        ("def transform(row): return {'a': 'x' * 2 ** 22}", "row", "bytes as JSON"),
        (
            "def transform(row): return {'n': 10 ** 400}",
            "row",
            "row 0: the new row has a whole number beyond 64 bits",
        ),
        ("def transform(row): return {'n': [0] * 250_000}", "row", "more than 250000 values"),
        (
            "def transform(row): return {'a': 1 // (row['n'] - 2)}",
            "row",
            "by zero (line 1)",
        ),
        ("def transform(row): raise SystemExit", "row", "row 0: SystemExit"),
        ("def transform(row): raise StopIteration", "row", "row 0: StopIteration"),
        (
            "def transform(row): raise MemoryError",
            "row",
            "row 0: the preprocessor ran out of memory",
        ),
        ("def transform_batch(rows): return rows", "row", "defines no transform"),
        ("def transform(row): return row", "batch", "defines no transform_batch"),
        ("raise ValueError('x')", "row", "the module: ValueError: x"),
        ("def transform(:", "row", "the module: SyntaxError"),
        ("def transform_batch(rows): return None", "batch", "returned NoneType, not a list"),
        ("def transform_batch(rows): return rows[0]", "batch", "returned dict, not a list"),
        ("def transform_batch(rows): return (r for r in rows)", "batch", "returned generator"),
        ("def transform_batch(rows): return [None]", "batch", "entry 0 of the returned list"),
    ],
)
def test_any_error_fails_the_preparation(source: str, contract: str, message: str) -> None:
    with pytest.raises(PrepareError) as raised:
        applied(source, contract)

    assert raised.value.code == "preprocess_failed"
    assert message in raised.value.message


def test_an_error_names_the_row_and_whose_it_is() -> None:
    program = preprocessor("def transform(row): return row if row['n'] < 3 else row['zz']")

    with pytest.raises(PrepareError) as of_own:
        list(program.apply(ROWS))
    with pytest.raises(PrepareError) as of_examples:
        list(program.apply(ROWS, called="few-shot row"))

    assert of_own.value.message.startswith("row 2: KeyError")
    assert of_examples.value.message.startswith("few-shot row 2: KeyError")


def test_an_exception_comes_with_the_program_s_own_traceback() -> None:
    with pytest.raises(PrepareError) as raised:
        applied("def transform(row):\n    return 1 / 0\n")

    assert '  File "preprocess.py", line 2, in transform\n' in raised.value.traceback


@pytest.mark.parametrize("body", ["while True: pass", "import time; time.sleep(9)"])
def test_the_time_of_all_calls_is_limited(body: str) -> None:
    slow = preprocessor(f"def transform(row):\n    {body}", timeout_s=0.05)

    with pytest.raises(PrepareError, match=r"row 0: the preprocessor took over 0\.05 s"):
        list(slow.apply(ROWS))


def test_time_is_counted_over_the_calls() -> None:
    source = "import time\ndef transform(row):\n    time.sleep(0.04)\n    return row\n"

    with pytest.raises(PrepareError, match=r"row [12]: the preprocessor took over 0\.1 s"):
        list(preprocessor(source, timeout_s=0.1).apply(ROWS))
