from manifest.problem import VIOLATIONS_MAX, Problem, path_of, to_violations


def test_a_path_reads_like_code() -> None:
    path = path_of("manifest", ("tasks", 2, "output_extraction", "pattern"))

    assert path == "manifest.tasks[2].output_extraction.pattern"


def test_an_odd_key_is_quoted_and_a_long_one_is_cut() -> None:
    assert path_of("manifest", ("a b",)) == 'manifest["a b"]'
    assert len(path_of("manifest", ("x" * 10_000,))) < 100


def test_the_same_problem_is_reported_once() -> None:
    twice = [Problem(("a",), "BAD", "is wrong")] * 2

    assert [v.message for v in to_violations("root", twice)] == ["root.a is wrong"]


def test_a_flood_of_problems_is_cut_and_the_last_line_says_so() -> None:
    flood = [Problem((index,), "BAD", "is wrong") for index in range(VIOLATIONS_MAX + 7)]

    found = to_violations("root", flood)

    assert len(found) == VIOLATIONS_MAX + 1
    assert found[-1].message == f"root has more problems than the {VIOLATIONS_MAX} listed"
